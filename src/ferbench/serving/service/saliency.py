"""Where a network looks: Grad-CAM of faces in any picture.

The method is that of `ferbench.evaluation.explanations`, which shows it for test faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.artifacts.pack import Pixels
from ferbench.detection.boxes import MAX_BOXES, kept_boxes
from ferbench.detection.matching import overlaps
from ferbench.evaluation.explain import Scored
from ferbench.evaluation.gallery import scaled
from ferbench.models.build import as_fractions, cam_layers, task_of
from ferbench.models.weights import Trained
from ferbench.serving.model_folder import open_folder, read_network
from ferbench.serving.predictor import Face, square_crops
from ferbench.serving.preprocessing import FaceInputs, SceneInputs

__all__ = ["Saliency", "SaliencyMap"]

_MIDDLE = 4  # of ten crops
_CPU = torch.device("cpu")


@dataclass(frozen=True)
class SaliencyMap:
    """What supports a prediction, and where in the picture.

    Args:
        box: left, top, right, bottom of the map, fractions of the picture.
        values: (H, W) bytes; bright places support the predicted class.
    """

    box: tuple[float, float, float, float]
    values: NDArray[np.uint8]


class Saliency:
    """Grad-CAM of a network's predictions; not to be called by two threads at once.

    Args:
        trained: the network, on the CPU.
    """

    def __init__(self, trained: Trained) -> None:
        self._trained = trained
        detects = task_of(trained.variant) == "detect"
        self._scenes = SceneInputs(trained.recipe) if detects else None
        self._faces = None if detects else FaceInputs(trained.recipe)

    @classmethod
    def load(cls, path: Path) -> Saliency:
        """Of a model folder.

        Raises:
            InputError: it is no model folder, or damaged.
        """
        folder, record = open_folder(path)
        return cls(read_network(folder, record))

    def __call__(
        self, image: Pixels, faces: Sequence[Face], *, crop: bool
    ) -> list[SaliencyMap | None]:
        """The map of each face; None where the network has no map of more than one position.

        Args:
            image: (H, W, C).
            faces: that the predictor found in it.
            crop: whether the picture is one aligned face.
        """
        if not faces:
            return []
        if self._scenes is not None:
            return self._of_scene(self._scenes, image, faces)
        assert self._faces is not None
        boxes = np.array([face.box for face in faces])
        squares = boxes if crop else square_crops(boxes, image)
        inputs = self._faces([image], [squares])
        if inputs.ndim == 5:  # ten crops, the middle one of which is explained
            inputs = inputs[:, _MIDDLE]
        squares = self._middle(squares)
        maps: list[SaliencyMap | None] = []
        for number, face in enumerate(faces):
            x = as_fractions(inputs[number : number + 1], _CPU)
            values = self._map(x, Scored(self._trained.network, self._class(face), None))
            left, top, right, bottom = squares[number].tolist()
            box = (left, top, right, bottom)
            maps.append(None if values is None else SaliencyMap(box, _as_bytes(values)))
        return maps

    def _of_scene(
        self, scenes: SceneInputs, image: Pixels, faces: Sequence[Face]
    ) -> list[SaliencyMap | None]:
        network, recipe = self._trained.network, self._trained.recipe
        x = as_fractions(scenes([image]), _CPU)
        with torch.no_grad():
            decoded = network(x)[0].float()
        boxes = kept_boxes(decoded, len(self._trained.classes), MAX_BOXES)[0]
        corners = scenes.to_fractions(boxes.xyxy.double().numpy(), image)
        # The picture in the network's input, without the padding.
        whole = np.array([[0.0, 0.0, recipe.input_px, recipe.input_px]])
        grid = np.arange(recipe.input_px + 1, dtype=float)
        places = scenes.to_fractions(np.stack([grid, grid, grid, grid], axis=1), image)
        columns, rows = (_inside(places[:, axis]) for axis in (0, 1))
        left, top, right, bottom = scenes.to_fractions(whole, image)[0].tolist()
        maps: list[SaliencyMap | None] = []
        for face in faces:
            nearest = int(overlaps(np.array(face.box), corners).argmax())
            score = Scored(network, self._class(face), int(boxes.place[nearest]))
            values = self._map(x, score)
            if values is None:
                maps.append(None)
            else:
                part = _as_bytes(values[rows, columns])
                maps.append(SaliencyMap((left, top, right, bottom), part))
        return maps

    def _class(self, face: Face) -> int:
        return self._trained.classes.index(face.emotion)

    def _middle(self, squares: NDArray[np.float64]) -> NDArray[np.float64]:
        """The part of each square (F, 4) that the network is shown, the middle crop."""
        recipe = self._trained.recipe
        share = min(1.0, recipe.input_px / recipe.resize_px)
        centre = (squares[:, :2] + squares[:, 2:]) / 2
        half = share * (squares[:, 2:] - squares[:, :2]) / 2
        return np.hstack([centre - half, centre + half])

    def _map(self, x: Tensor, score: nn.Module) -> NDArray[np.float64] | None:
        """Grad-CAM (S, S) of an input (1, C, S, S), in [0, 1]."""
        from pytorch_grad_cam import GradCAM

        layers = list(cam_layers(self._trained.network, x))
        if not layers:
            return None
        cam: Any = GradCAM(score, layers)
        try:
            return scaled(cam(x.clone().requires_grad_(), [lambda out: out])[0])
        finally:
            cam.activations_and_grads.release()


def _inside(fractions: NDArray[np.float64]) -> slice:
    """The pixels that show the picture; fractions of their edges (S + 1,) are clipped to [0, 1]."""
    return slice(
        int(np.flatnonzero(fractions <= 0).max(initial=0)),
        int(np.flatnonzero(fractions >= 1).min(initial=len(fractions) - 1)),
    )


def _as_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.round(255 * values).astype(np.uint8)
