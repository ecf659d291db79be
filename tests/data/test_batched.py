"""Augmentation of whole batches against albumentations, the reference."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, kstest
from torch import Tensor

from ferbench.config.params import Params, Recipe
from ferbench.data.augmentations import standard
from ferbench.data.batched import (
    BatchTransform,
    Draws,
    ResidentFaces,
    ResidentLoader,
    fits_on_device,
)
from ferbench.data.dataset import PackedDataset
from ferbench.data.draws import EpochSampler, seed_transforms
from ferbench.data.loaders import FaceDataset, loader
from ferbench.training.fit import TrainingData, fit

CPU = torch.device("cpu")


def draws(count: int, *words: int) -> Draws:
    return Draws(*words, torch.arange(count), device=CPU)


def bytes_of(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy())[None]


@pytest.fixture
def face() -> np.ndarray:
    """Smooth, so that the rounding of interpolation weights costs few grey levels."""
    y, x = np.mgrid[:48, :48]
    image = 120 + 60 * np.sin(x / 7) + 60 * np.cos(y / 9 + x / 17)
    return image.clip(0, 255).astype(np.uint8)[:, :, None]


def test_draws_are_uniform_and_independent() -> None:
    numbers = [draws(20_000, 3, 1).uniform(p, n).numpy() for p in (1, 2) for n in (0, 1, 2)]
    numbers.append(draws(20_000, 3, 2).uniform(1, 0).numpy())
    numbers.append(draws(20_000, 4, 1).uniform(1, 0).numpy())
    for values in numbers:
        assert values.min() >= 0
        assert values.max() < 1
        assert kstest(values, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03
    off_diagonal = np.corrcoef(numbers) - np.eye(len(numbers))
    assert abs(off_diagonal).max() < 0.03


def test_draws_depend_on_the_sample_and_not_on_the_batch() -> None:
    whole = draws(10, 5, 7).uniform(2, 1)
    part = Draws(5, 7, torch.tensor([8, 3]), device=CPU).uniform(2, 1)
    assert torch.equal(part, whole[[8, 3]])


@pytest.mark.parametrize(
    "transform",
    [
        A.Affine(scale=(1.15, 1.15), keep_ratio=True, p=1),
        A.Affine(scale={"x": (0.8, 0.8), "y": (1.1, 1.1)}, rotate=(0, 0), p=1),
        A.Affine(translate_percent=(0.13, 0.13), p=1),
        A.Affine(translate_percent=(-0.13, -0.13), fill=114, p=1),
        A.Affine(rotate=(9, 9), fill=114, p=1),
        A.Affine(
            scale=(0.9, 0.9), keep_ratio=True, translate_percent=(0.1, 0.1), rotate=(-7, -7), p=1
        ),
        A.HorizontalFlip(p=1),
        A.CenterCrop(40, 40),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_transform_without_chance_gives_the_pixels_of_albumentations(
    face: np.ndarray, transform: A.BasicTransform
) -> None:
    expected = bytes_of(A.Compose([transform])(image=face)["image"])
    found = BatchTransform([transform])(bytes_of(face), draws(1, 0))
    assert found.shape == expected.shape
    difference = (found.int() - expected.int()).abs().float()
    assert difference.mean() < 1
    assert difference.max() <= 8


def statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers of each image that move with each transform."""
    flat = images.astype(float)
    rows, columns = flat.mean(axis=2), flat.mean(axis=1)
    return {
        "mean": flat.mean(axis=(1, 2)),
        "left against right": columns[:, :16].mean(axis=1) - columns[:, -16:].mean(axis=1),
        "top against bottom": rows[:, :16].mean(axis=1) - rows[:, -16:].mean(axis=1),
        "dark pixels, %": 100 * (images < 5).mean(axis=(1, 2)),
        "middle": flat[:, 18:22, 18:22].mean(axis=(1, 2)),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["p1", "light", "mirror"])
def test_distribution_is_that_of_albumentations(
    params: Params, face: np.ndarray, name: str
) -> None:
    recipe: Recipe = dataclasses.replace(params.recipe_of("ivsa"), input_px=40, resize_px=48)
    plan, count = getattr(standard, name)(recipe, 48), 3000
    assert BatchTransform.supports(plan)
    reference = A.Compose(plan)
    expected = []
    for index in range(count):
        seed_transforms(reference, (0, 0, index))
        expected.append(reference(image=face)["image"][:, :, 0])
    batch = bytes_of(face).expand(count, -1, -1, -1)
    found = BatchTransform(plan)(batch, draws(count, 0, 0))[:, 0].numpy()
    ours, theirs = statistics(found), statistics(np.stack(expected))
    for key, values in ours.items():
        # Interpolation differs by a grey level, which alone must not separate two samples.
        distance = ks_2samp(values.round(0), theirs[key].round(0), method="asymp").statistic
        assert distance < 0.05, key


@pytest.mark.parametrize(
    "transform",
    [
        A.Affine(shear=(-5, 5)),
        A.Affine(translate_px=(-3, 3)),
        A.Erasing(fill="random"),
        A.RandomCrop(60, 60, pad_if_needed=True),
        A.ColorJitter(),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_unsupported_transforms_are_left_to_the_loader(transform: A.BasicTransform) -> None:
    assert not BatchTransform.supports([A.HorizontalFlip(), transform])


def test_only_a_gpu_holds_faces(params: Params, stored: PackedDataset) -> None:
    faces = FaceDataset(stored.pack, stored.faces("train"), params.recipe_of("ivsa"), 0)
    assert not fits_on_device(faces, CPU)
    assert fits_on_device(faces, torch.device("cuda"))
    large = dataclasses.replace(params.recipe_of("ivsa"), resize_px=12_000)
    assert not fits_on_device(
        FaceDataset(stored.pack, stored.faces("train"), large, 0), torch.device("cuda")
    )


@pytest.mark.parametrize("crops", [1, 10])
def test_faces_without_augmentation_are_those_of_the_loader(
    params: Params, stored: PackedDataset, crops: int
) -> None:
    recipe = dataclasses.replace(params.recipe_of("ivsa"), crops=crops, augment="p1")
    faces = FaceDataset(stored.pack, stored.faces("train"), recipe, 0)
    batches = ResidentLoader(ResidentFaces(faces, CPU), EpochSampler(len(faces), None), 7)
    images = torch.cat([batch[0] for batch in batches])
    assert torch.equal(images, torch.stack([faces[(-1, i)][0] for i in range(len(faces))]))
    assert torch.cat([batch[1] for batch in batches]).tolist() == faces.targets


@pytest.mark.parametrize("crops", [1, 10])
def test_augmented_faces_depend_on_seed_epoch_and_index_only(
    params: Params, stored: PackedDataset, crops: int
) -> None:
    recipe = dataclasses.replace(params.recipe_of("ivsa"), crops=crops, augment="p1")
    faces = FaceDataset(stored.pack, stored.faces("train"), recipe, 4)
    resident = ResidentFaces(faces, CPU)
    whole = resident.batch([(2, i) for i in range(12)])[0]
    alone = resident.batch([(2, 9), (2, 5)])[0]
    assert torch.equal(alone, whole[[9, 5]])
    assert alone.shape == faces[(2, 9)][0].expand(2, *([-1] * (3 + (crops == 10)))).shape
    assert not torch.equal(resident.batch([(3, 9)])[0], alone[:1])
    if crops == 10:  # every crop has an erasure of its own
        assert len({view.numpy().tobytes() for view in whole[0]}) == 10


@pytest.mark.parametrize("size", [3, 7, 19, 20, 64])
def test_batches_are_those_of_the_loader(
    params: Params, stored: PackedDataset, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FaceDataset(stored.pack, stored.faces("train"), params.recipe_of("ivsa"), 0)
    order = EpochSampler(len(faces), 5)
    order.set_epoch(2)
    expected = [batch[2].tolist() for batch in loader(faces, order, size)]
    resident = ResidentFaces(faces, CPU)
    found = ResidentLoader(resident, order, size)
    assert len(found) == len(expected)
    whole = list(found)
    assert [batch[2].tolist() for batch in whole] == expected
    monkeypatch.setattr("ferbench.data.batched._AT_ONCE", 1)  # batch by batch
    for batch, alone in zip(whole, found, strict=True):
        assert all(map(torch.equal, batch, alone))


@pytest.mark.thorough
def test_training_from_device_memory_resumes_exactly(
    params: Params, stored: PackedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ferbench.training.fit.fits_on_device", lambda faces, device: True)
    recipe = dataclasses.replace(params.recipe_of("ivsa"), augment="p1", epochs=3)
    data = TrainingData(stored.pack, stored.faces("train"), stored.faces("val"))
    row = (params.variants["ivsa"], recipe, 5)

    def stop(values: dict[str, float]) -> None:
        if values["epoch"] == 1:
            raise KeyboardInterrupt

    straight = fit(row, data, params.train, tmp_path / "straight", None)
    assert straight.augmented == "in batches"
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(row, data, params.train, tmp_path / "killed", stop)
    resumed = fit(row, data, params.train, tmp_path / "killed", None)
    assert resumed.resumed
    assert all(torch.equal(straight.state[k], resumed.state[k]) for k in straight.state)
