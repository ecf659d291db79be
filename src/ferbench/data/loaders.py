"""From packed images and a split to batches of tensors.

A sample depends only on (seed, epoch, image): not on workers, order, or whether the run was killed
and resumed in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ferbench.artifacts.datasets import BOX
from ferbench.artifacts.pack import Pack
from ferbench.config.params import Recipe
from ferbench.data.dataset import FaceTable
from ferbench.data.draws import EpochSampler, Key, seed_transforms
from ferbench.data.transforms import (
    PAD_VALUE,
    face_of,
    four_in_one,
    mosaic_partners,
    split_at_crop,
    ten_crops,
)
from ferbench.plugins import load

__all__ = ["FaceDataset", "SceneDataset", "loader", "single_left"]

_KEPT_BYTES = 256 * 2**20
# Transforms that draw nothing but whether they are applied.
_FIXED = (A.CenterCrop, A.Resize)
_BOXES = {"format": "yolo", "label_fields": ["cls"], "clip": True, "filter_invalid_bboxes": True}
# As in the YOLO trainers: a face is left out of training if less than a tenth of its box is left by
# all transforms together, or a side is below two pixels.
_TRAINED = {"min_visibility": 0.1, "min_width": 2, "min_height": 2, "check_each_transform": False}

# A process is one thread; OpenCV's own pool would compete with other processes for the cores.
cv2.setNumThreads(0)


class _Images(Dataset[Any]):
    """Base of both data sets: decoded images, channels and seeded transforms.

    Each item is made anew unless `keep_items` was called.

    Args:
        pack: folder of packed images.
        faces: labelled faces.
        recipe: how they are prepared and augmented.
        seed: of the run.
    """

    def __init__(self, pack: Path, faces: FaceTable, recipe: Recipe, seed: int) -> None:
        self.pack = Pack(pack)
        self.faces = faces
        self.recipe = recipe
        self.seed = seed
        self.augmentation = load("ferbench.data.augmentations", recipe.augment)
        plan = self.augmentation(recipe, recipe.resize_px)
        fixed = all(isinstance(part, _FIXED) and part.p == 1 for part in plan)
        self._draws = recipe.mosaic > 0 or not fixed
        self._kept: dict[tuple[bool, int], Any] = {}
        self._room = 0

    def keep_items(self, room: int = _KEPT_BYTES) -> None:
        """Keep items without random draws, such as those of validation, for the next epochs.

        Args:
            room: bytes of images that are kept at most.
        """
        self._room = room

    def __getitem__(self, key: Key) -> Any:
        plain = key[0] < 0
        if self._draws and not plain:
            return self.item(key)
        place = plain, key[1]
        item = self._kept.get(place)
        if item is None:
            item = self.item(key)
            # Every worker of a loader would keep its own.
            if get_worker_info() is None and item[0].nbytes <= self._room:
                self._kept[place] = item
                self._room -= item[0].nbytes
        return item

    def item(self, key: Key) -> Any:
        """A sample of an epoch, made anew; a negative epoch means no augmentation."""
        raise NotImplementedError

    def image(self, image_id: str) -> NDArray[np.uint8]:
        """An image (H, W, C) with the recipe's channels."""
        image = self.pack.image(image_id)
        if image.shape[2] == self.recipe.channels:
            return np.ascontiguousarray(image)
        if self.recipe.channels == 3:
            return np.repeat(image, 3, axis=2)
        return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]

    def transformed(self, transform: A.Compose, key: Key, **data: Any) -> dict[str, Any]:
        """A transform's result; its draws depend only on (seed, epoch, index) and its position."""
        if key[0] >= 0:  # without augmentation there is nothing to draw
            seed_transforms(transform, (self.seed, *key))
        return transform(**data)


class FaceDataset(_Images):
    """One aligned face per sample, for classifiers.

    A face is cut out of its image and resized to a square of `resize_px`, in training and in
    evaluation alike; the augmentation or a centre crop follows.

    An item is (image (C, H, W) uint8, class index, index of the face). With ten crops its image is
    all of them, (10, C, H, W).
    """

    def __init__(self, pack: Path, faces: FaceTable, recipe: Recipe, seed: int) -> None:
        super().__init__(pack, faces, recipe, seed)
        # Plain arrays: a data frame's rows cost more than the transforms do.
        self.image_ids = faces.frame["image_id"].tolist()
        self.targets = faces.frame["cls"].tolist()
        self.boxes = faces.frame[BOX].to_numpy(float)
        side = recipe.resize_px
        self.prepare = A.Compose([A.Resize(side, side)])
        self.centre = A.Compose([A.CenterCrop(recipe.input_px, recipe.input_px)])
        plan: list[A.BasicTransform] = self.augmentation(recipe, side)
        if recipe.crops == 10:
            plan, self.after_crop = split_at_crop(plan, recipe.augment)
        self.augment = A.Compose(plan)

    def __len__(self) -> int:
        return len(self.image_ids)

    def item(self, key: Key) -> tuple[Tensor, int, int]:
        """Image, class and index of a face, made anew."""
        index, plain = key[1], key[0] < 0
        image = self.prepared(index)
        if not plain:
            image = self.transformed(self.augment, key, image=image)["image"]
        if self.recipe.crops == 10:
            views = ten_crops(image, self.recipe.input_px)
            if not plain:
                views = self._after_crop(views, key)
            return torch.stack([_tensor(v) for v in views]), self.targets[index], index
        if plain:
            image = self.centre(image=image)["image"]
        return _tensor(image), self.targets[index], index

    def prepared(self, index: int) -> NDArray[np.uint8]:
        """A face (resize_px, resize_px, C) before augmentation."""
        image = face_of(self.image(self.image_ids[index]), self.boxes[index])
        resized: NDArray[np.uint8] = self.prepare(image=image)["image"]
        return resized

    def _after_crop(self, views: list[NDArray[np.uint8]], key: Key) -> list[NDArray[np.uint8]]:
        """Apply the augmentation's transforms behind the crop, with draws of their own per crop."""
        augmented = []
        behind = len(self.augment.transforms) + 1  # positions of the transforms all crops share
        for number, view in enumerate(views, start=1):
            seed_transforms(self.after_crop, (self.seed, *key, behind, number))
            augmented.append(self.after_crop(image=view)["image"])
        return augmented


class SceneDataset(_Images):
    """One whole image with all its boxes per sample, for detectors.

    An item is (image (C, H, W) uint8, boxes (M, 4) cx cy w h, classes (M,), index of the image).
    """

    def __init__(self, pack: Path, faces: FaceTable, recipe: Recipe, seed: int) -> None:
        super().__init__(pack, faces, recipe, seed)
        self.scenes = [(str(i), rows) for i, rows in faces.frame.groupby("image_id", sort=True)]
        # Plain arrays: a data frame's columns cost more than the transforms do.
        self.boxes = [rows[BOX].to_numpy(float) for _, rows in self.scenes]
        self.targets = [rows["cls"].to_numpy(float) for _, rows in self.scenes]
        side = max(recipe.resize_px, recipe.input_px)
        fit = [
            A.LongestMaxSize(recipe.resize_px),
            A.PadIfNeeded(recipe.input_px, recipe.input_px, fill=PAD_VALUE),
        ]
        self.plain = A.Compose(fit, A.BboxParams(**_BOXES))
        trained = A.BboxParams(**_BOXES, **_TRAINED)
        self.augment = A.Compose([*fit, *self.augmentation(recipe, side)], trained)
        self.augment_mosaic = A.Compose(self.augmentation(recipe, 2 * recipe.resize_px), trained)

    def __len__(self) -> int:
        return len(self.scenes)

    def item(self, key: Key) -> tuple[Tensor, Tensor, Tensor, int]:
        """Image, boxes, classes and index of a scene, made anew."""
        index = key[1]
        scene = self._scene(index)
        transform = self.plain if key[0] < 0 else self.augment
        if others := mosaic_partners(key, self.seed, len(self), self.recipe):
            scenes = [scene, *(self._scene(other) for other in others)]
            scene = four_in_one(scenes, self.recipe.resize_px, self.seed, key)
            transform = self.augment_mosaic
        out = self.transformed(transform, key, **scene)
        boxes = torch.as_tensor(np.asarray(out["bboxes"], np.float32)).reshape(-1, 4)
        return _tensor(out["image"]), boxes, torch.as_tensor(np.asarray(out["cls"])), index

    def _scene(self, index: int) -> dict[str, Any]:
        image = self.image(self.scenes[index][0])
        return {"image": image, "bboxes": self.boxes[index], "cls": self.targets[index]}

    def to_fractions(self, xyxy: NDArray[np.float64], image_id: str) -> NDArray[np.float64]:
        """Corners (M, 4) in pixels of the network's input as fractions of the image itself.

        Undoes the plain transform: scaling to the longest side and padding on both sides. Corners
        outside the image are moved to its border.
        """
        height, width = self.pack.image(image_id).shape[:2]
        scale = self.recipe.resize_px / max(height, width)
        size = np.array([round(width * scale), round(height * scale)] * 2, float)
        # The padding is whole pixels; of an odd number the smaller half is before the image.
        before = np.floor((self.recipe.input_px - size) / 2)
        return np.clip((xyxy - before) / size, 0.0, 1.0)


def loader(
    dataset: FaceDataset | SceneDataset, sampler: EpochSampler, batch_size: int, workers: int = 0
) -> DataLoader[Any]:
    """Batches in a sampler's order.

    A classifier's batch is (images (B, C, H, W), classes (B,), indices (B,)); a detector's is a
    dict with `img` (B, C, H, W), `batch_idx` (M,), `cls` (M, 1), `bboxes` (M, 4) and `index` (B,).
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        collate_fn=_collate_scenes if isinstance(dataset, SceneDataset) else None,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=workers > 0 and torch.cuda.is_available(),
        drop_last=single_left(sampler, batch_size),
    )


def single_left(sampler: EpochSampler, batch_size: int) -> bool:
    """Whether the last training batch has one image, on which batch norm fails; it is dropped."""
    return sampler.seed is not None and len(sampler) % batch_size == 1


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
    """(H, W, C) as (C, H, W), copied: an unchanged image is a read-only view of the pack."""
    return torch.from_numpy(image.transpose(2, 0, 1).copy())
