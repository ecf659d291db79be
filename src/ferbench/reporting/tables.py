"""The tables of the report: every cell has its text for people and its raw value for the CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ferbench.reporting.blocks import Table, Value, difference, number, share, word
from ferbench.reporting.numbers import NOTHING, decimal, interval, p_value, percent
from ferbench.reporting.scores import falls, is_share
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Comparison, Mean, at

__all__ = ["comparison_table", "leaderboard_table", "metrics_table"]


def leaderboard_table(files: StudyFiles, key: str, metric: str) -> Table:
    """Variants by falling metric, with interval and spread, and below them the floors."""
    place = files.place(key)
    other = {m.variant: {} for m in files.means}  # type: dict[str, dict[str, float]]
    for mean in files.means:
        if (mean.dataset, mean.protocol) == place:
            other[mean.variant][mean.metric] = mean.mean
    rows = [_entry(mean, other[mean.variant]) for mean in at(files.means, place, metric)]
    for floor, value in files.naive_baselines(key).items():
        empty = {name: word("") for name in rows[0]}
        rows.append(
            {**empty, "variant": word(f"naive baseline: {floor}"), f"{metric} %": share(value)}
        )
    return Table(f"leaderboard_{key}", tuple(rows), notes=len(files.naive_baselines(key)))


def _entry(mean: Mean, other: Mapping[str, float]) -> dict[str, Value]:
    return {
        "variant": word(mean.variant),
        f"{mean.metric} %": share(mean.mean),
        "95 % interval": Value(interval(mean.low, mean.high), mean.low),
        "std": share(mean.std),
        "seeds": number(mean.n),
        "test faces": number(other.get("faces")),
        "macro F1 %": share(other.get("f1_macro")),
        "mAP@0.5 %": share(other.get("map50")),
        "coverage %": share(other.get("coverage")),
        "accuracy without threshold %": share(other.get("accuracy_any")),
    }


def metrics_table(files: StudyFiles, key: str, ranked: Sequence[Mean]) -> Table:
    """Every metric of every variant: mean and standard deviation over seeds."""
    here = {
        (m.variant, m.metric): m for m in files.means if files.place(key) == (m.dataset, m.protocol)
    }
    metrics = [metric for metric in dict.fromkeys(m for _, m in here) if metric != "faces"]
    rows = [
        {"variant": word(mean.variant)}
        | {_heading(metric): _spread(here.get((mean.variant, metric))) for metric in metrics}
        for mean in ranked
    ]
    return Table(f"metrics_{key}", tuple(rows))


def _heading(metric: str) -> str:
    """A metric's name, with what is not as usual: per cent, and the higher the better."""
    return metric + (" %" if is_share(metric) else "") + (" ↓" if falls(metric) else "")


def _spread(mean: Mean | None) -> Value:
    if mean is None:
        return Value(NOTHING, float("nan"))
    say = percent if is_share(mean.metric) else partial(decimal, digits=3)
    spread = f" ± {say(mean.std)}" if mean.n > 1 else ""
    return Value(say(mean.mean) + spread, mean.mean)


def comparison_table(
    name: str, pairs: Sequence[Comparison], alpha: float, *, folded: bool = False
) -> Table:
    """Every pair of variants, the surest difference first."""
    ordered = sorted(pairs, key=lambda c: (c.metric, c.p_corrected != c.p_corrected, c.p_corrected))
    rows = tuple(_pair(c, alpha) for c in ordered)
    return Table(name, rows, folded=folded, title="all metrics and tests" if folded else "")


def _pair(c: Comparison, alpha: float) -> dict[str, Value]:
    return {
        "metric": word(c.metric),
        "A": word(c.variant_a),
        "B": word(c.variant_b),
        "B − A, points": difference(c.estimate),
        "95 % interval": Value(interval(c.low, c.high), c.low),
        "effect size": Value(decimal(c.effect_size, 2), c.effect_size),
        "test": word(c.test),
        "p": Value(p_value(c.p_value), c.p_value),
        "p corrected": Value(p_value(c.p_corrected), c.p_corrected),
        "significant": word("yes" if c.p_corrected <= alpha else "no"),
        "n": number(c.n),
    }
