"""From packed images and a split to batches of tensors.

What a sample looks like depends on (seed, epoch, image) alone: not on workers, order, or whether
the run was killed and resumed in between.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ferbench.data.crops import face_of, split_at_crop, ten_crops
from ferbench.data.mosaic import four_in_one, mosaic_partners
from ferbench.data.pack import Pack
from ferbench.data.sampler import EpochSampler, Key
from ferbench.data.units import Units
from ferbench.params import Recipe
from ferbench.plugins import load

__all__ = ["FaceDataset", "SceneDataset", "loader"]

# A process is one thread; OpenCV's own pool would fight with its neighbours for the cores.
cv2.setNumThreads(0)


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

    An item is (image (C, H, W) uint8, class index, index of the unit). With ten crops each face is
    ten samples in training, and a plain item's image is all of them, (10, C, H, W).
    """

    def __init__(self, pack: Path, faces: Units, recipe: Recipe, seed: int) -> None:
        super().__init__(pack, recipe, seed)
        # Plain arrays: a data frame's rows cost more than the transforms do.
        self.image_ids = faces.frame["image_id"].tolist()
        self.targets = faces.frame["cls"].tolist()
        self.boxes = faces.frame[["cx", "cy", "w", "h"]].to_numpy(float)
        augment = load("ferbench.data.augmentations", recipe.augment)
        plan: list[A.BasicTransform] = augment(recipe.input_px, recipe.resize_px)
        resize = A.Resize(recipe.resize_px, recipe.resize_px)
        if recipe.crops == 10:
            plan, self.after = split_at_crop(plan, recipe.augment)
            self.plain_transform = A.Compose([resize])
        else:
            crop = A.CenterCrop(recipe.input_px, recipe.input_px)
            self.plain_transform = A.Compose([resize, crop])
        self.train_transform = A.Compose(plan)

    def __len__(self) -> int:
        return len(self.image_ids)

    def __getitem__(self, key: Key) -> tuple[Tensor, int, int]:
        plain, crops = key[0] < 0, self.recipe.crops
        index, crop = (key[1], 0) if plain else divmod(key[1], crops)
        image = face_of(self.image(self.image_ids[index]), self.boxes[index])
        transform = self.plain_transform if plain else self.train_transform
        image = self.transformed(transform, (key[0], index), image=image)["image"]
        if crops == 1:
            return _tensor(image), self.targets[index], index
        views = ten_crops(image, self.recipe.input_px)
        if plain:
            return torch.stack([_tensor(view) for view in views]), self.targets[index], index
        view = self.transformed(self.after, key, image=np.ascontiguousarray(views[crop]))["image"]
        return _tensor(view), self.targets[index], index


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
        self.mosaic = A.Compose([four_in_one(recipe.resize_px)], boxes)
        self.plain_transform = A.Compose(plain, boxes)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, key: Key) -> tuple[Tensor, Tensor, Tensor, int]:
        index = key[1]
        transform = self.plain_transform if key[0] < 0 else self.train_transform
        scene = self._scene(index)
        if others := mosaic_partners(key, self.seed, len(self), self.recipe):
            more = [self._scene(other) for other in others]
            whole = self.transformed(self.mosaic, key, **scene, mosaic_metadata=more)
            scene = {name: whole[name] for name in scene}
        out = self.transformed(transform, key, **scene)
        boxes = torch.as_tensor(np.asarray(out["bboxes"], np.float32)).reshape(-1, 4)
        return _tensor(out["image"]), boxes, torch.as_tensor(np.asarray(out["cls"])), index

    def _scene(self, index: int) -> dict[str, Any]:
        image = self.image(self.scenes[index][0])
        return {"image": image, "bboxes": self.boxes[index], "cls": self.targets[index]}

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


def _tensor(image: NDArray[np.uint8]) -> Tensor:
    """(H, W, C) as (C, H, W), in its own memory: an unchanged picture is the read-only pack's."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
