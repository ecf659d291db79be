"""Pictures in memory as the tensors that evaluation feeds a network.

There is one definition of a network's input: `FaceDataset` and `SceneDataset` of
`ferbench.data.loaders`, which training's validation and evaluation read. Here the same objects are
given pictures in memory instead of a packed data set.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.artifacts.datasets import BOX
from ferbench.artifacts.pack import Pack, Pixels, write_pack
from ferbench.config.params import Recipe
from ferbench.data.dataset import FaceTable
from ferbench.data.loaders import FaceDataset, SceneDataset
from ferbench.errors import InputError

__all__ = ["FaceInputs", "SceneInputs", "checked_pixels"]

_PLAIN = -1  # epoch without augmentation
_WHOLE = np.array([0.5, 0.5, 1.0, 1.0])  # the box of a whole picture, centre and size


def checked_pixels(image: object, number: int = 0) -> Pixels:
    """A picture as (H, W, C) bytes.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), uint8; colours in the order RGB.
        number: its place among several, for the message.

    Raises:
        InputError: it is something else.
    """
    if isinstance(image, np.ndarray) and image.dtype == np.uint8:
        shaped = image[:, :, None] if image.ndim == 2 else image
        if shaped.ndim == 3 and shaped.shape[2] in (1, 3) and min(shaped.shape) > 0:
            return shaped
    what = type(image).__name__
    if isinstance(image, np.ndarray):
        what = f"{image.dtype} {image.shape}"
    raise InputError(
        f"a picture is (H, W), (H, W, 1) or (H, W, 3) bytes (uint8, 0 to 255), this is {what}",
        where=f"picture {number}",
        remedy="use `ferbench.serving.images.read_image`, or convert the array",
    )


class _Pictures(Pack):
    """A pack of pictures in memory, whose ids are their numbers."""

    def __init__(self, images: Sequence[Pixels]) -> None:
        # Without Pack.__init__, which opens a folder.
        self.images = images

    def image(self, image_id: str) -> Pixels:
        """Pixels (H, W, C) of a picture."""
        return self.images[int(image_id)]


class FaceInputs:
    """What a classifier is fed: faces cut out of pictures.

    Args:
        recipe: gives size, channels and crops.
    """

    def __init__(self, recipe: Recipe) -> None:
        dataset = _one_black_pixel(FaceDataset, recipe)
        assert isinstance(dataset, FaceDataset)
        self._template = dataset
        self._lock = threading.Lock()  # transforms keep the parameters of their last call

    def __call__(self, images: Sequence[Pixels], boxes: Sequence[NDArray[np.float64]]) -> Tensor:
        """Bytes (N, C, S, S) of all faces, or (N, 10, C, S, S) with ten crops.

        Args:
            images: (H, W, C) each.
            boxes: the faces of each image (F, 4), xyxy fractions of it; N is their total.
        """
        faces = copy.copy(self._template)
        faces.pack = _Pictures(images)
        counts = [len(own) for own in boxes]
        faces.image_ids = np.repeat(np.arange(len(images)), counts).astype(str).tolist()
        faces.targets = [0] * sum(counts)
        corners = np.concatenate([np.empty((0, 4)), *boxes])
        faces.boxes = np.hstack(
            [(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]]
        )
        with self._lock:
            return torch.stack([faces[_PLAIN, index][0] for index in range(len(faces))])


class SceneInputs:
    """What a detector is fed: whole pictures, scaled and padded.

    Args:
        recipe: gives size and channels.
    """

    def __init__(self, recipe: Recipe) -> None:
        dataset = _one_black_pixel(SceneDataset, recipe)
        assert isinstance(dataset, SceneDataset)
        self._template = dataset
        self._lock = threading.Lock()  # transforms keep the parameters of their last call

    def __call__(self, images: Sequence[Pixels]) -> Tensor:
        """Bytes (N, C, S, S) of images (H, W, C)."""
        scenes = self._of(images)
        with self._lock:
            return torch.stack([scenes[_PLAIN, index][0] for index in range(len(images))])

    def to_fractions(self, xyxy: NDArray[np.float64], image: Pixels) -> NDArray[np.float64]:
        """Corners (M, 4) in pixels of the network's input as fractions of the image (H, W, C)."""
        return self._of([image]).to_fractions(xyxy, "0")

    def _of(self, images: Sequence[Pixels]) -> SceneDataset:
        scenes = copy.copy(self._template)
        scenes.pack = _Pictures(images)
        count = len(images)
        scenes.scenes = [(str(index), pd.DataFrame()) for index in range(count)]
        scenes.boxes, scenes.targets = [np.empty((0, 4))] * count, [np.empty(0)] * count
        return scenes


def _one_black_pixel(
    kind: type[FaceDataset] | type[SceneDataset], recipe: Recipe
) -> FaceDataset | SceneDataset:
    """A data set of one picture, to be given others."""
    face = {"image_id": "0", "face": 0, "cls": 0, **dict(zip(BOX, _WHOLE.tolist(), strict=True))}
    with TemporaryDirectory() as folder:
        pack = Path(folder, "pack")
        write_pack(pack, [("0", np.zeros((1, 1, 1), np.uint8))])
        return kind(pack, FaceTable(pd.DataFrame([face]), ()), recipe, seed=0)
