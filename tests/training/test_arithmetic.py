"""The measured choice of precision and memory format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.training import arithmetic
from ferbench.training import fit as fitting
from ferbench.training.arithmetic import (
    FORMATS,
    Arithmetic,
    ProcessorTimes,
    arithmetic_of,
    processor_times,
)
from ferbench.training.modules import SelectionMetric


def times(single: tuple[float, float], half: tuple[float, float]) -> ProcessorTimes:
    """Times in channels last and contiguous, in float32 and bfloat16."""
    pairs = {"32-true": single, "bf16-mixed": half}
    step_ms = {name: dict(zip(FORMATS, pair, strict=True)) for name, pair in pairs.items()}
    return ProcessorTimes(processor={}, step_ms=step_ms)


# Milliseconds as measured on a processor with AVX2 only, and ratios as measured on one with bf16.
AVX2 = times((19.8, 19.7), (105.3, 242.1))
BF16 = times((5.7, 6.9), (3.5, 4.3))


@pytest.mark.parametrize(
    ("measured", "precision", "chosen"),
    [
        (AVX2, "auto", ("32-true", "channels_last")),
        (BF16, "auto", ("bf16-mixed", "channels_last")),
        (BF16, "32-true", ("32-true", "channels_last")),
        (AVX2, "bf16-mixed", ("bf16-mixed", "channels_last")),
        (times((20.0, 12.0), (19.0, 30.0)), "auto", ("32-true", "contiguous")),
        (times((20.0, 12.0), (19.0, 30.0)), "bf16-mixed", ("bf16-mixed", "channels_last")),
        # Float16 is not measured; it takes the format of float32.
        (times((20.0, 12.0), (19.0, 30.0)), "16-mixed", ("16-mixed", "contiguous")),
        # Another choice than the usual one needs a clear difference.
        (times((10.0, 8.9), (8.9, 9.5)), "auto", ("32-true", "channels_last")),
    ],
)
def test_the_fastest_is_chosen_and_the_recipe_overrides_the_precision(
    monkeypatch: pytest.MonkeyPatch,
    measured: ProcessorTimes,
    precision: str,
    chosen: tuple[str, str],
) -> None:
    monkeypatch.setattr(arithmetic, "processor_times", lambda threads: measured)
    assert arithmetic_of(precision, "cpu", 1) == Arithmetic(*chosen)


@pytest.mark.parametrize(("native", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_computes_in_bfloat16_if_it_has_instructions_for_it(
    monkeypatch: pytest.MonkeyPatch, native: bool, precision: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    assert arithmetic_of("auto", "gpu", 1) == Arithmetic(precision, "channels_last")
    assert arithmetic_of("16-mixed", "gpu", 1).precision == "16-mixed"


def test_a_processor_is_measured_once_for_each_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arithmetic, "_ROUNDS", 1)
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    first = processor_times(1, tmp_path)
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == first.model_dump()
    assert first.processor["torch"] == torch.__version__
    assert all(ms > 0 for by_format in first.step_ms.values() for ms in by_format.values())

    monkeypatch.setattr(arithmetic, "_measured", lambda threads: AVX2.step_ms)
    assert processor_times(1, tmp_path) == first
    assert processor_times(2, tmp_path).step_ms == AVX2.step_ms
    path.write_text("{")
    assert processor_times(1, tmp_path).step_ms == AVX2.step_ms
    assert json.loads(path.read_text())["step_ms"] == AVX2.step_ms


@pytest.mark.parametrize("memory_format", FORMATS)
def test_training_computes_in_the_chosen_precision_and_format(
    tmp_path: Path,
    params: Params,
    stored: PackedDataset,
    monkeypatch: pytest.MonkeyPatch,
    memory_format: str,
) -> None:
    row = params.variants["ivsa"]
    recipe = replace(params.recipe_of("ivsa"), precision="auto", epochs=1)
    chosen = Arithmetic("bf16-mixed", memory_format)
    monkeypatch.setattr(fitting, "arithmetic_of", lambda *asked: chosen)
    seen, run = [], fitting._run

    def watched(trainer: Any, module: Any, *rest: Any) -> None:
        seen.extend(p for p in module.network.parameters() if p.ndim == 4 and min(p.shape) > 1)
        run(trainer, module, *rest)

    monkeypatch.setattr(fitting, "_run", watched)
    metric = SelectionMetric("accuracy", 0.5)
    data = fitting.TrainingData(stored.pack, stored.faces("train"), stored.faces("val"), metric)
    fitted = fitting.fit((row, recipe, 0), data, params.train, tmp_path, None)
    assert (fitted.precision, fitted.memory_format) == ("bf16-mixed", memory_format)
    assert seen
    assert all(p.is_contiguous(memory_format=FORMATS[memory_format]) for p in seen)
