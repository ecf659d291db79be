"""All that the report reads: a study's tables, data sets' facts, runs' records, findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.artifacts.results import read_results
from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.errors import InputError
from ferbench.files import read_json
from ferbench.findings.result import Finding, read_findings
from ferbench.reporting.pictures import Picture, explained, sampled
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
        floors: by data set key, `reports/data/<key>.baselines.json`.
        descriptions: by variant, `reports/<study>/variants/<variant>.json`.
        runs: `run.json` of every cell.
        findings: of `reports/findings.json`, if it is there.
        results: rows of `results.csv`, all subsets.
        audits: by data set key, `reports/data/<key>.audit.json`.
        noise: by data set key, of `label_noise.json`.
        tables: by name, the rows of `classes.csv`, `reliability.csv`, `omnibus.csv`, `ranks.csv`
            and `power.csv`.
        latency: by row of `latency` and variant, what was timed; empty if nothing was.
        pictures: sample images and explanations, if there are any.
    """

    params: Params
    means: list[Mean]
    comparisons: tuple[Comparison, ...]
    confusion: pd.DataFrame
    history: pd.DataFrame
    facts: Mapping[str, Mapping[str, Any]]
    baselines: Mapping[str, Mapping[str, Any]]
    descriptions: Mapping[str, Mapping[str, Any]]
    runs: tuple[Mapping[str, Any], ...]
    findings: tuple[Finding, ...] = ()
    results: pd.DataFrame = field(default_factory=pd.DataFrame)
    audits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    noise: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    latency: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()

    def place(self, key: str) -> tuple[str, str]:
        """Name and protocol of a data set row: how tables call it."""
        row = self.params.datasets[key]
        return row.name, row.protocol

    def naive_baselines(self, key: str) -> dict[str, float]:
        """Test accuracies that need no learning, by their words."""
        split = self.baselines[key]["split"]
        words = {
            "majority_class": "majority class",
            "nearest_neighbour": "1-NN on raw pixels",
            "nearest_neighbour_standardised": "1-NN on standardised pixels",
        }
        return {word: float(split[name]) for name, word in words.items() if name in split}

    def here(self, table: pd.DataFrame, key: str) -> pd.DataFrame:
        """The rows of a table that are about one data set row, by its name and protocol."""
        if table.empty:
            return table
        name, protocol = self.place(key)
        return table[(table["dataset"] == name) & (table["protocol"] == protocol)]

    def table(self, name: str, key: str) -> pd.DataFrame:
        """The rows of one of `tables` about one data set row."""
        return self.here(self.tables.get(name, pd.DataFrame()), key)

    @cached_property
    def subsets(self) -> Mapping[str, list[Mean]]:
        """The means on every subset but val: test, its parts, and test as probes altered it."""
        names = self.results["subset"].unique() if len(self.results) else ()
        interval = self.params.score.interval
        found = {
            str(name): summarise(self.results, interval, str(name))
            for name in names
            if name not in ("val", "test")
        }
        return {**found, "test": self.means}

    def on(self, subset: str, key: str, metric: str) -> dict[str, Mean]:
        """One metric on one subset of a data set row, by variant."""
        place = self.place(key)
        return {
            mean.variant: mean
            for mean in self.subsets.get(subset, [])
            if (mean.dataset, mean.protocol) == place and mean.metric == metric
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
    results = read_results(folder / "results.csv")
    tables = ("classes", "reliability", "omnibus", "ranks", "power")
    return StudyFiles(
        params=params,
        means=summarise(results, params.score.interval),
        comparisons=comparisons_of(_read(folder / "comparisons.csv", pd.read_csv)),
        confusion=_read(folder / "confusion.csv", lambda p: pd.read_csv(p, keep_default_na=False)),
        history=_read(folder / "plots" / "history.csv", pd.read_csv),
        facts={key: _read(data / f"{key}.json", read_json) for key in params.datasets},
        baselines={
            key: _read(data / f"{key}.baselines.json", read_json) for key in params.datasets
        },
        descriptions={
            name: _read(folder / "variants" / f"{name}.json", read_json) for name in params.variants
        },
        runs=tuple(_read(root / c.folder / "run.json", read_json) for c in all_runs(params)),
        findings=read_findings(findings) if findings.is_file() else (),
        results=results,
        audits={key: _read(data / f"{key}.audit.json", read_json) for key in params.datasets},
        noise=_read(folder / "label_noise.json", read_json),
        tables={name: _read(folder / f"{name}.csv", pd.read_csv) for name in tables},
        latency=_latency(params, root),
        pictures=(*sampled(params, root), *explained(params, root)),
    )


def _latency(params: Params, root: Path) -> dict[str, dict[str, Any]]:
    """What stage `latency` left, in the order of the study's tables."""
    folder = root / "runs" / params.study.name / "_latency"
    found = {
        how: {
            name: read_json(folder / how / f"{name}.json")
            for name in params.variants
            if (folder / how / f"{name}.json").is_file()
        }
        for how in params.latency
    }
    return {how: timed for how, timed in found.items() if timed}


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    if not path.is_file():
        raise InputError("no such file", where=path, remedy="make it: `dvc repro`")
    return read(path)
