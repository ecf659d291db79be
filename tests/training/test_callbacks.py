"""Selection of a run's checkpoint, epoch by epoch, and the moving average, step by step."""

from __future__ import annotations

import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import LightningModule
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ferbench.training.callbacks import BEST, LAST, RampedAverage, Selection


def follow(
    selection: Selection, epochs: list[tuple[float, float]], start: int = 0
) -> tuple[list[int], int | None]:
    """The epochs whose checkpoint was kept, and the one after which training stops."""
    kept: list[int] = []
    trainer: Any = SimpleNamespace(should_stop=False, is_global_zero=True)

    def save(path: Path) -> None:
        path.unlink(missing_ok=True)  # checkpoints are replaced, never written over
        path.write_text(str(epoch))
        kept.extend([epoch] if path.name == BEST else [])

    trainer.save_checkpoint = save
    for epoch, (score, loss) in enumerate(epochs, start):
        trainer.callback_metrics = {"val_score": score, "val_loss": loss}
        selection.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
        assert (selection.folder / LAST).read_text() == str(epoch)
        assert not kept or (selection.folder / BEST).read_text() == str(kept[-1])
        if trainer.should_stop:
            return kept, epoch
    return kept, None


def test_ties_are_broken_by_the_lower_loss(tmp_path: Path) -> None:
    selection = Selection(tmp_path, higher_is_better=True, patience=9)
    epochs = [(0.9, 1.0), (1.0, 0.8), (1.0, 0.5), (1.0, 0.6), (0.9, 0.1)]
    assert follow(selection, epochs) == ([0, 1, 2], None)


def test_equal_score_and_loss_keep_the_earlier_epoch(tmp_path: Path) -> None:
    selection = Selection(tmp_path, higher_is_better=True, patience=9)
    assert follow(selection, [(0.5, 1.0), (0.5, 1.0)]) == ([0], None)


def test_patience_counts_from_the_last_epoch_that_reached_the_best_score(tmp_path: Path) -> None:
    selection = Selection(tmp_path, higher_is_better=True, patience=2)
    # The tie of epoch 2 has a higher loss: not kept, but patience begins anew.
    epochs = [(0.9, 1.0), (0.8, 1.0), (0.9, 2.0), (0.8, 1.0), (0.8, 1.0), (0.9, 0.1)]
    assert follow(selection, epochs) == ([0], 4)


def test_metric_where_lower_is_better_is_minimised(tmp_path: Path) -> None:
    selection = Selection(tmp_path, higher_is_better=False, patience=2)
    epochs = [(0.9, 1.0), (0.5, 1.0), (0.6, 0.1), (0.7, 0.1)]
    assert follow(selection, epochs) == ([0, 1], 3)


@pytest.mark.parametrize("first", [float("nan"), 0.0])
def test_nan_score_is_replaced_by_any_number(tmp_path: Path, first: float) -> None:
    selection = Selection(tmp_path, higher_is_better=True, patience=9)
    assert follow(selection, [(first, 1.0), (0.1, 1.0), (float("nan"), 0.0)]) == ([0, 1], None)


def test_resumed_selection_keeps_best_and_patience(tmp_path: Path) -> None:
    straight = Selection(tmp_path, higher_is_better=True, patience=2)
    epochs = [(0.5, 1.0), (0.4, 1.0), (0.5, 0.9), (0.4, 1.0), (0.3, 1.0)]
    expected = follow(straight, epochs)
    killed = Selection(tmp_path, higher_is_better=True, patience=2)
    kept, _ = follow(killed, epochs[:3])
    resumed = Selection(tmp_path, higher_is_better=True, patience=2)
    resumed.load_state_dict(killed.state_dict())
    more, stop = follow(resumed, epochs[3:], start=3)
    assert (kept + more, stop) == expected


def test_checkpoints_are_copied_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    selection = Selection(tmp_path, higher_is_better=True, patience=9)
    assert follow(selection, [(0.5, 1.0), (0.4, 1.0), (0.6, 1.0)]) == ([0, 2], None)


class Module(LightningModule):
    """A convolution with batch norm, which has a counter among its buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3))


def average_of(callback: RampedAverage, module: Module) -> Any:
    callback.setup(None, module, "fit")  # type: ignore[arg-type]
    return callback._average_model


def step(module: Module) -> None:
    module.network(torch.rand(2, 1, 6, 6))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.rand_like(parameter))


def assert_equal_states(one: nn.Module, other: nn.Module) -> None:
    states = one.state_dict(), other.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_average_equals_that_of_pytorch_and_goes_on_from_its_state() -> None:
    decay, ramp = 0.9, 3
    torch.manual_seed(0)
    module = Module()

    def move(averaged: Any, current: Any, count: Any) -> None:
        if averaged[0].is_floating_point():
            weight = decay * (1 - math.exp(-float(count) / ramp))
            torch._foreach_lerp_(averaged, current, 1 - weight)
        else:
            torch._foreach_copy_(averaged, current)

    expected = AveragedModel(module, use_buffers=True, multi_avg_fn=move)
    ours = average_of(RampedAverage(decay, ramp), module)
    for number in range(6):
        step(module)
        if number == 3:  # as after a kill
            state = ours.state_dict()
            ours = average_of(RampedAverage(decay, ramp), module)
            ours.load_state_dict(state)
        expected.update_parameters(module)
        ours.update_parameters(module)
        assert_equal_states(ours, expected)


@pytest.mark.gpu
def test_average_moves_to_the_gpu_with_the_network() -> None:
    module = Module()
    average = average_of(RampedAverage(0.9, 3), module)
    module.to("cuda")
    average.update_parameters(module)
    assert {tensor.device.type for tensor in average.state_dict().values()} == {"cuda"}
