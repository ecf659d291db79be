"""All that the report reads: a study's tables, the facts of its data sets, its runs' records."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from ferbench import plugins
from ferbench.artifacts.baselines import BASELINE_NAMES, baselines_of_seeds
from ferbench.artifacts.claims import ClaimRow, read_claims
from ferbench.artifacts.datasets import Baselines, read_baselines, read_split_summary
from ferbench.artifacts.paths import DatasetPaths, StudyPaths
from ferbench.artifacts.results import read_results
from ferbench.artifacts.runs import RunRecord
from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.errors import InputError
from ferbench.evaluation.scoring import higher_is_better, metric_info
from ferbench.files import read_json
from ferbench.reporting.blocks import Picture
from ferbench.reporting.charts import Estimate
from ferbench.reporting.learning_curves import LearningCurve, learning_curves
from ferbench.reporting.numbers import count, seed_count
from ferbench.reporting.withdrawn import without_mark
from ferbench.stats.basis import SEEDS_ONLY, seeds_and
from ferbench.stats.evidence import Evidence, EvidencePart, read_evidence
from ferbench.stats.pair_tests import load_test
from ferbench.stats.primary import knows_test_variance, primary_score

__all__ = [
    "Comparison",
    "Mean",
    "StudyFiles",
    "commit_of",
    "in_one_line",
    "is_share",
    "lower_is_better",
    "mean_of",
    "read_study",
    "sample_size",
    "summarise",
]

# The one source whose faces are rendered, so that its pictures may be published.
_SYNTHETIC = "synthetic"


@dataclass(frozen=True)
class Mean:
    """One metric of one variant on one data set under one protocol, on one subset, over seeds.

    Args:
        dataset: name in tables.
        protocol: of the split.
        variant: row of the variants table.
        metric: which.
        mean: over seeds.
        low: lower bound of its interval; NaN if there is none.
        high: upper bound.
        std: sample standard deviation; NaN of one seed.
        values: by rising seed.
        subset: test, a part of it, or test as a robustness test altered it.
        basis: what the interval takes for samples: `seeds only`, or such as `seeds and persons`.
    """

    dataset: str
    protocol: str
    variant: str
    metric: str
    mean: float
    low: float
    high: float
    std: float
    values: tuple[float, ...]
    subset: str = "test"
    basis: str = SEEDS_ONLY

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def estimate(self) -> Estimate:
        """As the charts take it."""
        return Estimate(self.variant, self.mean, self.low, self.high, self.values)


@dataclass(frozen=True)
class Comparison:
    """A row of `comparisons.csv`: variant B minus variant A.

    Of family `control` A is the control of B; an `exploratory` pair has no corrected p and is never
    called significant. `basis` says what the test takes for samples.
    """

    study: str
    dataset: str
    protocol: str
    variant_a: str
    variant_b: str
    metric: str
    test: str
    n: int
    estimate: float
    low: float
    high: float
    statistic: float
    p_value: float
    p_corrected: float
    effect_size: float
    family: str = "control"
    basis: str = SEEDS_ONLY

    @property
    def is_planned(self) -> bool:
        """Whether it is of a variant and its control."""
        return self.family == "control"

    @property
    def place(self) -> tuple[str, str]:
        """Data set and protocol."""
        return self.dataset, self.protocol


def summarise(results: pd.DataFrame, interval: str) -> list[Mean]:
    """One record a data set, protocol, variant, metric and subset but val.

    Args:
        results: rows of `results.csv`.
        interval: the file of `ferbench.stats.intervals`.
    """
    if results.empty:
        return []
    by = ["dataset", "protocol", "variant", "metric", "subset"]
    tested = results[results["subset"] != "val"].sort_values("seed", kind="stable")
    groups = tested.groupby(by, sort=False)["value"]
    return [mean_of(place, values.tolist(), interval) for place, values in groups]


def mean_of(place: Any, values: Sequence[float], interval: str) -> Mean:
    """The mean over seeds with its interval.

    Args:
        place: dataset, protocol, variant, metric, subset.
        values: by rising seed. One that is not defined, such as AUROC of one class, leaves no mean
            and no spread.
        interval: the file of `ferbench.stats.intervals`.
    """
    dataset, protocol, variant, metric, subset = (str(part) for part in place)
    mean, low, high = plugins.load("ferbench.stats.intervals", interval)(values)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Mean(dataset, protocol, variant, metric, mean, low, high, std, tuple(values), subset)


def _with_primary(mean: Mean, parts: Mapping[tuple[str, str, str], EvidencePart]) -> Mean:
    """A mean on test, or on altered test images, with its primary interval, if it has one."""
    part = parts.get((mean.dataset, mean.protocol, mean.subset))
    if part is None or not knows_test_variance(part, mean.metric):
        return mean
    found = primary_score(part, mean.metric, mean.variant)
    if found is None or found.seeds_only or math.isnan(found.low):
        return mean
    return replace(mean, low=found.low, high=found.high, basis=seeds_and(found.cluster))


@dataclass(frozen=True, eq=False)
class StudyFiles:
    """What the stages before left of a study.

    Args:
        params: the active study.
        results: rows of `results.csv`.
        comparisons: rows of `comparisons.csv`.
        confusion: rows of `confusion.csv`.
        history: rows of `plots/history.csv`.
        tables: by name, the rows of `classes.csv`, `reliability.csv`, `omnibus.csv`, `ranks.csv`
            and `power.csv`.
        facts: by data set key, `reports/data/<key>.json`.
        baselines: by data set key, `reports/data/<key>.baselines.json`.
        redrawn: keys of data sets of which every seed drew a split of its own.
        audits: by data set key, `reports/data/<key>.audit.json`.
        noise: by data set key, of `label_noise.json`.
        descriptions: by variant, `reports/<study>/variants/<variant>.json`.
        runs: the record of every run.
        latency: by row of `latency` and variant, what was timed; empty if nothing was.
        pictures: sample images and explanations, if there are any.
        has_findings: `reports/findings.json` is there.
        claims: rows of `claims.csv`.
        evidence: what intervals are computed from; None leaves those over seeds.
    """

    params: Params
    results: pd.DataFrame
    comparisons: Sequence[Comparison] = ()
    confusion: pd.DataFrame = field(default_factory=pd.DataFrame)
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    baselines: Mapping[str, Baselines] = field(default_factory=dict)
    redrawn: Collection[str] = ()
    audits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    noise: Mapping[str, Any] = field(default_factory=dict)
    descriptions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: Sequence[RunRecord] = ()
    latency: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    has_findings: bool = False
    claims: Sequence[ClaimRow] = ()
    evidence: Evidence | None = None

    @property
    def keys(self) -> list[str]:
        """The data set rows."""
        return list(self.params.datasets)

    @property
    def metric(self) -> str:
        """The metric that ranks the variants: the first of `compare.metrics`."""
        return self.params.compare.metrics[0]

    @cached_property
    def means(self) -> list[Mean]:
        """Means over seeds, on every subset but val.

        On test, altered or not, with the primary interval where the variance over test faces is
        known, otherwise with that over seeds.
        """
        found = summarise(self.results, self.params.score.interval)
        return [_with_primary(mean, self._parts) for mean in found]

    def place(self, key: str) -> tuple[str, str]:
        """Name and protocol of a data set row, by which tables know it."""
        row = self.params.datasets[key]
        return row.name, row.protocol

    def on(self, subset: str, key: str, metric: str) -> dict[str, Mean]:
        """One metric on one subset of a data set row, by variant."""
        wanted = (*self.place(key), metric, subset)
        return {
            mean.variant: mean
            for mean in self.means
            if (mean.dataset, mean.protocol, mean.metric, mean.subset) == wanted
        }

    def ranked(self, key: str) -> list[Mean]:
        """The variants by `metric` on test, best first; of equals the earlier row is first."""
        sign = 1 if lower_is_better(self.metric) else -1
        return sorted(self.on("test", key, self.metric).values(), key=lambda m: sign * m.mean)

    def learning_curves(self, key: str) -> list[LearningCurve]:
        """Of the variants on a data set row, in the order of `ranked`."""
        curves: list[LearningCurve] = []
        for mean in self.ranked(key):
            lower = lower_is_better(self.selection_metric(mean.variant))
            curves += learning_curves(self.history_of(key, mean.variant), lower=lower)
        return curves

    def history_of(self, key: str, variant: str) -> pd.DataFrame:
        """The rows of `history` of a variant's runs on a data set row."""
        table = self.history
        return table[(table["dataset"] == key) & (table["variant"] == variant)]

    def selection_metric(self, variant: str) -> str:
        """The metric on val that selects a variant's checkpoints: `val_score` of `history`."""
        return self.params.train.select[self.descriptions[variant]["task"]]

    @cached_property
    def _parts(self) -> dict[tuple[str, str, str], EvidencePart]:
        """The evidence by data set, protocol and subset: test, and test as it was altered."""
        found: dict[tuple[str, str, str], EvidencePart] = {}
        if self.evidence is None:
            return found
        columns = ["subset", "robustness", "condition"]
        conditions = self.results.reindex(columns=columns).drop_duplicates().dropna()
        altered = conditions[conditions["robustness"] != ""].to_numpy().tolist()
        for part in self.evidence.parts():
            found[(*part.location, "test")] = part
            for subset, test, condition in altered:
                found[(*part.location, subset)] = self.evidence.altered(part, test, condition)
        return found

    def evidence_on(self, key: str) -> EvidencePart | None:
        """The evidence of a data set row on test; None without predictions."""
        part = self._parts.get((*self.place(key), "test"))
        return part if part and part.faces is not None else None

    def naive_baselines(self, key: str) -> dict[str, float]:
        """Test accuracies of the naive baselines, by their names."""
        found = baselines_of_seeds(self.baselines[key], key in self.redrawn, self.params.seeds)
        return {word: found[name] for name, word in BASELINE_NAMES.items() if name in found}

    def here(self, table: pd.DataFrame, key: str) -> pd.DataFrame:
        """The rows of a table that are about one data set row, by its name and protocol."""
        if table.empty:
            return table
        name, protocol = self.place(key)
        return table[(table["dataset"] == name) & (table["protocol"] == protocol)]

    def table(self, name: str, key: str) -> pd.DataFrame:
        """The rows of one of `tables` about one data set row."""
        return self.here(self.tables.get(name, pd.DataFrame()), key)

    def source(self, key: str, subset: str = "test") -> str:
        """What every number on a data set row depends on: split, seeds, hardware and commit."""
        name, protocol = self.place(key)
        runs = [run for run in self.runs if run.dataset == key]
        seeds = sorted({run.seed for run in runs})
        hardware = " / ".join(dict.fromkeys(in_one_line(run.hardware) for run in runs))
        commits = " / ".join(dict.fromkeys(commit_of(run, short=True) for run in runs))
        return (
            f"{name} under {protocol}, {subset}; {seed_count(len(seeds))} "
            f"({', '.join(map(str, seeds))}); {hardware}; commit {commits}"
        )


def commit_of(run: RunRecord, *, short: bool = False) -> str:
    """A run's commit with `-dirty` if code was changed; older records mark that by `+`."""
    head = without_mark(run.commit)
    return (head[:10] if short else head) + ("" if head == run.commit else "-dirty")


def in_one_line(record: Any) -> str:
    """The entries of a run's record, such as its hardware; empty ones are left out."""
    if not isinstance(record, Mapping):
        return str(record)
    texts = {k: ", ".join(map(str, v)) if isinstance(v, list) else v for k, v in record.items()}
    return ", ".join(f"{k} {v}" for k, v in texts.items() if v not in (None, ""))


def read_study(params: Params, root: Path) -> StudyFiles:
    """Read everything that the report of the active study needs.

    Args:
        params: the active study.
        root: the project's folder.

    Raises:
        InputError: a file is absent.
    """
    study = StudyPaths(params.study.name, root)
    folder, data = study.reports, {key: DatasetPaths(key, root) for key in params.datasets}
    comparisons = _read(folder / "comparisons.csv", pd.read_csv)
    tables = ("classes", "reliability", "omnibus", "ranks", "power")
    return StudyFiles(
        params=params,
        results=read_results(study.results),
        comparisons=[Comparison(**row) for row in comparisons.to_dict("records")],
        confusion=_read(folder / "confusion.csv", lambda p: pd.read_csv(p, keep_default_na=False)),
        history=_read(folder / "plots" / "history.csv", pd.read_csv),
        tables={name: _read(folder / f"{name}.csv", pd.read_csv) for name in tables},
        facts={key: _read(paths.report, read_json) for key, paths in data.items()},
        baselines={key: read_baselines(paths) for key, paths in data.items()},
        redrawn={key for key, paths in data.items() if read_split_summary(paths).redrawn},
        audits={key: _read(paths.audit_report, read_json) for key, paths in data.items()},
        noise=_read(folder / "label_noise.json", read_json),
        descriptions={name: _read(study.description(name), read_json) for name in params.variants},
        runs=[RunRecord.read(root / run.folder / "run.json") for run in all_runs(params)],
        latency=_latency(params, study.runs / "_latency"),
        pictures=[*_samples(params, data), *_explanations(params, study.runs / "_explain")],
        has_findings=(root / "reports" / "findings.json").is_file(),
        claims=read_claims(folder / "claims.csv"),
        evidence=read_evidence(params, root),
    )


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    if not path.is_file():
        raise InputError("no such file", where=path, remedy="make it: `dvc repro`")
    return read(path)


def _latency(params: Params, folder: Path) -> dict[str, dict[str, Any]]:
    """What stage `latency` left, in the order of the study's tables."""
    found = {
        row: {
            name: read_json(folder / row / f"{name}.json")
            for name in params.variants
            if (folder / row / f"{name}.json").is_file()
        }
        for row in params.latency
    }
    return {row: timed for row, timed in found.items() if timed}


def _samples(params: Params, data: Mapping[str, DatasetPaths]) -> Iterator[Picture]:
    """The grid of sample images that the audit drew of a data set row."""
    caption = "Training images that deduplication kept; every row is a class."
    for key, paths in data.items():
        path = paths.audit / "samples.png"
        if path.is_file():
            yield _picture(params, path, (key, ""), f"samples_{key}.png", ("Samples", caption))


def _explanations(params: Params, folder: Path) -> Iterator[Picture]:
    """The figures of every row of `explain`, in the order of the study's tables."""
    for row in params.explain:
        for variant in params.variants:
            for key in params.datasets:
                index = folder / row / variant / key / "index.json"
                for figure in read_json(index)["figures"] if index.is_file() else ():
                    path = index.parent / str(figure["file"])
                    name = f"{row}_{variant}_{key}_{path.name}"
                    texts = (str(figure["title"]), str(figure["caption"]))
                    yield _picture(params, path, (key, variant), name, texts)


def _picture(
    params: Params, path: Path, of: tuple[str, str], name: str, texts: tuple[str, str]
) -> Picture:
    with Image.open(path) as image:
        width, height = image.size
    synthetic = params.datasets[of[0]].source == _SYNTHETIC
    return Picture(path, name, *of, *texts, synthetic, width, height)


def sample_size(number: int, test: str) -> str:
    """The sample size of a test of two variants, in its unit: seeds or test faces.

    Of `primary`, which has both, it is the seeds.

    >>> sample_size(3, "welch"), sample_size(1534, "mcnemar")
    ('3 seeds', '1,534 test faces')
    """
    if load_test(test).kind.startswith("faces"):
        return f"{count(number)} test faces"
    return seed_count(number)


def is_share(metric: str) -> bool:
    """Whether a metric lies between 0 and 1, and so is written in per cent.

    >>> is_share("accuracy"), is_share("kappa")
    (True, False)
    """
    return metric_info(metric).bounds == (0.0, 1.0)


def lower_is_better(metric: str) -> bool:
    """Whether a lower value of a metric is better.

    >>> lower_is_better("ece"), lower_is_better("accuracy")
    (True, False)
    """
    return not higher_is_better(metric)
