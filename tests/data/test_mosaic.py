"""Mosaics of four scenes with their boxes and classes."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from tests.tiny_study import CLASSES, store

from ferbench.artifacts.datasets import BOX
from ferbench.config.params import Params, Recipe
from ferbench.data.dataset import PackedDataset
from ferbench.data.loaders import SceneDataset
from ferbench.data.transforms import four_in_one, mosaic_partners

pytestmark = pytest.mark.thorough


@pytest.fixture
def recipe(params: Params) -> Recipe:
    return dataclasses.replace(
        params.recipes["p0"], mosaic=1.0, plain_epochs=2, epochs=10, input_px=64, resize_px=64
    )


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    """Grey pictures with one square each, as bright as its class, whose box is known."""
    rng = np.random.default_rng(0)
    pictures, faces, splits = {}, {}, {}
    for i in range(9):
        name = f"square_{i}"
        x, y = rng.integers(2, 20, 2)
        pictures[name] = np.full((40, 40, 3), 60, np.uint8)
        pictures[name][y : y + 16, x : x + 16] = 150 + 50 * (i % 3)
        faces[name] = [(i % 3, (x + 8) / 40, (y + 8) / 40, 0.4, 0.4)]
        splits[name] = "train" if i < 7 else ("val" if i == 7 else "test")
    return store(tmp_path_factory.mktemp("squares"), "squares", pictures, faces, splits)


def test_partners_depend_only_on_seed_epoch_and_scene(recipe: Recipe) -> None:
    chosen = mosaic_partners((0, 5), 1, 100, recipe)
    assert len(chosen) == 3
    assert all(0 <= scene < 100 for scene in chosen)
    assert chosen == mosaic_partners((0, 5), 1, 100, recipe)
    others = [((1, 5), 1), ((0, 6), 1), ((0, 5), 2)]
    assert all(chosen != mosaic_partners(key, seed, 100, recipe) for key, seed in others)


def test_last_epochs_and_samples_without_augmentation_have_no_mosaic(recipe: Recipe) -> None:
    assert mosaic_partners((7, 0), 0, 9, recipe)
    assert mosaic_partners((8, 0), 0, 9, recipe) == []
    assert mosaic_partners((-1, 0), 0, 9, recipe) == []
    assert mosaic_partners((0, 0), 0, 9, dataclasses.replace(recipe, mosaic=0.0)) == []


def test_share_of_mosaics_is_that_of_the_recipe(recipe: Recipe) -> None:
    half = dataclasses.replace(recipe, mosaic=0.5)
    share = np.mean([bool(mosaic_partners((0, i), 0, 9, half)) for i in range(1000)])
    assert 0.45 < share < 0.55


def test_boxes_and_classes_match_their_squares(squares: PackedDataset, recipe: Recipe) -> None:
    data = SceneDataset(squares.pack, squares.faces("train"), recipe, 0)
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


def test_mosaic_is_repeatable(squares: PackedDataset, recipe: Recipe) -> None:
    data = SceneDataset(squares.pack, squares.faces("train"), recipe, 0)
    first, again = data[0, 1], data[0, 1]
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.equal(first[2], again[2])


def test_four_scenes_share_a_corner_in_the_middle_half() -> None:
    scenes = [
        {"image": np.full((40, 40, 3), 10 * (k + 1), np.uint8), "bboxes": [], "cls": []}
        for k in range(4)
    ]
    for index in range(50):
        canvas = four_in_one(scenes, 64, 3, (0, index))["image"]
        assert canvas.shape == (128, 128, 3)
        values = canvas[..., 0]
        (y, x) = np.argwhere(values == 40)[0]  # where the fourth scene begins
        assert 32 <= x <= 96
        assert 32 <= y <= 96
        assert [values[y - 1, x - 1], values[y - 1, x], values[y, x - 1]] == [10, 20, 30]


SAMPLES = 1200

# Boxes after augmentation, by our loader and by the library's, with the same settings.


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    """Faces that fill their picture, as those of FER2013 and CK+ do, some of them not square."""
    rng = np.random.default_rng(0)
    shapes = {f"face_{i:02d}": (48, 48) if i % 3 else (48, 36) for i in range(40)}
    return store(
        tmp_path_factory.mktemp("faces"),
        "faces",
        {n: rng.integers(0, 255, (*s, 3), dtype=np.uint8) for n, s in shapes.items()},
        {n: [(int(n[-1]) % 3, 0.5, 0.5, 1.0, 1.0)] for n in shapes},
        dict.fromkeys(shapes, "train"),
    )


def library_boxes(data: SceneDataset, recipe: Recipe, folder: Path) -> np.ndarray:
    """Boxes (M, 4) as cx cy w h fractions of inputs that the library's own pipeline makes."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.utils import DEFAULT_CFG

    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    for (name, _), boxes, classes in zip(data.scenes, data.boxes, data.targets, strict=True):
        cv2.imwrite(str(folder / "images" / f"{name}.png"), data.image(name))
        lines = [
            f"{int(c)} {' '.join(map(str, box))}" for c, box in zip(classes, boxes, strict=True)
        ]
        (folder / "labels" / f"{name}.txt").write_text("\n".join(lines))
    settings = {"mosaic": recipe.mosaic, "scale": recipe.scale_gain, "translate": 0.1}
    theirs = YOLODataset(
        img_path=str(folder / "images"),
        data={"names": dict(enumerate(CLASSES)), "channels": 3},
        imgsz=recipe.input_px,
        augment=True,
        hyp=get_cfg(DEFAULT_CFG, settings),
    )
    random.seed(0)
    np.random.seed(0)
    drawn = [theirs[i % len(theirs)]["bboxes"].numpy() for i in range(SAMPLES)]
    return np.concatenate(drawn)


def our_boxes(data: SceneDataset) -> np.ndarray:
    drawn = [data[i // len(data), i % len(data)][1].numpy() for i in range(SAMPLES)]
    return np.concatenate(drawn)


Boxes = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def boxes_of(
    faces: PackedDataset, params: Params, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[float, float], Boxes]:
    """Our boxes and the library's, by share of mosaics and scale gain, drawn once each."""

    @cache
    def drawn(mosaic: float, gain: float) -> Boxes:
        changes = {"augment": "p0", "mosaic": mosaic, "scale_gain": gain, "plain_epochs": 2}
        recipe = dataclasses.replace(
            params.recipes["p0"], **changes, epochs=10**6, input_px=64, resize_px=64
        )
        data = SceneDataset(faces.pack, faces.faces("train"), recipe, 0)
        return our_boxes(data), library_boxes(data, recipe, tmp_path_factory.mktemp("library"))

    return drawn


@pytest.mark.parametrize(("mosaic", "gain"), [(1.0, 0.5), (0.0, 0.5), (1.0, 0.9)])
def test_boxes_are_distributed_as_those_of_ultralytics(
    boxes_of: Callable[[float, float], Boxes], mosaic: float, gain: float
) -> None:
    """Number, size and position of the boxes; two-sample Kolmogorov-Smirnov tests.

    A mosaic's boxes are of four faces around one point, so not independent of each other: a test
    fails below a thousandth only.
    """
    ours, theirs = boxes_of(mosaic, gain)
    assert len(ours) == pytest.approx(len(theirs), rel=0.05)
    for column, name in enumerate(BOX):
        test = ks_2samp(ours[:, column], theirs[:, column])
        assert test.pvalue > 1e-3, (name, test)
    aspect = [np.log(boxes[:, 2] / boxes[:, 3]) for boxes in (ours, theirs)]
    assert ks_2samp(*aspect).pvalue > 1e-3


def test_mosaic_shows_whole_faces_as_often_as_ultralytics(
    boxes_of: Callable[[float, float], Boxes],
) -> None:
    """At scale 1 every face would cover the input: its box's area is its visible share."""
    area = [boxes[:, 2] * boxes[:, 3] for boxes in boxes_of(1.0, 0.5)]
    median = [np.median(values) for values in area]
    assert median[0] == pytest.approx(median[1], abs=0.02)
    half = [np.mean(values >= 0.5) for values in area]
    assert half[0] == pytest.approx(half[1], abs=0.03)
    assert half[0] > 0.1
