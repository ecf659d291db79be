"""Altered test images: where the face is, what was drawn, and what the network then predicts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.tiny_study import CLASSES

from ferbench import plugins
from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import FACE_KEY, read_boxes, read_predictions
from ferbench.config.params import Params, RobustnessTest
from ferbench.data.dataset import PackedDataset
from ferbench.errors import InputError
from ferbench.evaluation.predict import predict_faces, predict_split
from ferbench.evaluation.robustness import canvas, degraded
from ferbench.evaluation.robustness.canvas import Canvas
from ferbench.evaluation.robustness.degraded import Degraded
from ferbench.evaluation.robustness_test import (
    Altered,
    RobustnessResult,
    build_robustness_test,
    draw_faces,
    write_robustness,
)
from ferbench.files import read_json
from ferbench.models.build import build_network
from ferbench.models.weights import Trained

PARTS = plugins.names("ferbench.evaluation.robustness")
SMALL = {"sizes": [8, 24, 33], "canvas": 33}


def untrained(params: Params, variant: str) -> Trained:
    row, recipe = params.variants[variant], params.recipe_of(variant)
    network = build_network(row, recipe, len(CLASSES), seed=0)
    return Trained(network.eval(), row, recipe, CLASSES)


def shown(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[tuple[Any, ...]]:
    """Arguments of `predict_faces`, call by call; the predictions are the usual ones."""
    calls: list[tuple[Any, ...]] = []

    def watched(*args: Any, **more: Any) -> Any:
        calls.append((*args, *more.values()))
        return predict_faces(*args, **more)

    monkeypatch.setattr(module, "predict_faces", watched)
    return calls


def faces_of(table: pd.DataFrame) -> list[tuple[str, int]]:
    return list(table[FACE_KEY].itertuples(index=False, name=None))


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kind", PARTS)
def test_options_have_defaults_and_an_unknown_one_is_answered_with_the_known(kind: str) -> None:
    assert asdict(build_robustness_test(RobustnessTest(kind, {})))["seed"] == 0
    with pytest.raises(InputError, match=r"unknown key 'sead'[\s\S]*did you mean 'seed'"):
        build_robustness_test(RobustnessTest(kind, {"sead": 1}))
    with pytest.raises(InputError, match="seed is -1"):
        build_robustness_test(RobustnessTest(kind, {"seed": -1}))
    with pytest.raises(InputError, match="limit is 0"):
        build_robustness_test(RobustnessTest(kind, {"limit": 0}))


@pytest.mark.parametrize("kind", PARTS)
def test_robustness_test_predicts_every_test_face_and_writes_whole_files(
    params: Params, scenes: PackedDataset, tmp_path: Path, kind: str
) -> None:
    row = RobustnessTest(kind, SMALL if kind == "canvas" else {})
    result = build_robustness_test(row).run(untrained(params, "yolov5s"), scenes, "cpu")
    write_robustness(tmp_path / "test", row, result, {"variant": "yolov5s"})
    about = read_json(tmp_path / "test" / "robustness.json")
    test_faces = faces_of(scenes.faces("test").frame)
    assert about["kind"] == kind and about["variant"] == "yolov5s"
    assert about["conditions"] and about["faces"] == len(test_faces) and "skipped" not in about
    for condition in about["conditions"]:
        folder = tmp_path / "test" / condition
        assert faces_of(read_predictions(folder / "predictions.parquet")) == test_faces
        boxes = read_boxes(folder / "boxes.parquet")
        assert faces_of(boxes[boxes["truth"]]) == test_faces
        assert (boxes["picture"] == boxes["face"])[boxes["truth"]].all() == (kind == "canvas")


@pytest.mark.parametrize("alone", [False, True])
def test_limit_draws_evenly_over_classes_and_reproducibly(
    scenes: PackedDataset, alone: bool
) -> None:
    faces = scenes.faces("test")
    names = canvas._picture_names(faces.frame) if alone else faces.frame["image_id"]
    drawn = draw_faces(faces, names, 2, seed=3).frame
    pd.testing.assert_frame_equal(drawn, draw_faces(faces, names, 2, seed=3).frame)
    by = FACE_KEY if alone else ["image_id"]
    first = drawn.drop_duplicates(by)["cls"]
    assert len(first) == first.nunique() == 2
    # An image keeps all its faces.
    assert alone or len(drawn) == faces.frame["image_id"].isin(drawn["image_id"]).sum()
    assert draw_faces(faces, names, None, seed=3) is faces


@pytest.mark.parametrize("variant", ["vgg_improved", "yolov5s"])
def test_predictions_on_unaltered_images_are_those_of_stage_evaluate(
    params: Params, scenes: PackedDataset, variant: str
) -> None:
    trained, source = untrained(params, variant), Pack(scenes.pack)
    same = Altered(scenes.pack, lambda i: degraded._degrade(source.image(i), []))
    predicted = predict_faces(trained, same, scenes.faces("test"), "cpu")
    plain = predict_split(trained, scenes, "test", "cpu")
    pd.testing.assert_frame_equal(predicted.predictions, plain.predictions)
    pd.testing.assert_frame_equal(predicted.boxes, plain.boxes)


def test_sizes_of_the_paper_are_the_default() -> None:
    assert Canvas().sizes == (48, 96, 192, 384, 640) and Canvas().canvas == 640


@pytest.mark.parametrize("options", [{}, {"position": "random", "seed": 4}])
def test_canvas_shows_the_resized_crop_on_black_and_its_box_is_the_square(
    params: Params, scenes: PackedDataset, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    calls = shown(monkeypatch, canvas)
    build_robustness_test(RobustnessTest("canvas", {**SMALL, **options})).run(
        untrained(params, "yolov5s"), scenes, "cpu"
    )
    crops = crops_of(scenes)
    for size, (seen, pictures, faces, _, batch) in zip((8, 24, 33), calls, strict=True):
        assert (seen.recipe.input_px, seen.recipe.resize_px, batch) == (33, 33, 8)
        assert sorted(faces.frame["image_id"]) == sorted(crops)
        for row in faces.frame.itertuples():
            picture = pictures.image(row.image_id)
            left, top = (round(33 * (c - s / 2)) for c, s in ((row.cx, row.w), (row.cy, row.h)))
            assert 33 * row.w == pytest.approx(size) and row.w == row.h
            expected = np.zeros((33, 33, 3), np.uint8)
            square = cv2.resize(crops[row.image_id], (size, size), interpolation=cv2.INTER_LINEAR)
            expected[top : top + size, left : left + size] = square
            assert np.array_equal(picture, expected)
            if not options:
                assert left == top == (33 - size) // 2


def crops_of(scenes: PackedDataset) -> dict[str, NDArray[np.uint8]]:
    """Every labelled test face, cut out by arithmetic on its box."""
    pack, crops = Pack(scenes.pack), {}
    frame = scenes.faces("test").frame
    for name, row in zip(canvas._picture_names(frame), frame.itertuples(), strict=True):
        image = pack.image(row.image_id)
        height, width = image.shape[:2]
        x = [round(width * (row.cx + half * row.w)) for half in (-0.5, 0.5)]
        y = [round(height * (row.cy + half * row.h)) for half in (-0.5, 0.5)]
        crops[name] = image[y[0] : y[1], x[0] : x[1]]
    return crops


def test_random_places_are_reported_and_do_not_depend_on_other_faces(
    params: Params, scenes: PackedDataset
) -> None:
    trained = untrained(params, "yolov5s")
    options = {**SMALL, "sizes": [8], "position": "random"}
    every = build_robustness_test(RobustnessTest("canvas", options)).run(trained, scenes, "cpu")
    some = build_robustness_test(RobustnessTest("canvas", {**options, "limit": 2})).run(
        trained, scenes, "cpu"
    )
    other = build_robustness_test(RobustnessTest("canvas", {**options, "seed": 1})).run(
        trained, scenes, "cpu"
    )
    assert len(every.draws) == 6 and len(some.draws) == 2
    assert set(map(str, some.draws)) < set(map(str, every.draws))
    assert set(map(str, other.draws)).isdisjoint(map(str, every.draws))
    places = every.conditions["8"].boxes.query("truth").set_index(FACE_KEY)
    for draw in every.draws:
        corner = places.loc[(draw.image_id, draw.face), ["left", "top"]] * 33
        expected = [int(draw.parameters[name] * 25) for name in ("left", "top")]
        assert corner.tolist() == pytest.approx(expected)


def test_centred_canvas_has_no_draws_and_may_be_resized(
    params: Params, stored: PackedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = shown(monkeypatch, canvas)
    test = Canvas(sizes=(16,), canvas=64, input_px=32, limit=3)
    result = test.run(untrained(params, "yolov5s"), stored, "cpu")
    assert result.draws == ()
    assert calls[0][0].recipe.input_px == 32
    # A quarter of the canvas, wherever the network saw it from.
    own = result.conditions["16"].boxes.query("truth")
    assert own[["left", "top", "right", "bottom"]].to_numpy().tolist() == [
        [0.375, 0.375, 0.625, 0.625]
    ] * len(own)


def test_network_sees_the_whole_canvas(
    params: Params, stored: PackedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, seen = untrained(params, "yolov5s"), []
    trained.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    Canvas(sizes=(48,), canvas=96, limit=2).run(trained, stored, "cpu")
    (batch,) = seen
    assert tuple(batch.shape) == (2, 3, 96, 96)
    outside = torch.ones(96, 96, dtype=torch.bool)
    outside[24:72, 24:72] = False
    assert batch[..., outside].max() == 0
    assert batch[..., 24:72, 24:72].min() >= 0 and batch[..., 24:72, 24:72].max() > 0.9


def test_classifier_is_skipped_with_the_reason(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    row = RobustnessTest("canvas", {})
    result = build_robustness_test(row).run(untrained(params, "vgg_improved"), stored, "cpu")
    write_robustness(tmp_path / "test", row, result, {})
    about = read_json(tmp_path / "test" / "robustness.json")
    assert about["conditions"] == [] and about["faces"] == 0
    assert "classifier" in about["skipped"]
    assert [path.name for path in (tmp_path / "test").iterdir()] == ["robustness.json"]


@pytest.mark.parametrize("sizes", [[], [0], [48, 48], [48, 641]])
def test_sizes_that_do_not_fit_are_refused(sizes: list[int]) -> None:
    with pytest.raises(InputError, match="from 1 to the canvas's 640"):
        build_robustness_test(RobustnessTest("canvas", {"sizes": sizes}))


def plans(seed: int, images: int = 400) -> list[degraded.Plan]:
    return [degraded._plan("medium", seed, f"image_{i}") for i in range(images)]


def test_one_to_three_different_operations_are_drawn_with_parameters_in_range() -> None:
    drawn = plans(0)
    counts = np.bincount([len(plan) for plan in drawn])
    assert counts[0] == 0 and len(counts) == 4 and counts[1:].min() > 100
    limits = {
        ("low_resolution", "factor"): (2, 4),
        ("low_light", "gamma"): (1.5, 3),
        ("low_light", "gain"): (0.5, 0.9),
        ("blur", "sigma"): (0.5, 2),
        ("noise", "sigma"): (5, 25),
        ("noise", "seed"): (0, 2**31 - 1),
        ("occlusion", "area"): (0.05, 0.2),
        ("occlusion", "aspect"): (0.5, 2),
        ("occlusion", "left"): (0, 1),
        ("occlusion", "top"): (0, 1),
        ("jpeg", "quality"): (20, 60),
    }
    seen: dict[tuple[str, str], list[float]] = {}
    for plan in drawn:
        assert len({name for name, _ in plan}) == len(plan)
        for name, numbers in plan:
            for key, value in numbers.items():
                seen.setdefault((name, key), []).append(value)
    assert seen.keys() == limits.keys()
    for key, (low, high) in limits.items():
        assert low <= min(seen[key]) and max(seen[key]) <= high, key
        # Of some 130 uniform draws the extremes come near the ends.
        assert max(seen[key]) - min(seen[key]) > 0.9 * (high - low), key


def test_draws_depend_on_seed_and_image_alone(params: Params, scenes: PackedDataset) -> None:
    assert plans(0) == plans(0)
    assert plans(0) != plans(1)
    trained = untrained(params, "vgg_improved")
    every = Degraded().run(trained, scenes, "cpu")
    some = Degraded(limit=2).run(trained, scenes, "cpu")
    kept = {draw.image_id for draw in some.draws}
    assert len(kept) == 2
    assert [draw for draw in every.draws if draw.image_id in kept] == list(some.draws)
    rows = every.conditions["medium"].predictions.set_index(FACE_KEY)
    few = some.conditions["medium"].predictions.set_index(FACE_KEY)
    np.testing.assert_allclose(rows.loc[few.index, list(CLASSES)], few[list(CLASSES)], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_degraded_image_differs_and_keeps_its_shape(channels: int) -> None:
    image = noise(60, 100, channels)
    before = image.copy()
    for plan in plans(2, images=60):
        worse = degraded._degrade(image, plan)
        assert worse.shape == image.shape and worse.dtype == np.uint8
        assert not np.array_equal(worse, image), plan
        assert np.array_equal(worse, degraded._degrade(image, plan))
    assert np.array_equal(image, before)


def test_network_sees_the_images_that_the_draws_describe(
    params: Params, scenes: PackedDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = shown(monkeypatch, degraded)
    row = RobustnessTest("degraded", {"seed": 7})
    result = build_robustness_test(row).run(untrained(params, "yolov5s"), scenes, "cpu")
    write_robustness(tmp_path / "test", row, result, {})
    draws = pd.read_csv(tmp_path / "test" / "draws.csv")
    assert draws["face"].isna().all()
    assert draws["image_id"].unique().tolist() == ["scene_6", "scene_7", "scene_8"]
    source = Pack(scenes.pack)
    for image_id, rows in draws.groupby("image_id"):
        assert rows["order"].tolist() == list(range(len(rows)))
        image = source.image(str(image_id))
        for name, numbers in zip(rows["operation"], rows["parameters"], strict=True):
            image = degraded._degrade(image, [(name, json.loads(numbers))])
        assert np.array_equal(calls[0][1].image(image_id), image)


def test_unknown_severity_is_refused() -> None:
    with pytest.raises(InputError, match=r"unknown value 'mild'[\s\S]*medium"):
        build_robustness_test(RobustnessTest("degraded", {"severity": "mild"}))


def apply(name: str, image: NDArray[np.uint8], **numbers: float) -> NDArray[np.uint8]:
    return degraded._degrade(image, [(name, numbers)])


def test_low_resolution_averages_areas() -> None:
    board = np.kron(np.ones((8, 8)), [[0, 200], [100, 100]]).astype(np.uint8)[:, :, None]
    assert (apply("low_resolution", board, factor=2.0) == 100).all()


def test_low_light_is_a_power_and_a_gain() -> None:
    levels = np.array([0, 51, 102, 255], np.uint8).reshape(2, 2, 1)
    dark = apply("low_light", levels, gamma=2.0, gain=0.5)
    # 255 * 0.5 * (v / 255) ** 2 by hand: 0, 5.1, 20.4, 127.5
    assert dark.ravel().tolist() == [0, 5, 20, 128]


def test_blur_grows_with_the_image() -> None:
    for px, pixels in ((101, 1.01), (201, 2.01)):
        line = np.zeros((px, px, 3), np.uint8)
        line[:, px // 2] = 255
        # Deviation of what a line becomes, across it.
        weight = apply("blur", line, sigma=1.0)[px // 2, :, 0].astype(float)
        x = np.arange(px) - px // 2
        assert np.sqrt((weight * x**2).sum() / weight.sum()) == pytest.approx(pixels, rel=0.04)


def test_noise_has_the_drawn_deviation_in_each_channel() -> None:
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = apply("noise", grey, sigma=12.0, seed=1).astype(float) - 128
    assert noisy.std(axis=(0, 1)).tolist() == pytest.approx([12.0] * 3, rel=0.03)
    assert abs(noisy.mean()) < 0.2
    assert abs(np.corrcoef(noisy.reshape(-1, 3).T)[0, 1]) < 0.03


def test_occlusion_is_one_black_rectangle_of_the_drawn_form() -> None:
    image = np.full((100, 200, 3), 9, np.uint8)
    black = (apply("occlusion", image, area=0.1, aspect=2.0, left=1.0, top=0.0) == 0).all(axis=2)
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    # 0.1 * 100 * 200 = 2000 = w * h with w = 2 h: 63 x 32, in the upper right corner
    assert (len(columns), len(rows)) == (63, 32) and black.sum() == 63 * 32
    assert (rows[0], columns[-1]) == (0, 199)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_is_as_pillow_writes_and_reads_it(tmp_path: Path, channels: int) -> None:
    image = cv2.GaussianBlur(noise(64, 48, channels), (0, 0), 3).reshape(64, 48, channels)
    Image.fromarray(image.squeeze()).save(tmp_path / "image.jpg", quality=30)
    pillow = np.asarray(Image.open(tmp_path / "image.jpg")).reshape(image.shape)
    ours = apply("jpeg", image, quality=30)
    assert np.abs(ours.astype(int) - pillow.astype(int)).max() <= 4
    assert np.abs(ours.astype(int) - image.astype(int)).max() > 4


def test_result_without_draws_writes_no_table(tmp_path: Path) -> None:
    write_robustness(
        tmp_path / "test",
        RobustnessTest("canvas", {}),
        RobustnessResult(skipped="no"),
        {"seed": 3},
    )
    assert read_json(tmp_path / "test" / "robustness.json")["seed"] == 3
    assert not (tmp_path / "test" / "draws.csv").exists()
