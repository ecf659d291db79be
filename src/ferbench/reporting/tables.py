"""The tables of the report: every cell has its text for people and its raw value for the CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from ferbench.reporting.numbers import NOTHING, count, decimal, interval, p_value, percent, points
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Comparison, Mean, at

__all__ = [
    "Table",
    "Value",
    "comparison_table",
    "cost_table",
    "leaderboard_table",
    "metrics_table",
    "paper_table",
]


class Value(NamedTuple):
    """A cell: what people read, and what sorts and is stored."""

    text: str
    raw: Any

    @property
    def is_number(self) -> bool:
        """Whether it is set to the right and sorted by size."""
        return isinstance(self.raw, int | float)


@dataclass(frozen=True)
class Table:
    """A table of the report.

    Args:
        name: of its file in `tables/`, without `.csv`.
        rows: cells by column heading, the same headings in every row.
        notes: how many rows at the end are reference values, not entries.
    """

    name: str
    rows: tuple[Mapping[str, Value], ...]
    notes: int = 0

    @property
    def columns(self) -> list[str]:
        """The column headings."""
        return list(self.rows[0]) if self.rows else []

    @property
    def frame(self) -> pd.DataFrame:
        """The raw values."""
        frame = pd.DataFrame([{k: v.raw for k, v in row.items()} for row in self.rows])
        for name in self.columns:
            raws = [row[name].raw for row in self.rows]
            if {type(raw) for raw in raws} == {int, float}:
                # Else pandas makes floats of all, which lose digits of a large count.
                frame[name] = pd.Series(raws, dtype=object)
        return frame


def _word(text: str) -> Value:
    return Value(text, text)


def _share(fraction: float | None) -> Value:
    return Value(percent(fraction), float("nan") if fraction is None else fraction)


def leaderboard_table(files: StudyFiles, key: str, metric: str) -> Table:
    """Variants by falling metric, with interval and spread, and below them the floors."""
    place = files.place(key)
    other = {m.variant: {} for m in files.means}  # type: dict[str, dict[str, float]]
    for mean in files.means:
        if (mean.dataset, mean.protocol) == place:
            other[mean.variant][mean.metric] = mean.mean
    rows = [_entry(mean, other[mean.variant]) for mean in at(files.means, place, metric)]
    for word, value in files.floor(key).items():
        empty = {name: _word("") for name in rows[0]}
        rows.append({**empty, "variant": _word(f"floor: {word}"), f"{metric} %": _share(value)})
    return Table(f"leaderboard_{key}", tuple(rows), notes=len(files.floor(key)))


def _entry(mean: Mean, other: Mapping[str, float]) -> dict[str, Value]:
    return {
        "variant": _word(mean.variant),
        f"{mean.metric} %": _share(mean.mean),
        "95 % interval": Value(interval(mean.low, mean.high), mean.low),
        "std": _share(mean.std),
        "seeds": Value(str(mean.n), mean.n),
        "macro F1 %": _share(other.get("f1_macro")),
        "mAP@0.5 %": _share(other.get("map50")),
        "coverage %": _share(other.get("coverage")),
        "accuracy without threshold %": _share(other.get("accuracy_any")),
    }


def metrics_table(files: StudyFiles, key: str, ranked: Sequence[Mean]) -> Table:
    """Every metric of every variant: mean and standard deviation over seeds, in per cent."""
    here = {
        (m.variant, m.metric): m for m in files.means if files.place(key) == (m.dataset, m.protocol)
    }
    metrics = list(dict.fromkeys(metric for _, metric in here))
    rows = [
        {"variant": _word(mean.variant)}
        | {metric: _spread(here.get((mean.variant, metric))) for metric in metrics}
        for mean in ranked
    ]
    return Table(f"metrics_{key}", tuple(rows))


def _spread(mean: Mean | None) -> Value:
    if mean is None:
        return Value(NOTHING, float("nan"))
    spread = f" ± {percent(mean.std)}" if mean.n > 1 else ""
    return Value(percent(mean.mean) + spread, mean.mean)


def comparison_table(name: str, pairs: Sequence[Comparison], alpha: float) -> Table:
    """Every pair of variants, the surest difference first."""
    ordered = sorted(pairs, key=lambda c: (c.metric, c.p_corrected != c.p_corrected, c.p_corrected))
    return Table(name, tuple(_pair(c, alpha) for c in ordered))


def _pair(c: Comparison, alpha: float) -> dict[str, Value]:
    return {
        "metric": _word(c.metric),
        "A": _word(c.variant_a),
        "B": _word(c.variant_b),
        "B − A, points": Value(points(c.estimate), c.estimate),
        "95 % interval": Value(interval(c.low, c.high), c.low),
        "effect size": Value(decimal(c.effect_size, 2), c.effect_size),
        "test": _word(c.test),
        "p": Value(p_value(c.p_value), c.p_value),
        "p corrected": Value(p_value(c.p_corrected), c.p_corrected),
        "significant": _word("yes" if c.p_corrected <= alpha else "no"),
        "seeds": Value(str(c.n), c.n),
    }


def paper_table(papers: pd.DataFrame) -> Table:
    """Printed values beside ours, with the verdict."""
    rows = tuple(
        {
            "paper": _word(f"{row['paper']}-{row['table']}"),
            "row": _word(row["row"]),
            "data set": _word(row["dataset"]),
            "metric": _word(row["metric"]),
            "printed %": _share(row["printed"]),
            "ours %": _share(row["mean"]),
            "95 % interval": Value(interval(row["low"], row["high"]), row["low"]),
            "seeds": Value(str(row["n"]), row["n"]),
            "verdict": _word(row["verdict"]),
            "why": _word(row["reason"]),
        }
        for row in papers.to_dict("records")
    )
    return Table("papers", rows)


def cost_table(files: StudyFiles) -> Table:
    """Size, arithmetic and training time of every variant."""
    rows = []
    for name, about in files.descriptions.items():
        runs = [run for run in files.runs if run["variant"] == name]
        seconds = sum(run["train_seconds"] for run in runs) / len(runs)
        rows.append(
            {
                "variant": _word(name),
                "paper": _word(str(about["paper"]).upper()),
                "parameters, training": Value(count(about["params_train"]), about["params_train"]),
                "parameters, deployed": Value(
                    count(about["params_deployed"]), about["params_deployed"]
                ),
                "GFLOPs": Value(decimal(about["gflops"], 2), about["gflops"]),
                "input, px": Value(str(about["input_px"]), about["input_px"]),
                "training, s a run": Value(decimal(seconds, 0), round(seconds, 1)),
            }
        )
    return Table("cost", tuple(rows))
