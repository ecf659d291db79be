"""Four scenes in one picture, boxes and classes with them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tests.tiny_study import store

from ferbench.data.loaders import SceneDataset
from ferbench.data.mosaic import mosaic_partners
from ferbench.data.stored import Stored
from ferbench.params import Params, Recipe


@pytest.fixture
def recipe(params: Params) -> Recipe:
    return dataclasses.replace(
        params.recipes["p0"], mosaic=1.0, plain_epochs=2, epochs=10, input_px=64, resize_px=64
    )


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Grey pictures with one square each, as bright as its class, whose box is known."""
    rng = np.random.default_rng(0)
    pictures, faces, sides = {}, {}, {}
    for i in range(9):
        name = f"square_{i}"
        x, y = rng.integers(2, 20, 2)
        pictures[name] = np.full((40, 40, 3), 60, np.uint8)
        pictures[name][y : y + 16, x : x + 16] = 150 + 50 * (i % 3)
        faces[name] = [(i % 3, (x + 8) / 40, (y + 8) / 40, 0.4, 0.4)]
        sides[name] = "train" if i < 7 else ("val" if i == 7 else "test")
    return store(tmp_path_factory.mktemp("squares"), "squares", pictures, faces, sides)


def test_partners_depend_on_seed_epoch_and_scene_alone(recipe: Recipe) -> None:
    chosen = mosaic_partners((0, 5), 1, 100, recipe)
    assert len(chosen) == 3
    assert all(0 <= scene < 100 for scene in chosen)
    assert chosen == mosaic_partners((0, 5), 1, 100, recipe)
    others = [((1, 5), 1), ((0, 6), 1), ((0, 5), 2)]
    assert all(chosen != mosaic_partners(key, seed, 100, recipe) for key, seed in others)


def test_last_epochs_and_plain_samples_stand_alone(recipe: Recipe) -> None:
    assert mosaic_partners((7, 0), 0, 9, recipe)
    assert mosaic_partners((8, 0), 0, 9, recipe) == []
    assert mosaic_partners((-1, 0), 0, 9, recipe) == []
    assert mosaic_partners((0, 0), 0, 9, dataclasses.replace(recipe, mosaic=0.0)) == []


def test_the_share_of_mosaics_is_the_recipes(recipe: Recipe) -> None:
    half = dataclasses.replace(recipe, mosaic=0.5)
    share = np.mean([bool(mosaic_partners((0, i), 0, 9, half)) for i in range(1000)])
    assert 0.45 < share < 0.55


def test_boxes_and_classes_lie_where_their_squares_are(squares: Stored, recipe: Recipe) -> None:
    data = SceneDataset(squares.pack, squares.side("train"), recipe, 0)
    found = 0
    for index in range(len(data)):
        image, boxes, classes, _ = data[0, index]
        assert image.shape == (3, 64, 64)
        assert len(boxes) == len(classes)
        found += len(boxes)
        for (cx, cy, w, h), cls in zip((boxes * 64).tolist(), classes.tolist(), strict=True):
            if min(w, h) < 6:
                continue  # cut by the border
            rows = slice(round(cy - h / 4), round(cy + h / 4))
            inner = image[0, rows, round(cx - w / 4) : round(cx + w / 4)].float()
            assert abs(float(inner.mean()) - (150 + 50 * cls)) < 12
    assert found > len(data)  # more than one square a picture


def test_a_mosaic_is_the_same_twice(squares: Stored, recipe: Recipe) -> None:
    data = SceneDataset(squares.pack, squares.side("train"), recipe, 0)
    first, again = data[0, 1], data[0, 1]
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.equal(first[2], again[2])
