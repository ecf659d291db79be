"""From packed images and a split to batches of tensors.

What a sample looks like depends on (seed, epoch, image) alone: not on workers, order, or whether
the run was killed and resumed in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ferbench.data.pack import Pack
from ferbench.data.sampler import EpochSampler, Key
from ferbench.params import Recipe
from ferbench.plugins import load

__all__ = ["FaceDataset", "SceneDataset", "Units", "loader", "units"]

# A process is one thread; OpenCV's own pool would fight with its neighbours for the cores.
cv2.setNumThreads(0)


@dataclass(frozen=True)
class Units:
    """The labelled faces of one side of a split.

    Args:
        frame: image_id, face, cls, cx, cy, w, h (fractions), unit_id; sorted.
        classes: class names in the order of `cls`.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]


def units(boxes: pd.DataFrame, split: pd.DataFrame, side: str, classes: tuple[str, ...]) -> Units:
    """Faces of the images on one side.

    Args:
        boxes: `boxes.parquet` of stage `yolo_labels`.
        split: image_id and split.
        side: train, val or test.
        classes: class names in the order of `cls`.
    """
    images = split.loc[split["split"] == side, "image_id"]
    frame = boxes[boxes["image_id"].isin(images)].sort_values(["image_id", "face"])
    several = frame.groupby("image_id")["face"].transform("size") > 1
    suffix = np.where(several, "#" + frame["face"].astype(str), "")
    return Units(frame.assign(unit_id=frame["image_id"] + suffix).reset_index(drop=True), classes)


class _Images(Dataset[Any]):
    """What both datasets share: decoded images, channels and seeded transforms."""

    def __init__(self, pack: Path, recipe: Recipe, seed: int) -> None:
        self.pack = Pack(pack)
        self.recipe = recipe
        self.seed = seed

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """An image (H, W, C) with the recipe's channels."""
        image = self.pack.image(image_id)
        if image.shape[2] == self.recipe.channels:
            return np.ascontiguousarray(image)
        if self.recipe.channels == 3:
            return np.repeat(image, 3, axis=2)
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]

    def transformed(self, transform: A.Compose, key: Key, **data: Any) -> dict[str, Any]:
        """A transform's result; its draws depend on (seed, epoch, index) alone."""
        epoch, index = key
        transform.set_random_seed(crc32(f"{self.seed}/{epoch}/{index}".encode()))
        return transform(**data)


class FaceDataset(_Images):
    """One aligned face a sample, for classifiers.

    An item is (image (C, H, W) uint8, class index, index of the unit).
    """

    def __init__(self, pack: Path, faces: Units, recipe: Recipe, seed: int) -> None:
        super().__init__(pack, recipe, seed)
        # Plain arrays: a data frame's rows cost more than the transforms do.
        self.image_ids = faces.frame["image_id"].tolist()
        self.targets = faces.frame["cls"].tolist()
        self.boxes = faces.frame[["cx", "cy", "w", "h"]].to_numpy(float)
        augment = load("ferbench.data.augmentations", recipe.augment)
        self.train_transform = A.Compose(augment(recipe.input_px, recipe.resize_px))
        self.plain_transform = A.Compose(
            [
                A.Resize(recipe.resize_px, recipe.resize_px),
                A.CenterCrop(recipe.input_px, recipe.input_px),
            ]
        )

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, key: Key) -> tuple[Tensor, int, int]:
        index = key[1]
        image = _crop(self.image(self.image_ids[index]), self.boxes[index])
        transform = self.plain_transform if key[0] < 0 else self.train_transform
        image = self.transformed(transform, key, image=image)["image"]
        return _tensor(image), self.targets[index], index


class SceneDataset(_Images):
    """One whole image a sample with all its boxes, for detectors.

    An item is (image (C, H, W) uint8, boxes (M, 4) cx cy w h, classes (M,), index of the image).
    """

    def __init__(self, pack: Path, faces: Units, recipe: Recipe, seed: int) -> None:
        super().__init__(pack, recipe, seed)
        self.scenes = [(str(i), rows) for i, rows in faces.frame.groupby("image_id", sort=True)]
        # Plain arrays: a data frame's columns cost more than the transforms do.
        self.boxes = [rows[["cx", "cy", "w", "h"]].to_numpy(float) for _, rows in self.scenes]
        self.targets = [rows["cls"].to_numpy(float) for _, rows in self.scenes]
        boxes = A.BboxParams(
            format="yolo",
            label_fields=["cls"],
            clip=True,
            filter_invalid_bboxes=True,
            min_visibility=0.1,
        )
        augment = load("ferbench.data.augmentations", recipe.augment)
        plain = [
            A.LongestMaxSize(recipe.resize_px),
            A.PadIfNeeded(recipe.input_px, recipe.input_px, fill=114),
        ]
        self.train_transform = A.Compose(augment(recipe.input_px, recipe.resize_px), boxes)
        self.plain_transform = A.Compose(plain, boxes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, Tensor, int]:
        index = key[1]
        transform = self.plain_transform if key[0] < 0 else self.train_transform
        out = self.transformed(
            transform,
            key,
            image=self.image(self.scenes[index][0]),
            bboxes=self.boxes[index],
            cls=self.targets[index],
        )
        boxes = torch.as_tensor(np.asarray(out["bboxes"], np.float32)).reshape(-1, 4)
        return _tensor(out["image"]), boxes, torch.as_tensor(np.asarray(out["cls"])), index

    def to_fractions(self, xyxy: NDArray[np.float64], image_id: str) -> NDArray[np.float64]:
        """Corners (M, 4) in pixels of the network's input as fractions of the image itself.

        Undoes the plain transform: scaling to the longest side and padding on both sides. Corners
        outside the image are brought to its border.
        """
        height, width = self.pack.image(image_id).shape[:2]
        scale = self.recipe.resize_px / max(height, width)
        size = np.array([round(width * scale), round(height * scale)] * 2, float)
        # The padding is whole pixels; of an odd number the smaller half stands before the image.
        before = np.floor((self.recipe.input_px - size) / 2)
        return np.clip((xyxy - before) / size, 0.0, 1.0)


def loader(
    dataset: FaceDataset | SceneDataset, sampler: EpochSampler, batch_size: int, workers: int = 0
) -> DataLoader[Any]:
    """Batches in a sampler's order.

    A classifier's batch is (images (B, C, H, W), classes (B,), indices (B,)); a detector's is a
    dict with `img` (B, C, H, W), `batch_idx` (M,), `cls` (M, 1), `bboxes` (M, 4) and `index` (B,).
    """
    collate: Callable[..., Any] | None = None
    if isinstance(dataset, SceneDataset):
        collate = _collate_scenes
    # The norms cannot work on a last batch of one image.
    lonely = sampler.seed is not None and len(sampler) % batch_size == 1
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        drop_last=lonely,
    )


def _collate_scenes(samples: list[tuple[Tensor, Tensor, Tensor, int]]) -> dict[str, Tensor]:
    images, boxes, classes, index = zip(*samples, strict=True)
    counts = torch.tensor([len(b) for b in boxes])
    return {
        "img": torch.stack(images),
        "batch_idx": torch.repeat_interleave(torch.arange(len(images)), counts).float(),
        "cls": torch.cat(classes).float().reshape(-1, 1),
        "bboxes": torch.cat(boxes),
        "index": torch.tensor(index),
    }


def _crop(image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The part of an image in a box (cx, cy, w, h as fractions), at least one pixel each way."""
    height, width = image.shape[:2]
    cx, cy, w, h = box * (width, height, width, height)
    x0 = min(max(round(cx - w / 2), 0), width - 1)
    y0 = min(max(round(cy - h / 2), 0), height - 1)
    x1 = max(min(round(cx + w / 2), width), x0 + 1)
    y1 = max(min(round(cy + h / 2), height), y0 + 1)
    return np.ascontiguousarray(image[y0:y1, x0:x1])


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    """(H, W, C) as (C, H, W), in its own memory: an unchanged picture is the read-only pack's."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
