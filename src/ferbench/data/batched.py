"""Augmentation of whole batches on the network's device, for faces that fit into its memory.

A GPU trains on small faces faster than processes can transform them one by one. Here all faces of
a split, prepared as `FaceDataset` prepares them, lie on the device as bytes, and the transforms of
the recipe's augmentation are applied to a batch at once. The transforms and their ranges are read
from the albumentations objects of `ferbench.data.augmentations`, which stay the only definition;
the tests compare both paths. Interpolated pixels differ by a few grey levels, because OpenCV rounds
its weights to 5 bits, and the random numbers are others.

Draws are counter-based: a number depends on seed, epoch, index of the face, position of the
transform and number of the draw, on nothing else, and is the same on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ferbench.data.draws import EpochSampler, Key
from ferbench.data.loaders import FaceDataset, single_left
from ferbench.data.transforms import five_places

__all__ = ["BatchTransform", "Draws", "ResidentFaces", "ResidentLoader", "fits_on_device"]

_AT_ONCE = 2048  # images that are transformed together
_MAX_BYTES = 2 << 30  # of all prepared faces of a split
_SHIFTS_AND_FACTORS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))  # of splitmix64
_GOLDEN = 0x9E3779B97F4A7C15


def _signed(value: int) -> int:
    """An unsigned 64-bit number as the signed one of the same bits: torch computes with int64."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; torch's own keeps the sign."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mixed(x: Tensor) -> Tensor:
    """The output function of splitmix64, a bijection of int64 whose output bits look random.

    Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    for bits, factor in _SHIFTS_AND_FACTORS:
        x = (x ^ _shifted(x, bits)) * _signed(factor)
    return x ^ _shifted(x, 31)


class Draws:
    """Random numbers of the samples of a batch.

    Args:
        words: integers or tensors (B,) of integers that identify each sample, such as seed, epoch
            and index.
        device: where the numbers are drawn.
    """

    def __init__(self, *words: int | Tensor, device: torch.device) -> None:
        state = torch.zeros((), dtype=torch.int64, device=device)
        for word in words:
            state = self._next(state, word)
        self._state = state

    @staticmethod
    def _next(state: Tensor, word: int | Tensor) -> Tensor:
        step = _signed(word * _GOLDEN) if isinstance(word, int) else word * _signed(_GOLDEN)
        return _mixed(state + step + _signed(_GOLDEN))

    def uniform(self, position: int, number: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Numbers (B,) in [low, high), float32 of 24 random bits.

        Args:
            position: of the transform in its plan, from 1.
            number: of the draw in the transform.
            low: smallest value.
            high: upper bound.
        """
        bits = _shifted(self._next(self._next(self._state, position), number), 40)
        return low + bits.float() * ((high - low) / 2**24)


def _affine(transform: A.Affine, images: Tensor, draws: Draws, position: int) -> Tensor:
    size = (images.shape[-1], images.shape[-2])
    angle = torch.deg2rad(draws.uniform(position, 1, *transform.rotate))
    scales = [draws.uniform(position, 2 + i, *transform.scale[axis]) for i, axis in enumerate("xy")]
    if transform.keep_ratio:
        scales[1] = scales[0]
    shifts = [torch.zeros_like(angle)] * 2
    if transform.translate_percent is not None:
        percents = (transform.translate_percent[axis] for axis in "xy")
        shifts = [
            torch.trunc(draws.uniform(position, 4 + i, *percent) * side)
            for i, (percent, side) in enumerate(zip(percents, size, strict=True))
        ]
    # Where each pixel of the result comes from: the inverse of scaling, rotation and translation
    # about the centre of the pixels.
    centre = [side / 2 - 0.5 for side in size]
    x = torch.arange(size[0], device=images.device) - centre[0]
    y = torch.arange(size[1], device=images.device) - centre[1]
    left = (x[None, :] - shifts[0][:, None])[:, None, :]  # (B, 1, W)
    down = (y[None, :] - shifts[1][:, None])[:, :, None]  # (B, H, 1)
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    source = (
        (left * cos - down * sin) / scales[0][:, None, None] + centre[0],
        (left * sin + down * cos) / scales[1][:, None, None] + centre[1],
    )
    grid = torch.stack(
        [(2 * s + 1) / side - 1 for s, side in zip(source, size, strict=True)], dim=-1
    )
    fill = float(transform.fill)
    warped = grid_sample(images.float() - fill, grid, align_corners=False) + fill
    return warped.round_().clamp_(0, 255).to(torch.uint8)


def _flip(transform: A.HorizontalFlip, images: Tensor, draws: Draws, position: int) -> Tensor:
    del transform, draws, position
    return images.flip(-1)


def _cut(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """A part of each image; its upper left corner is (B,) and (B,)."""
    device = images.device
    rows = (top[:, None] + torch.arange(height, device=device))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width, device=device))[:, None, None, :]
    sample = torch.arange(len(images), device=device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=device)[None, :, None, None]
    return images[sample, channel, rows, columns]


def _random_crop(transform: A.RandomCrop, images: Tensor, draws: Draws, position: int) -> Tensor:
    height, width = images.shape[-2:]
    top = (draws.uniform(position, 1) * (height - transform.height + 1)).long()
    left = (draws.uniform(position, 2) * (width - transform.width + 1)).long()
    return _cut(images, top, left, transform.height, transform.width)


def _centre_crop(transform: A.CenterCrop, images: Tensor, draws: Draws, position: int) -> Tensor:
    del draws, position
    return _middle(images, transform.height, transform.width)


def _middle(images: Tensor, height: int, width: int) -> Tensor:
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    return images[..., top : top + height, left : left + width]


def _erasing(transform: A.Erasing, images: Tensor, draws: Draws, position: int) -> Tensor:
    height, width = images.shape[-2:]
    pixels = height * width
    r_min, r_max = transform.ratio
    largest = min(
        pixels * transform.scale[1],
        *(bound for r in (r_min, r_max) for bound in (r * height**2, width**2 / r)),
    )
    if largest < pixels * transform.scale[0]:
        return images
    area = draws.uniform(position, 1, pixels * transform.scale[0], largest)
    low = torch.clamp(area / height**2, min=r_min)
    high = torch.clamp(width**2 / area, max=r_max)
    ratio = low + draws.uniform(position, 2) * (high - low)
    tall, wide = torch.sqrt(area / ratio).round(), torch.sqrt(area * ratio).round()
    top = torch.floor(draws.uniform(position, 3) * (height - tall + 1))
    left = torch.floor(draws.uniform(position, 4) * (width - wide + 1))

    def inside(side: int, start: Tensor, length: Tensor) -> Tensor:
        place = torch.arange(side, device=images.device)
        return (place >= start[:, None]) & (place < (start + length)[:, None])

    hole = inside(height, top, tall)[:, None, :, None] & inside(width, left, wide)[:, None, None, :]
    return images.masked_fill(hole, int(transform.fill))


# Images (B, [10,] C, H, W) of bytes, classes (B,), indices (B,).
Batch = tuple[Tensor, Tensor, Tensor]
_Apply = Callable[[Any, Tensor, Draws, int], Tensor]
_APPLIED: dict[type[A.BasicTransform], _Apply] = {
    A.Affine: _affine,
    A.HorizontalFlip: _flip,
    A.RandomCrop: _random_crop,
    A.CenterCrop: _centre_crop,
    A.Erasing: _erasing,
}
# They change the size, so that every image of a batch needs them.
_CROPS = (A.RandomCrop, A.CenterCrop)


def _supported(transform: A.BasicTransform) -> bool:
    if isinstance(transform, A.Affine):
        plain = (
            transform.interpolation == cv2.INTER_LINEAR
            and transform.border_mode == cv2.BORDER_CONSTANT
            and not transform.fit_output
            and not transform.balanced_scale
            and not any(map(any, (transform.translate_px or {}).values()))
            and all(limits == (0.0, 0.0) for limits in transform.shear.values())
        )
        return plain and isinstance(transform.fill, int | float)
    if isinstance(transform, A.Erasing):
        return isinstance(transform.fill, int | float)
    if isinstance(transform, _CROPS):
        return not transform.pad_if_needed and transform.p == 1
    return type(transform) in _APPLIED


class BatchTransform:
    """A plan of albumentations transforms, applied to a batch.

    Args:
        plan: in order; `supports` must hold for it.
    """

    def __init__(self, plan: Sequence[A.BasicTransform]) -> None:
        self.plan = list(plan)

    @staticmethod
    def supports(plan: Sequence[A.BasicTransform]) -> bool:
        """Whether every transform of a plan can be applied to a batch."""
        return all(_supported(transform) for transform in plan)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """Bytes (B, C, H, W) to bytes (B, C, h, w).

        Args:
            images: on the device of `draws`.
            draws: of the samples of the batch.
        """
        for position, transform in enumerate(self.plan, start=1):
            changed = _APPLIED[type(transform)](transform, images, draws, position)
            if transform.p < 1:
                hit = draws.uniform(position, 0) < transform.p
                changed = torch.where(hit[:, None, None, None], changed, images)
            images = changed
        return images


def fits_on_device(faces: FaceDataset, device: torch.device) -> bool:
    """Whether a training takes its faces from the memory of its device.

    So it is on a GPU, for augmentations whose transforms can be applied to batches and splits of at
    most 2 GiB. It depends on nothing else that may differ between two runs of a study.
    """
    size = len(faces) * faces.recipe.channels * faces.recipe.resize_px**2
    plans = [faces.augment.transforms]
    if faces.recipe.crops == 10:
        plans.append(faces.after_crop.transforms)
    return (
        device.type == "cuda"
        and size <= _MAX_BYTES
        and all(BatchTransform.supports(plan) for plan in plans)
    )


class ResidentFaces:
    """The faces of a `FaceDataset` in a device's memory, and their batches.

    A batch is (images (B, C, H, W) uint8, classes (B,), indices (B,)), on the device; with ten
    crops its images are (B, 10, C, H, W).

    Args:
        source: the faces, their recipe and seed.
        device: that holds them.
    """

    def __init__(self, source: FaceDataset, device: torch.device) -> None:
        self.faces, self.recipe, self.seed, self.device = (
            source.faces,
            source.recipe,
            source.seed,
            device,
        )
        pixels = np.stack([source.prepared(i) for i in range(len(source))])
        self.images = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous().to(device)
        self.targets = torch.tensor(source.targets, device=device)
        self.augment = BatchTransform(source.augment.transforms)
        ten = source.recipe.crops == 10
        self.after_crop = BatchTransform(source.after_crop.transforms) if ten else None

    def __len__(self) -> int:
        return len(self.targets)

    def batch(self, keys: Sequence[Key]) -> Batch:
        """The samples of some keys.

        Args:
            keys: epoch and index of each; all have one epoch, and a negative one means no
                augmentation.
        """
        epoch = keys[0][0]
        index = torch.tensor([key[1] for key in keys], device=self.device)
        images = self.images[index]
        draws = None if epoch < 0 else Draws(self.seed, epoch, index, device=self.device)
        if draws is not None:
            images = self.augment(images, draws)
        if self.after_crop is not None:
            images = self._ten(images, epoch, index)
        elif draws is None:
            images = _middle(images, self.recipe.input_px, self.recipe.input_px)
        return images, self.targets[index], index

    def _ten(self, images: Tensor, epoch: int, index: Tensor) -> Tensor:
        """Ten crops of each image, in the order of `ferbench.data.transforms.ten_crops`."""
        px = self.recipe.input_px
        places = five_places(images.shape[-2], images.shape[-1], px)
        views = torch.stack(
            [
                picture[..., top : top + px, left : left + px]
                for picture in (images, images.flip(-1))
                for top, left in places
            ],
            dim=1,
        )
        if epoch < 0:
            return views
        assert self.after_crop is not None
        number = torch.arange(1, 11, device=self.device).repeat(len(index))
        draws = Draws(self.seed, epoch, index.repeat_interleave(10), number, device=self.device)
        augmented = self.after_crop(views.flatten(0, 1), draws)
        return augmented.reshape(*views.shape[:2], *augmented.shape[1:])


class ResidentLoader:
    """Batches of resident faces in a sampler's order, as `ferbench.data.loaders.loader` makes them.

    Several batches are transformed at once and then handed out one by one: what a transform of a
    small batch costs is the start of its many kernels, not their work.

    Args:
        dataset: the faces.
        sampler: of their keys; its epoch is set by Lightning.
        batch_size: faces a batch.
    """

    batch_sampler = None  # Lightning reads it where there is a sampler

    def __init__(self, dataset: ResidentFaces, sampler: EpochSampler, batch_size: int) -> None:
        self.dataset, self.sampler, self.batch_size = dataset, sampler, batch_size

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not single_left(self.sampler, self.batch_size))

    def __iter__(self) -> Iterator[Batch]:
        keys = list(self.sampler)
        if single_left(self.sampler, self.batch_size):
            del keys[-1]
        at_once = self.batch_size * max(
            1, _AT_ONCE // (self.batch_size * self.dataset.recipe.crops)
        )
        for start in range(0, len(keys), at_once):
            parts = self.dataset.batch(keys[start : start + at_once])
            yield from zip(*(torch.split(part, self.batch_size) for part in parts), strict=True)
