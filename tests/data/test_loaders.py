"""Samples, what they depend on, how processes divide them, and batches."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import albumentations as A
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny_study import CLASSES, store

from ferbench.config.params import Params, Recipe
from ferbench.data.dataset import PackedDataset, face_table
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader

SIZES = [(32, 32), (40, 60), (61, 33), (31, 64), (17, 90), (90, 16), (33, 32), (5, 7), (47, 48)]


@pytest.fixture
def faces_recipe(params: Params) -> Recipe:
    return dataclasses.replace(params.recipes["p1"], augment="p1", input_px=20, resize_px=24)


@pytest.fixture
def scene_recipe(params: Params) -> Recipe:
    return dataclasses.replace(params.recipes["p0"], augment="p0")


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    """One image of each of `SIZES`, in their order, with one face."""
    names = [f"size_{i}" for i in range(len(SIZES))]
    return store(
        tmp_path_factory.mktemp("sizes"),
        "sizes",
        {n: np.zeros((*s, 3), np.uint8) for n, s in zip(names, SIZES, strict=True)},
        {n: [(0, 0.5, 0.5, 0.5, 0.5)] for n in names},
        dict.fromkeys(names, "val"),
    )


def same(a: Any, b: Any) -> bool:
    return all(
        torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y
        for x, y in zip(a, b, strict=True)
    )


def dataset(data: PackedDataset, recipe: Recipe, seed: int = 3) -> FaceDataset | SceneDataset:
    kind = FaceDataset if recipe.channels == 1 else SceneDataset
    return kind(data.pack, data.faces("train"), recipe, seed)


@pytest.mark.parametrize("recipe", ["faces_recipe", "scene_recipe"])
def test_sample_depends_only_on_seed_epoch_and_index(
    stored: PackedDataset, recipe: str, request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue(recipe)
    keys = [(epoch, index) for epoch in (0, 1) for index in range(6)]
    one, two = dataset(stored, chosen), dataset(stored, chosen)
    forwards = {key: one[key] for key in keys}
    backwards = {key: two[key] for key in reversed(keys)}
    assert all(same(forwards[key], backwards[key]) for key in keys)


@pytest.mark.parametrize("recipe", ["faces_recipe", "scene_recipe"])
def test_sample_differs_in_another_epoch_and_with_another_seed(
    stored: PackedDataset, recipe: str, request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue(recipe)
    one, other = dataset(stored, chosen), dataset(stored, chosen, seed=4)
    assert not any(same(one[0, index], one[1, index]) for index in range(6))
    assert not any(same(one[0, index], other[0, index]) for index in range(6))


@pytest.mark.parametrize("recipe", ["faces_recipe", "scene_recipe"])
def test_sample_without_augmentation_is_the_same_for_every_seed(
    stored: PackedDataset, recipe: str, request: pytest.FixtureRequest
) -> None:
    chosen = request.getfixturevalue(recipe)
    one, other = dataset(stored, chosen), dataset(stored, chosen, seed=4)
    assert all(same(one[-1, index], other[-1, index]) for index in range(6))


@pytest.mark.parametrize("size", [1, 7, 12])
@pytest.mark.parametrize("world", [1, 2, 5])
def test_processes_divide_all_samples_equally(size: int, world: int) -> None:
    parts = [list(EpochSampler(size, 0, rank, world)) for rank in range(world)]
    assert {index for part in parts for _, index in part} == set(range(size))
    lengths = {len(part) for part in parts}
    assert len(lengths) == 1
    assert lengths == {len(EpochSampler(size, 0, 0, world))}


def test_processes_repeat_only_what_fills_the_last_round() -> None:
    drawn = [i for rank in range(3) for _, i in EpochSampler(10, 0, rank, 3)]
    assert len(drawn) == 12
    assert sorted(set(drawn)) == list(range(10))


def test_order_is_drawn_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[tuple[int, int]]:
        sampler = EpochSampler(20, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert {epoch for epoch, _ in order(0, 1)} == {1}
    indices = [[i for _, i in order(*key)] for key in ((0, 1), (0, 2), (1, 1))]
    assert indices[0] != indices[1]
    assert indices[0] != indices[2]


def test_sampler_without_a_seed_gives_all_samples_in_natural_order() -> None:
    sampler = EpochSampler(4, None, rank=1, world=2)
    assert list(sampler) == [(-1, 0), (-1, 1), (-1, 2), (-1, 3)]
    assert len(sampler) == 4


@given(
    place=st.integers(0, len(SIZES) - 1),
    w=st.floats(0.2, 1.0),
    h=st.floats(0.2, 1.0),
    x=st.floats(0.0, 1.0),
    y=st.floats(0.0, 1.0),
    input_px=st.sampled_from([32, 33, 40]),
)
@settings(deadline=None, max_examples=60)
def test_boxes_in_the_padded_input_are_mapped_back_to_the_image(
    sizes: PackedDataset,
    params: Params,
    place: int,
    w: float,
    h: float,
    x: float,
    y: float,
    input_px: int,
) -> None:
    recipe = dataclasses.replace(params.recipes["p0"], resize_px=32, input_px=input_px)
    scenes = SceneDataset(sizes.pack, sizes.faces("val"), recipe, seed=0)
    cx, cy = w / 2 + x * (1 - w), h / 2 + y * (1 - h)
    scenes.boxes[place] = np.array([[cx, cy, w, h]])
    image, boxes, _, index = scenes[-1, place]
    assert image.shape == (3, input_px, input_px)
    seen = boxes.double().numpy()
    corners = np.hstack([seen[:, :2] - seen[:, 2:] / 2, seen[:, :2] + seen[:, 2:] / 2]) * input_px
    back = scenes.to_fractions(corners, scenes.scenes[index][0])
    assert np.allclose(back, [[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]], atol=2e-5)


def test_box_outside_the_image_is_clipped_to_its_border(
    sizes: PackedDataset, scene_recipe: Recipe
) -> None:
    scenes = SceneDataset(sizes.pack, sizes.faces("val"), scene_recipe, seed=0)
    back = scenes.to_fractions(np.array([[-5.0, -5.0, 99.0, 99.0]]), "size_1")
    assert back.tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_images_are_converted_to_the_channels_of_the_recipe(
    stored: PackedDataset, scenes: PackedDataset, params: Params
) -> None:
    grey, colour = params.recipes["p1"], params.recipes["p0"]
    seen = FaceDataset(stored.pack, stored.faces("train"), colour, 0)[-1, 0][0]
    assert seen.shape[0] == 3
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    faces = FaceDataset(scenes.pack, scenes.faces("train"), grey, 0)
    red, green, blue = np.moveaxis(faces.pack.image("scene_0").astype(float), 2, 0)
    by_eye = 0.299 * red + 0.587 * green + 0.114 * blue
    assert np.abs(faces.image("scene_0")[:, :, 0] - by_eye).max() <= 1
    assert faces[-1, 0][0].shape == (1, grey.input_px, grey.input_px)


def test_classifier_gets_only_the_face_in_its_box(tmp_path: Path, params: Params) -> None:
    picture = np.zeros((40, 60), np.uint8)
    picture[10:30, 6:24] = 200
    face = (1, 15 / 60, 20 / 40, 18 / 60, 20 / 40)
    data = store(tmp_path, "one", {"a": picture}, {"a": [face]}, {"a": "train"})
    faces = FaceDataset(data.pack, data.faces("train"), params.recipes["p1"], 0)
    image, target, index = faces[-1, 0]
    assert (image == 200).all()
    assert (target, index) == (1, 0)


def test_box_thinner_than_a_pixel_gives_one_pixel(tmp_path: Path, params: Params) -> None:
    face = (0, 1.0, 1.0, 0.001, 0.001)
    picture = np.full((8, 8), 7, np.uint8)
    data = store(tmp_path, "one", {"a": picture}, {"a": [face]}, {"a": "train"})
    image = FaceDataset(data.pack, data.faces("train"), params.recipes["p1"], 0)[-1, 0][0]
    assert (image == 7).all()


def test_images_with_several_and_with_no_boxes_form_one_batch(
    scenes: PackedDataset, scene_recipe: Recipe
) -> None:
    data = SceneDataset(scenes.pack, scenes.faces("train"), scene_recipe, 0)
    collate = loader(data, EpochSampler(len(data), None), 3).collate_fn
    image, boxes, classes, _ = data[-1, 2]
    assert len(boxes) == 3
    batch = collate(
        [
            (image, boxes, classes, 2),
            (image, torch.zeros(0, 4), torch.zeros(0), 7),
            (image, boxes[:1], classes[:1], 0),
        ]
    )
    assert batch["img"].shape == (3, 3, 32, 32)
    assert batch["batch_idx"].tolist() == [0, 0, 0, 2]
    assert batch["cls"].shape == (4, 1)
    assert torch.equal(batch["bboxes"], torch.cat([boxes, boxes[:1]]))
    assert batch["index"].tolist() == [2, 7, 0]


def test_last_training_batch_of_one_image_is_dropped(
    stored: PackedDataset, faces_recipe: Recipe
) -> None:
    faces = FaceDataset(stored.pack, stored.faces("train"), faces_recipe, 0)
    size = len(faces)
    sizes = [len(batch[1]) for batch in loader(faces, EpochSampler(size, 0), size - 1)]
    assert sizes == [size - 1]
    kept = [len(batch[1]) for batch in loader(faces, EpochSampler(size, None), size - 1)]
    assert kept == [size - 1, 1]


def test_faces_are_sorted_by_image_and_number() -> None:
    boxes = pd.DataFrame(
        {"image_id": ["b", "b", "a", "c"], "face": [1, 0, 0, 0], "cls": [2, 1, 0, 0]}
    ).assign(cx=0.5, cy=0.5, w=0.1, h=0.1)
    split = pd.DataFrame({"image_id": ["a", "b", "c"], "split": ["val", "val", "test"]})
    faces = face_table(boxes, split, "val", CLASSES).frame
    assert faces["image_id"].tolist() == ["a", "b", "b"]
    assert faces["face"].tolist() == [0, 0, 1]
    assert faces["cls"].tolist() == [0, 1, 2]


def test_vote_shares_sum_to_one_or_are_zero_without_votes() -> None:
    boxes = pd.DataFrame({"image_id": ["a", "b", "c"], "face": 0, "cls": [0, 1, 2]})
    split = pd.DataFrame({"image_id": ["a", "b", "c"], "split": "train"})
    assert face_table(boxes, split, "train", CLASSES).vote_shares is None
    votes = [[6, 3, 0], None, [0, 0, 0]]
    rated = face_table(boxes.assign(votes=votes), split, "train", ("anger", "fear", "happiness"))
    assert rated.vote_shares is not None
    np.testing.assert_allclose(rated.vote_shares, [[2 / 3, 1 / 3, 0], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("augment", ["light", "p0", "mirror", "p1"])
def test_face_that_is_not_square_has_the_same_geometry_in_training_and_evaluation(
    tmp_path: Path, params: Params, augment: str
) -> None:
    """It is squashed to a square in both, never padded in one and squashed in the other."""
    picture = np.full((40, 20), 200, np.uint8)
    picture[:20] = 50  # the upper half is dark
    data = store(tmp_path, "one", {"a": picture}, {"a": [(0, 0.5, 0.5, 1, 1)]}, {"a": "train"})
    recipe = dataclasses.replace(
        params.recipes["p1"], augment=augment, input_px=32, resize_px=32, scale_gain=0.0
    )
    faces = FaceDataset(data.pack, data.faces("train"), recipe, 0)
    faces.augment = A.Compose([t for t in faces.augment if isinstance(t, A.HorizontalFlip)])
    plain, trained = faces[-1, 0][0], faces[0, 0][0]
    assert torch.equal(plain, trained)
    assert (plain[0, :14] == 50).all()
    assert (plain[0, 18:] == 200).all()


def without_draws(params: Params, name: str) -> Recipe:
    return dataclasses.replace(params.recipes[name], augment="none", mosaic=0.0, crops=1)


def read_ids(monkeypatch: pytest.MonkeyPatch, items: FaceDataset | SceneDataset) -> list[str]:
    """The images that are read from the pack from now on."""
    ids: list[str] = []
    image = items.pack.image

    def read(name: str) -> Any:
        ids.append(name)
        return image(name)

    monkeypatch.setattr(items.pack, "image", read)
    return ids


@pytest.mark.parametrize("kind", [FaceDataset, SceneDataset])
def test_kept_items_are_read_once_and_equal_those_made_anew(
    stored: PackedDataset,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[FaceDataset | SceneDataset],
) -> None:
    recipe = without_draws(params, "p1" if kind is FaceDataset else "p0")
    kept, anew = (kind(stored.pack, stored.faces("train"), recipe, 0) for _ in range(2))
    kept.keep_items()
    ids = read_ids(monkeypatch, kept)
    keys = [(epoch, index) for epoch in (-1, 0, 1) for index in (0, 1)]
    for key in keys:
        for one, two in zip(kept[key], anew[key], strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(two))
    assert len(ids) == 4  # two items in training, and in evaluation


def test_augmented_items_are_never_kept(
    stored: PackedDataset, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FaceDataset(stored.pack, stored.faces("train"), params.recipes["p1"], 0)
    faces.keep_items()
    ids = read_ids(monkeypatch, faces)
    assert not torch.equal(faces[0, 0][0], faces[1, 0][0])
    assert len(ids) == 2


def test_a_transform_that_is_applied_by_chance_is_a_draw(
    stored: PackedDataset, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, plan = without_draws(params, "p1"), [A.CenterCrop(8, 8, p=0.5)]
    monkeypatch.setattr("ferbench.data.loaders.load", lambda *_: lambda *_: plan)
    faces = FaceDataset(stored.pack, stored.faces("train"), recipe, 0)
    faces.keep_items()
    ids = read_ids(monkeypatch, faces)
    faces[0, 0], faces[1, 0]
    assert len(ids) == 2


def test_items_are_kept_while_there_is_room(
    stored: PackedDataset, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = FaceDataset(stored.pack, stored.faces("train"), without_draws(params, "p1"), 0)
    faces.keep_items(faces[-1, 0][0].nbytes)
    ids = read_ids(monkeypatch, faces)
    for _ in range(3):
        faces[-1, 0], faces[-1, 1]
    assert len(ids) == 4  # the first one once, the second three times
