"""Draws of augmentation: independent of each other, and repeatable from (seed, epoch, index)."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from itertools import combinations
from typing import Any

import albumentations as A
import numpy as np
import pytest
from numpy.typing import NDArray

from ferbench.config.params import Params, Recipe
from ferbench.data.draws import Purpose, generator, seed_transforms
from ferbench.plugins import load, names

SAMPLES = 800
# Over 800 samples the correlation of two independent draws has standard deviation 0.035, a joint
# frequency at most 0.018; five of them, since some hundred pairs are compared.
MAX_CORRELATION = 0.18
MAX_DIFFERENCE = 0.09
AUGMENTATIONS = names("ferbench.data.augmentations")


@pytest.fixture
def recipe(params: Params) -> Recipe:
    return dataclasses.replace(params.recipes["p0"], input_px=16, resize_px=20, scale_gain=0.5)


def leaves(transform: Any) -> list[A.BasicTransform]:
    if not isinstance(transform, A.BaseCompose):
        return [transform]
    return [leaf for child in transform.transforms for leaf in leaves(child)]


def scalars(params: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """Numbers that a transform drew for one image, flat."""
    found: dict[str, float] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            found |= scalars(value, f"{prefix}{name}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = float(value)
        elif isinstance(value, tuple) and all(isinstance(v, int | float) for v in value):
            found |= {f"{prefix}{name}.{i}": float(v) for i, v in enumerate(value)}
    return found


def observed(transform: A.Compose) -> dict[str, NDArray[np.float64]]:
    """By transform: whether it was applied (0 or 1), and what it drew (NaN where it was not)."""
    image = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    table: dict[str, list[float]] = defaultdict(lambda: [np.nan] * SAMPLES)
    for index in range(SAMPLES):
        seed_transforms(transform, (3, 1, index))
        for leaf in leaves(transform):
            leaf.params = {}  # a member of a OneOf that is not chosen keeps the last call's
        transform(image=image)
        for position, leaf in enumerate(leaves(transform)):
            name = f"{position} {type(leaf).__name__}"
            table[f"{name} applied"][index] = float(bool(leaf.params))
            for draw, value in scalars(leaf.params).items():
                table[f"{name} {draw}"][index] = value
    varied = {k: np.array(v) for k, v in table.items()}
    return {k: v for k, v in varied.items() if np.nanstd(v) > 1e-9}


def of_one_transform(first: str, second: str) -> bool:
    return first.split()[0] == second.split()[0]


def assert_independent(seen: dict[str, NDArray[np.float64]]) -> None:
    pairs = [pair for pair in combinations(seen, 2) if not of_one_transform(*pair)]
    assert pairs
    for first, second in pairs:
        a, b = seen[first], seen[second]
        both = ~np.isnan(a) & ~np.isnan(b)
        correlation = np.corrcoef(a[both], b[both])[0, 1]
        assert abs(correlation) < MAX_CORRELATION, (first, second, correlation)
        if first.endswith("applied") and second.endswith("applied"):
            joint, expected = np.mean(a * b), a.mean() * b.mean()
            assert abs(joint - expected) < MAX_DIFFERENCE, (first, second, joint, expected)


@pytest.mark.thorough
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_draws_of_different_transforms_are_independent(name: str, recipe: Recipe) -> None:
    plan = load("ferbench.data.augmentations", name)(recipe, 20)
    seen = observed(A.Compose(plan))
    if len({key.split()[0] for key in seen}) > 1:
        assert_independent(seen)


def test_draws_inside_nested_compositions_are_independent() -> None:
    nested = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.OneOf([A.RandomGamma(p=1.0), A.RandomBrightnessContrast(p=1.0)], p=0.5),
            A.Compose([A.HorizontalFlip(p=0.5), A.OneOf([A.Affine(rotate=(-9, 9), p=1.0)], p=0.5)]),
            A.VerticalFlip(p=0.5),
        ]
    )
    seen = observed(nested)
    # The members of a OneOf exclude each other by design.
    gamma, brightness = "1 RandomGamma applied", "2 RandomBrightnessContrast applied"
    assert not (seen[gamma] * seen[brightness]).any()
    assert np.mean(seen[gamma] + seen[brightness]) == pytest.approx(0.5, abs=MAX_DIFFERENCE)
    for left_out in (gamma, brightness):
        word = " ".join(left_out.split()[:2])
        assert_independent({k: v for k, v in seen.items() if not k.startswith(word)})


def test_p1_leaves_as_many_images_unchanged_as_independent_draws_would(recipe: Recipe) -> None:
    seen = observed(A.Compose(load("ferbench.data.augmentations", "p1")(recipe, 20)))
    applied = np.stack([v for k, v in seen.items() if k.endswith("applied")])
    assert len(applied) == 5  # scale, shift, rotate, flip, erase
    for share in ((applied == 0).all(axis=0).mean(), (applied == 1).all(axis=0).mean()):
        assert share == pytest.approx(0.5**5, abs=0.025)


def test_albumentations_seeds_all_children_alike() -> None:
    flips = A.Compose([A.HorizontalFlip(p=0.5), A.HorizontalFlip(p=0.5)])
    image, seen = np.zeros((2, 2, 1), np.uint8), []
    for index in range(200):
        flips.set_random_seed(index)
        flips(image=image)
        seen.append([bool(leaf.params) for leaf in leaves(flips)])
    assert all(first == second for first, second in seen)


def test_draws_repeat_for_equal_keys_and_differ_for_others() -> None:
    image = np.arange(400, dtype=np.uint8).reshape(20, 20, 1)
    plan = A.Compose([A.Affine(rotate=(-90, 90), p=1.0)])

    def shown(*key: int) -> NDArray[np.uint8]:
        seed_transforms(plan, key)
        return plan(image=image)["image"]

    assert np.array_equal(shown(1, 2, 3), shown(1, 2, 3))
    assert not np.array_equal(shown(1, 2, 3), shown(1, 2, 4))
    assert not np.array_equal(shown(1, 2, 3), shown(1, 3, 3))
    assert not np.array_equal(shown(1, 2, 3), shown(2, 2, 3))


def test_generators_of_different_purposes_differ() -> None:
    values = {p: generator(p, 0, 0).random() for p in Purpose}
    assert len(set(values.values())) == len(Purpose)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_scaling_keeps_the_aspect_ratio(name: str, recipe: Recipe) -> None:
    plan = A.Compose(load("ferbench.data.augmentations", name)(recipe, 20))
    image = np.zeros((20, 20, 3), np.uint8)
    for index in range(100):
        seed_transforms(plan, (0, 0, index))
        plan(image=image)
        for leaf in leaves(plan):
            if scale := leaf.params.get("scale"):
                assert scale["x"] == scale["y"]
