"""Contents of a timing; how long anything takes is never asserted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from tests.tiny_study import CLASSES

from ferbench.config.params import Latency, Params
from ferbench.detection.boxes import MIN_SCORE, kept_boxes
from ferbench.evaluation import latency
from ferbench.evaluation.latency import measure_latency

HOW = Latency(batch=2, precision="float32", threads=1, warm_up=1, iterations=2, repeats=3)
TIMES = ("forward", "end_to_end")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("variant", "precision"), [("vgg_improved", "bfloat16"), ("yolov5s_osam", "float32")]
)
def test_timing_has_its_numbers_and_how_they_were_measured(
    params: Params, variant: str, precision: str
) -> None:
    how = dataclasses.replace(HOW, precision=precision)
    row, recipe = params.variants[variant], params.recipe_of(variant)
    measured = measure_latency(row, recipe, len(CLASSES), how, "cpu")
    assert "skipped" not in measured
    for name in TIMES:
        low, middle, high = (measured[f"{name}_ms{end}"] for end in ("_low", "", "_high"))
        assert 0 < low <= middle <= high
        assert measured[f"fps_{name}"] == pytest.approx(1000 / middle)
    assert measured["input_px"] == recipe.input_px and measured["channels"] == recipe.channels
    for key, value in dataclasses.asdict(how).items():
        assert measured[key] == value
    assert measured["hardware"]["cores"] >= 1 and measured["versions"]["torch"]
    assert "random weights" in measured["protocol"] and "3 repeats of 2" in measured["protocol"]
    json.dumps(measured, allow_nan=False)


def test_ten_crops_are_timed_as_evaluation_predicts_from_them(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, recipe = params.variants["vgg_improved"], params.recipe_of("vgg_improved")
    recipe = dataclasses.replace(recipe, crops=10, augment="p1")
    shapes = []
    plain = latency.logits_of

    def watched(network: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        shapes.append(tuple(x.shape))
        return plain(network, x)

    monkeypatch.setattr(latency, "logits_of", watched)
    measured = measure_latency(row, recipe, len(CLASSES), HOW, "cpu")
    assert measured["crops"] == 10
    px = recipe.input_px
    assert set(shapes) == {(2, 10, recipe.channels, px, px)}


def test_clock_runs_as_often_as_asked(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = []

    class Clock:
        def __init__(self, *_: object, num_threads: int, **__: object) -> None:
            assert num_threads == 2

        def timeit(self, number: int) -> object:
            numbers.append(number)
            return type("Measured", (), {"mean": 1.0})

    monkeypatch.setattr(latency, "Timer", Clock)
    row, recipe = params.variants["vgg_improved"], params.recipe_of("vgg_improved")
    how = dataclasses.replace(HOW, warm_up=4, iterations=5, threads=2)
    measure_latency(row, recipe, len(CLASSES), how, "cpu")
    assert numbers == [4, 5, 5, 5] * 2


def test_milliseconds_are_of_one_image_and_the_median_of_the_repeats(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = iter([9.0, 0.4, 0.2, 0.3])

    class Clock:
        def __init__(self, *_: object, **__: object) -> None: ...

        def timeit(self, number: int) -> object:
            del number
            return type("Measured", (), {"mean": next(seconds)})

    monkeypatch.setattr(latency, "Timer", Clock)
    times = latency._times(lambda: None, HOW)
    # The first call, the warm-up, is not counted; two images a call.
    assert times == pytest.approx([200.0, 100.0, 150.0])
    assert latency._summary("forward", {"forward": times}) == pytest.approx(
        {
            "forward_ms": 150.0,
            "forward_ms_low": 100.0,
            "forward_ms_high": 200.0,
            "fps_forward": 1000 / 150,
        }
    )


def test_every_detector_gets_the_same_places_to_suppress() -> None:
    scores = latency._scores(torch.Size([2, 10, 400]), 6)
    assert scores.shape == (2, 6, 400)
    above = scores > MIN_SCORE
    assert above.sum(dim=(1, 2)).tolist() == [100, 100]
    assert above.sum(dim=1).max() == 1
    assert torch.equal(scores, latency._scores(torch.Size([2, 10, 400]), 6))
    # Boxes apart from one another are all kept.
    corners = torch.stack(torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij"))
    apart = torch.cat([10.0 * corners.reshape(2, 400) + 5, torch.full((2, 400), 4.0)])
    kept = kept_boxes(torch.cat([apart.expand(2, -1, -1), scores], dim=1), 6, 300)
    assert [len(boxes.score) for boxes in kept] == [100, 100]


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_precision_that_the_device_lacks_is_skipped_with_the_reason(
    params: Params, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise RuntimeError('"conv2d" not implemented for this type\nmore')

    monkeypatch.setattr(latency, "Timer", refuse)
    row, recipe = params.variants["vgg_improved"], params.recipe_of("vgg_improved")
    how = dataclasses.replace(HOW, precision=precision)
    measured = measure_latency(row, recipe, len(CLASSES), how, "cpu")
    assert measured["skipped"] == f'no {precision} on cpu: "conv2d" not implemented for this type'
    assert not any(key.endswith("_ms") for key in measured)
    with pytest.raises(RuntimeError):
        measure_latency(row, recipe, len(CLASSES), HOW, "cpu")


def test_driver_version_is_what_its_own_tool_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a card")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert latency._hardware("cuda")["driver"] == "unknown"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 570.86.15\necho 570.86.15\n")
    tool.chmod(0o755)
    assert latency._hardware("cuda")["driver"] == "570.86.15"
