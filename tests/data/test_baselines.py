"""Naive baselines, on made-up pictures whose neighbours are known beforehand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

from ferbench.artifacts.datasets import boxes_of
from ferbench.artifacts.pack import Pack
from ferbench.data import baselines
from ferbench.data.baselines import FacePixels, crop_faces, measure_baselines, nearest_is_right
from ferbench.data.dedup import deduplicate, list_images
from ferbench.data.ingest.fetch import fetch
from ferbench.data.pack import pack_images
from ferbench.data.sources.ckplus import CKPlus
from ferbench.data.split import draw_split

EMOTIONS = ("neutral", "happiness", "anger")


Twins = tuple[pd.DataFrame, Pack]


def twins(folder: Path, persons: int, frames: int) -> Twins:
    """Every person shows every emotion in almost equal frames; persons share nothing."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    (folder / "raw").mkdir()
    for person in range(persons):
        for emotion in EMOTIONS:
            still = rng.integers(20, 230, (48, 48))
            for i in range(frames):
                name = f"p{person:02d}_{emotion}_{i}"
                pixels = (still + rng.integers(-2, 3, still.shape)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / "raw" / f"{name}.png")
                box = {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": emotion}
                rows.append({"image_id": name, "emotion": emotion, "person": f"p{person:02d}"})
                rows[-1] |= {"md5": name, "path": f"{name}.png", "faces": [box]}
    index = pd.DataFrame(rows).assign(width=48, height=48, dataset="toy", source_split=None)
    pack_images(index, folder / "raw", folder / "pack")
    return index, Pack(folder / "pack")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return twins(tmp_path_factory.mktemp("many"), persons=12, frames=6)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return twins(tmp_path_factory.mktemp("few"), persons=6, frames=2)


@pytest.fixture
def _split_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the split itself only, without redraws and folds, on all its faces."""
    monkeypatch.setattr(baselines, "MAX_FACES", 0)


@pytest.mark.thorough
def test_near_copies_raise_the_baselines_unless_persons_are_kept_apart(many: Twins) -> None:
    index, pack = many
    leaky = measure_baselines(index, *draw_split(index, "stratified_70_10_20", 0), pack)
    apart = measure_baselines(index, *draw_split(index, "person_70_10_20", 0), pack)
    assert leaky.split["nearest_neighbour"] > 0.95
    assert leaky.redraws["nearest_neighbour"]["low"] > 0.95
    assert apart.redraws["nearest_neighbour"]["high"] < 0.6
    for name in ("nearest_neighbour", "nearest_neighbour_standardised"):
        assert leaky.ten_folds[name]["random"] > 0.95
        assert leaky.ten_folds[name]["by_person"] < 0.6
    assert leaky.skipped == {}


@pytest.mark.usefixtures("_split_alone")
def test_baselines_equal_a_direct_computation(many: Twins) -> None:
    index, pack = many
    split, summary = draw_split(index, "person_70_10_20", 3)
    got = measure_baselines(index, split, summary, pack).split
    side = split.set_index("image_id")["split"]
    train, test = (index[index["image_id"].map(side) == s] for s in ("train", "test"))
    pixels = [np.stack([pack.image(i).ravel() for i in s["image_id"]]) for s in (train, test)]
    nearest = cdist(pixels[1], pixels[0]).argmin(axis=1)
    expected = (train["emotion"].to_numpy()[nearest] == test["emotion"].to_numpy()).mean()
    assert got["nearest_neighbour"] == pytest.approx(expected)
    # Every person shows every emotion equally often.
    assert got["majority_class"] == pytest.approx(1 / 3)
    assert (got["n_train"], got["n_test"]) == (len(train), len(test))


def test_baselines_do_not_depend_on_the_order_of_rows(few: Twins) -> None:
    index, pack = few
    split, summary = draw_split(index, "person_70_10_20", 0)
    mixed = index.sample(frac=1, random_state=0)
    expected = measure_baselines(index, split, summary, pack)
    assert measure_baselines(mixed, split, summary, pack) == expected


@pytest.mark.usefixtures("_split_alone")
def test_baselines_on_val_are_those_of_test_with_the_two_splits_exchanged(many: Twins) -> None:
    index, pack = many
    split, summary = draw_split(index, "person_70_10_20", 3)
    other = split.assign(split=split["split"].replace({"val": "test", "test": "val"}))
    got = measure_baselines(index, split, summary, pack)
    exchanged = measure_baselines(index, other, summary, pack)
    assert got.val_faces == exchanged.test_faces == got.val["n_val"]
    for name in ("nearest_neighbour", "nearest_neighbour_standardised", "majority_class"):
        assert got.val[name] == exchanged.split[name]
        assert got.split[name] == exchanged.val[name]


@pytest.mark.usefixtures("_split_alone")
def test_baselines_of_a_split_without_val_are_measured_on_test_alone(few: Twins) -> None:
    index, pack = few
    split, summary = draw_split(index, "person_70_10_20", 0)
    no_val = split.assign(split=split["split"].replace({"val": "train"}))
    got = measure_baselines(index, no_val, summary, pack)
    assert got.val is None and got.split["n_test"] > 0


def test_majority_class_counts_all_faces_of_a_large_set(
    few: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, pack = few
    split, summary = draw_split(index, "stratified_70_10_20", 0)
    whole = measure_baselines(index, split, summary, pack)
    monkeypatch.setattr(baselines, "MAX_FACES", 35)
    monkeypatch.setattr(baselines, "MAX_TEST", 1)
    got = measure_baselines(index, split, summary, pack)
    assert (got.split["n_test"], got.val["n_val"]) == (1, 1)
    for entry in ("split", "val"):
        assert getattr(got, entry)["majority_class"] == getattr(whole, entry)["majority_class"]


def test_large_sets_are_sampled_and_report_it(few: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
    index, pack = few
    split, summary = draw_split(index, "stratified_70_10_20", 0)
    monkeypatch.setattr(baselines, "MAX_FACES", 35)
    monkeypatch.setattr(baselines, "MAX_TEST", 3)
    got = measure_baselines(index, split, summary, pack)
    assert got.split["n_test"] == 3
    assert got.split["n_train"] == summary.images["train"]
    assert got.test_faces == summary.images["test"]
    assert got.redraws is None
    assert got.ten_folds is None
    assert got.skipped == {"redraws, ten_folds": "36 faces, over 35"}


def test_folds_by_person_are_left_out_where_persons_are_unknown(few: Twins) -> None:
    index, pack = few
    index = index.assign(person=None)
    got = measure_baselines(index, *draw_split(index, "stratified_70_10_20", 0), pack)
    assert got.ten_folds["nearest_neighbour"]["by_person"] is None
    assert got.skipped == {"ten_folds by_person": "persons are unknown"}


def test_faces_of_a_scene_are_cut_out_grey(tmp_path: Path) -> None:
    left, right_half = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96, 3), np.uint8)
    left[:, :, 0] = 200  # red: 0.299 of it is grey
    right_half[::2] = 255  # stripes of one pixel: their mean is 127.5
    Image.fromarray(np.hstack([left, right_half])).save(tmp_path / "a.png")
    boxes = [
        {"left": x, "top": 0.0, "right": x + 96.0, "bottom": 96.0, "emotion": emotion}
        for x, emotion in ((0.0, "anger"), (96.0, "neutral"))
    ]
    index = pd.DataFrame(
        {"image_id": ["a"], "path": ["a.png"], "width": 192, "height": 96, "faces": [boxes]}
    )
    pack_images(index, tmp_path, tmp_path / "pack")
    faces = crop_faces(boxes_of(index, list(EMOTIONS)), Pack(tmp_path / "pack"))
    assert faces.pixels.shape == (2, 48 * 48)
    assert faces.cls.tolist() == [2, 0]
    assert faces.image_id.tolist() == ["a", "a"]
    assert np.unique(faces.pixels[0]).tolist() == [60]  # 59.8
    assert abs(faces.pixels[1].mean() - 127.5) <= 0.5


def test_standardised_distance_ignores_brightness_and_contrast() -> None:
    rng = np.random.default_rng(0)
    smile, frown = rng.integers(0, 100, (2, 48 * 48))
    # The frown in the smile's light is nearer to it in raw pixels than the smile in other light.
    pixels = np.stack([smile * 2 + 50, smile, frown * 2 + 50]).astype(np.uint8)
    faces = FacePixels(pixels, np.array([1, 1, 2]), pd.Series(list("abc")))
    test, train = np.array([True, False, False]), np.array([False, True, True])
    assert nearest_is_right(faces, "nearest_neighbour", train, test).tolist() == [False]
    assert nearest_is_right(faces, "nearest_neighbour_standardised", train, test).tolist() == [True]


def test_flat_faces_have_a_distance() -> None:
    faces = FacePixels(np.full((2, 9), 7, np.uint8), np.array([0, 0]), pd.Series(list("ab")))
    one = np.array([True, False])
    assert nearest_is_right(faces, "nearest_neighbour_standardised", one, ~one).tolist() == [True]


def test_interval_is_students_t() -> None:
    spread = baselines._spread([1.0, 2.0, 3.0])
    # t of 2 degrees of freedom at 97.5 %: 4.3027 (any table)
    assert (spread["mean"], spread["std"], spread["n"]) == (2.0, 1.0, 3)
    assert spread["high"] - 2 == pytest.approx(4.3027 / 3**0.5, abs=1e-4)
    assert spread["high"] - 2 == pytest.approx(2 - spread["low"])


@pytest.mark.data
@pytest.mark.skipif("FERBENCH_DATA" not in os.environ, reason="needs the archive ckplus48.zip")
def test_ckplus_is_nearly_solved_by_raw_pixels_by_image_but_not_by_person(
    tmp_path: Path,
) -> None:
    raw = tmp_path / "raw"
    fetch(CKPlus(), "ckplus", None, raw)
    index = pd.DataFrame(
        deduplicate(list_images(CKPlus(), raw), raw, "ckplus", "drop_all", 16).rows
    )
    pack_images(index, raw, tmp_path / "pack")
    pack = Pack(tmp_path / "pack")
    image = measure_baselines(index, *draw_split(index, "stratified_70_10_20", 0), pack)
    person = measure_baselines(index, *draw_split(index, "person_70_10_20", 0), pack)
    assert image.redraws["nearest_neighbour"]["mean"] == pytest.approx(0.92, abs=0.02)
    assert person.redraws["nearest_neighbour"]["mean"] == pytest.approx(0.54, abs=0.06)
    # scikit-learn's StratifiedKFold and GroupKFold, once: 98.7 % and 54.5 % in raw pixels, 99.2 %
    # and 61.7 % in standardised ones.
    folds = image.ten_folds
    assert folds["nearest_neighbour"]["random"] == pytest.approx(0.987, abs=0.01)
    assert folds["nearest_neighbour"]["by_person"] == pytest.approx(0.545, abs=0.015)
    assert folds["nearest_neighbour_standardised"]["random"] == pytest.approx(0.992, abs=0.01)
    assert folds["nearest_neighbour_standardised"]["by_person"] == pytest.approx(0.617, abs=0.015)
