"""Selection of a run's checkpoint, epoch by epoch."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ferbench.training.callbacks import Selection


def follow(
    selection: Selection, epochs: list[tuple[float, float]], start: int = 0
) -> tuple[list[int], int | None]:
    """The epochs whose checkpoint was kept, and the one after which training stops."""
    kept: list[int] = []
    trainer: Any = SimpleNamespace(should_stop=False)
    for epoch, (score, loss) in enumerate(epochs, start):
        trainer.callback_metrics = {"val_score": score, "val_loss": loss}
        trainer.save_checkpoint = lambda path, epoch=epoch: kept.append(epoch)
        selection.on_train_epoch_end(trainer, None)  # type: ignore[arg-type]
        if trainer.should_stop:
            return kept, epoch
    return kept, None


def test_ties_are_broken_by_the_lower_loss() -> None:
    selection = Selection(Path("x"), higher_is_better=True, patience=9)
    epochs = [(0.9, 1.0), (1.0, 0.8), (1.0, 0.5), (1.0, 0.6), (0.9, 0.1)]
    assert follow(selection, epochs) == ([0, 1, 2], None)


def test_equal_score_and_loss_keep_the_earlier_epoch() -> None:
    selection = Selection(Path("x"), higher_is_better=True, patience=9)
    assert follow(selection, [(0.5, 1.0), (0.5, 1.0)]) == ([0], None)


def test_patience_counts_from_the_last_epoch_that_reached_the_best_score() -> None:
    selection = Selection(Path("x"), higher_is_better=True, patience=2)
    # The tie of epoch 2 has a higher loss: not kept, but patience begins anew.
    epochs = [(0.9, 1.0), (0.8, 1.0), (0.9, 2.0), (0.8, 1.0), (0.8, 1.0), (0.9, 0.1)]
    assert follow(selection, epochs) == ([0], 4)


def test_metric_where_lower_is_better_is_minimised() -> None:
    selection = Selection(Path("x"), higher_is_better=False, patience=2)
    epochs = [(0.9, 1.0), (0.5, 1.0), (0.6, 0.1), (0.7, 0.1)]
    assert follow(selection, epochs) == ([0, 1], 3)


@pytest.mark.parametrize("first", [float("nan"), 0.0])
def test_nan_score_is_replaced_by_any_number(first: float) -> None:
    selection = Selection(Path("x"), higher_is_better=True, patience=9)
    assert follow(selection, [(first, 1.0), (0.1, 1.0), (float("nan"), 0.0)]) == ([0, 1], None)


def test_resumed_selection_keeps_best_and_patience() -> None:
    straight = Selection(Path("x"), higher_is_better=True, patience=2)
    epochs = [(0.5, 1.0), (0.4, 1.0), (0.5, 0.9), (0.4, 1.0), (0.3, 1.0)]
    expected = follow(straight, epochs)
    killed = Selection(Path("x"), higher_is_better=True, patience=2)
    kept, _ = follow(killed, epochs[:3])
    resumed = Selection(Path("x"), higher_is_better=True, patience=2)
    resumed.load_state_dict(killed.state_dict())
    more, stop = follow(resumed, epochs[3:], start=3)
    assert (kept + more, stop) == expected
