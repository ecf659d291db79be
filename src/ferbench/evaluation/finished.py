"""Finished cells on disk: their record, their answers, their training curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.cells import Cell, all_cells
from ferbench.errors import InputError
from ferbench.evaluation.predictions import read_boxes, read_predictions
from ferbench.files import read_json
from ferbench.params import Params

__all__ = ["SUBSETS", "Finished", "finished_cells"]

# Folder of each subset's answers inside a cell's folder.
SUBSETS = {"val": "val", "test": "."}
_NEEDED = ("run.json", "history.csv", "predictions.parquet", "boxes.parquet")
_AGAIN = "run what is missing: `dvc repro`"


@dataclass(frozen=True)
class Finished:
    """One finished cell.

    Args:
        cell: which.
        folder: where its files are.
        run: its `run.json`.
    """

    cell: Cell
    folder: Path
    run: Mapping[str, Any]

    @property
    def detects(self) -> bool:
        """Whether it answers with boxes."""
        return bool(self.run["task"] == "detect")

    def answers(self, subset: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Its predictions and boxes on `val` or `test`."""
        return _answers(self.folder / SUBSETS[subset])

    def conditions(self, probe: str) -> list[str]:
        """What a probe showed it; nothing, if the probe does not apply to it.

        Raises:
            InputError: the probe was not run.
        """
        path = self.folder / "probes" / probe / "probe.json"
        if not path.is_file():
            raise InputError(f"{self.cell.name} lacks probe {probe}", where=path, remedy=_AGAIN)
        return [str(condition) for condition in read_json(path)["conditions"]]

    def probed(self, probe: str, condition: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Its predictions and boxes on the test images as a condition of a probe alters them."""
        return _answers(self.folder / "probes" / probe / condition)

    def history(self) -> pd.DataFrame:
        """Its training curve, a row an epoch."""
        return pd.read_csv(self.folder / "history.csv")


def finished_cells(params: Params, root: Path) -> list[Finished]:
    """All cells that the study's tables name, in their order.

    Args:
        params: the active study.
        root: the project's folder.

    Raises:
        InputError: a cell is not there, or was made under another protocol.
    """
    cells = [_read(cell, root / cell.folder) for cell in all_cells(params)]
    for finished in cells:
        wanted = params.datasets[finished.cell.dataset].protocol
        if finished.run["protocol"] != wanted:
            raise InputError(
                f"was run under protocol {finished.run['protocol']}, the study asks for {wanted}",
                where=finished.folder,
                remedy="run it again: `dvc repro`",
            )
    return cells


def _answers(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    boxes = read_boxes(folder / "boxes.parquet")
    return read_predictions(folder / "predictions.parquet"), boxes


def _read(cell: Cell, folder: Path) -> Finished:
    for name in _NEEDED:
        if not (folder / name).is_file():
            raise InputError(
                f"{cell.variant} on {cell.dataset} with seed {cell.seed} lacks {name}",
                where=folder,
                remedy=_AGAIN,
            )
    return Finished(cell, folder, read_json(folder / "run.json"))
