"""All that the report reads: a study's tables, data sets' facts, runs' records, findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.cells import all_cells
from ferbench.errors import InputError
from ferbench.files import read_json
from ferbench.findings.result import Finding, read_findings
from ferbench.params import Params
from ferbench.reporting.summary import Comparison, Mean, comparisons_of, summarise

__all__ = ["StudyFiles", "read_study"]


@dataclass(frozen=True)
class StudyFiles:
    """What is known of a study.

    Args:
        params: the active study.
        means: of `results.csv`, over seeds, on test.
        comparisons: rows of `comparisons.csv`.
        confusion: rows of `confusion.csv`.
        history: rows of `plots/history.csv`.
        facts: by data set key, `reports/data/<key>.json`.
        floors: by data set key, `reports/data/<key>.floor.json`.
        descriptions: by variant, `reports/<study>/variants/<variant>.json`.
        runs: `run.json` of every cell.
        findings: of `reports/findings.json`, if it is there.
    """

    params: Params
    means: list[Mean]
    comparisons: tuple[Comparison, ...]
    confusion: pd.DataFrame
    history: pd.DataFrame
    facts: Mapping[str, Mapping[str, Any]]
    floors: Mapping[str, Mapping[str, Any]]
    descriptions: Mapping[str, Mapping[str, Any]]
    runs: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...] = ()

    def place(self, key: str) -> tuple[str, str]:
        """Name and protocol of a data set row: how tables call it."""
        row = self.params.datasets[key]
        return row.name, row.protocol

    def floor(self, key: str) -> dict[str, float]:
        """Test accuracies that need no learning, by their words."""
        split = self.floors[key]["split"]
        return {
            "majority class": float(split["majority_class"]),
            "1-NN on raw pixels": float(split["nearest_neighbour"]),
        }


def read_study(params: Params, root: Path) -> StudyFiles:
    """Read everything that the report of the active study needs.

    Args:
        params: the active study.
        root: the project's folder.

    Raises:
        InputError: a file is absent.
    """
    folder, data = root / "reports" / params.study.name, root / "reports" / "data"
    findings = root / "reports" / "findings.json"
    return StudyFiles(
        params=params,
        means=summarise(_read(folder / "results.csv", pd.read_csv), params.score.interval),
        comparisons=comparisons_of(_read(folder / "comparisons.csv", pd.read_csv)),
        confusion=_read(folder / "confusion.csv", lambda p: pd.read_csv(p, keep_default_na=False)),
        history=_read(folder / "plots" / "history.csv", pd.read_csv),
        facts={key: _read(data / f"{key}.json", read_json) for key in params.datasets},
        floors={key: _read(data / f"{key}.floor.json", read_json) for key in params.datasets},
        descriptions={
            name: _read(folder / "variants" / f"{name}.json", read_json) for name in params.variants
        },
        runs=tuple(_read(root / c.folder / "run.json", read_json) for c in all_cells(params)),
        findings=read_findings(findings) if findings.is_file() else (),
    )


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    if not path.is_file():
        raise InputError("no such file", where=path, remedy="make it: `dvc repro`")
    return read(path)
