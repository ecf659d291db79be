"""What the numbers allow one to conclude: who leads, over what baseline, and how surely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from ferbench.artifacts.results import exceeds
from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.charts import leaderboard_chart
from ferbench.reporting.numbers import (
    NOTHING,
    decimal,
    interval,
    listed,
    p_value,
    percent,
    seed_count,
)
from ferbench.reporting.papers import against_papers, summary
from ferbench.reporting.study_files import (
    Comparison,
    Mean,
    StudyFiles,
    is_share,
    lower_is_better,
    sample_size,
)
from ferbench.stats.basis import SEEDS_ONLY

__all__ = ["build"]

_LISTED = 4
_ANY = "accuracy_any"  # a detector's accuracy by its best box, whatever the score


def build(study: StudyFiles) -> Block:
    """A card a data set row: three answers, the leaderboard, and all metrics."""
    words = (summary(study),) if against_papers(study) else ()
    return Block("Leaderboard", words=words, parts=[_card(study, key) for key in study.keys])


def _card(study: StudyFiles, key: str) -> Block:
    (name, protocol), ranked = study.place(key), study.ranked(key)
    baselines, compare = study.naive_baselines(key), study.params.compare
    pairs = [
        pair
        for pair in study.comparisons
        if pair.is_planned
        and pair.place == (name, protocol)
        and (pair.metric, pair.test) == (study.metric, compare.tests[0])
    ]
    title = f"{study.metric} of every variant on {name} under {protocol}, best first"
    rows = [mean.estimate for mean in ranked]
    threshold = study.params.score.score_threshold
    return Block(
        title=name,
        tags=(protocol,),
        answers=(
            ("Who leads", leader(ranked)),
            (
                "Better than the naive baselines",
                over_baselines(ranked, baselines, study.on("test", key, _ANY), threshold),
            ),
            (
                "More than chance",
                " ".join([significance(pairs, compare.alpha), *_detectable(study, key)]),
            ),
        ),
        charts=(leaderboard_chart(f"leaderboard_{key}", title, rows, baselines),),
        tables=(_leaderboard(study, key, ranked),),
        note=f"{study.source(key)}. A detector's face counts as missed below score {threshold}; "
        "“without threshold” counts its best box whatever its score. Naive baselines learn "
        "nothing: the nearest training image in raw pixels, and the most frequent class. "
        f"{_what_intervals_are_of(ranked)}",
        parts=(
            Block(
                "All metrics",
                tables=(_metrics(study, key, ranked),),
                note="Mean ± standard deviation over seeds. ↓: lower is better.",
                folded=True,
            ),
        ),
    )


def _what_intervals_are_of(ranked: Sequence[Mean]) -> str:
    basis = " or ".join(dict.fromkeys(mean.basis for mean in ranked))
    others = "other seeds" if basis == SEEDS_ONLY else "other seeds and other test faces"
    return f"Intervals are about {others}: their samples are {basis}."


def leader(ranked: Sequence[Mean]) -> str:
    """Which variant has the highest mean, and which comes second.

    Args:
        ranked: the variants, best first.
    """
    best = ranked[0]
    text = f"{best.variant} leads with {best.metric} {percent(best.mean)} %"
    if best.n < 2:
        return f"{text}, from one seed: without repetition there is no measure of chance."
    text = f"{text} (95 % interval {interval(best.low, best.high)}, {seed_count(best.n)})"
    if len(ranked) < 2:
        return f"{text}; it is the only variant."
    second = ranked[1]
    return f"{text}; {second.variant} is second with {percent(second.mean)} %."


def over_baselines(
    ranked: Sequence[Mean],
    baselines: Mapping[str, float],
    without: Mapping[str, Mean] | None = None,
    threshold: float = 0.0,
) -> str:
    """Which variants are better than the highest naive baseline.

    Args:
        ranked: the variants, best first.
        baselines: by name.
        without: detectors' accuracy without a score threshold, by variant.
        threshold: of the scores of boxes.
    """
    name, height = max(baselines.items(), key=lambda item: item[1])
    sure = [m.variant for m in ranked if exceeds(m.low, height)]
    likely = [m.variant for m in ranked if exceeds(m.mean, height) and m.variant not in sure]
    below = [m.variant for m in ranked if m.variant not in (*sure, *likely)]
    parts = [f"The best naive baseline is {percent(height)} % ({name})."]
    if sure:
        who = "All variants" if len(sure) == len(ranked) else listed(sure)
        parts.append(f"{who} {_be(sure)} better, with the whole interval above it.")
    if likely:
        parts.append(
            f"{listed(likely)} {_be(likely)} better on average only: the interval includes it."
        )
    if below:
        texts = [variant + _threshold(variant, without or {}, threshold) for variant in below]
        parts.append(f"{listed(texts)} {_be(below)} not better than the naive baseline.")
    for name, height in baselines.items():
        equal = [m.variant for m in ranked if math.isclose(m.mean, height, abs_tol=1e-9)]
        if equal:
            verb = "scores" if len(equal) == 1 else "score"
            parts.append(f"{listed(equal)} {verb} exactly the same as the baseline {name}.")
    return " ".join(parts)


def _threshold(variant: str, without: Mapping[str, Mean], threshold: float) -> str:
    """What a detector scores without its threshold, in brackets."""
    if variant not in without:
        return ""
    return f" (at score threshold {threshold:g}; {percent(without[variant].mean)} % without)"


def significance(pairs: Sequence[Comparison], alpha: float) -> str:
    """Which differences of variants from their controls are significant.

    Args:
        pairs: all pairs of a variant and its control, by one test of one metric.
        alpha: level of significance.
    """
    tested = [pair for pair in pairs if not math.isnan(pair.p_corrected)]
    if not pairs:
        return "There is no pair of a variant and its control to compare."
    if not tested:
        return (
            "No difference could be tested: a test needs at least two seeds of every variant, "
            "and some variance between them."
        )
    found = sorted(
        (pair for pair in tested if pair.p_corrected <= alpha), key=lambda pair: pair.p_corrected
    )
    if not found:
        return (
            f"None of the {len(tested)} differences from a control is significant after "
            f"correction ({sample_size(tested[0].n, tested[0].test)} each): the order above may be "
            "due to chance."
        )
    texts = "; ".join(_difference(pair) for pair in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return (
        f"{len(found)} of {len(tested)} differences from a control are significant after "
        f"correction: "
        f"{texts}{more}."
    )


def _difference(pair: Comparison) -> str:
    better, worse = pair.variant_b, pair.variant_a
    if (pair.estimate < 0) != lower_is_better(pair.metric):
        better, worse = worse, better
    p = p_value(pair.p_corrected)
    relation = p if p.startswith("<") else f"= {p}"
    return f"{better} over {worse} by {percent(abs(pair.estimate))} points (p {relation})"


def _be(variants: Sequence[str]) -> str:
    return "is" if len(variants) == 1 else "are"


def _detectable(study: StudyFiles, key: str) -> list[str]:
    """The minimum detectable differences of the first test of the first metric, over the pairs."""
    table, test = study.table("power", key), study.params.compare.tests[0]
    if table.empty:
        return []
    rows = table[(table["metric"] == study.metric) & (table["test"] == test)]
    if rows.empty:
        return []
    size, name = sample_size(int(rows["n"].min()), test), test.replace("_", " ")
    known = rows["detectable"].dropna()
    if known.empty:
        return [f"With {size} the minimum detectable difference is not known."]
    least, most = percent(known.min()), percent(known.max())
    points = least if least == most else f"{least} to {most}"
    return [
        f"With {size} the minimum detectable difference is {points} points of {study.metric} "
        f"({name}, {percent(rows['power'].iloc[0], 0)} % power, with the correction): a smaller "
        "true difference would often be missed."
    ]


def _leaderboard(study: StudyFiles, key: str, ranked: Sequence[Mean]) -> Table:
    """Variants by metric, with interval and spread, and below them the naive baselines."""
    columns = {
        "macro F1 %": study.on("test", key, "f1_macro"),
        "mAP@0.5 %": study.on("test", key, "map50"),
        "coverage %": study.on("test", key, "coverage"),
        "accuracy without threshold %": study.on("test", key, _ANY),
    }
    faces, score = study.on("test", key, "faces"), f"{study.metric} %"
    rows = [
        {
            "variant": word(mean.variant),
            score: share(mean.mean),
            "95 % interval": Value(interval(mean.low, mean.high), mean.low),
            "std": share(mean.std),
            "seeds": number(mean.n),
            "test faces": number(_mean(faces.get(mean.variant))),
            **{name: share(_mean(means.get(mean.variant))) for name, means in columns.items()},
        }
        for mean in ranked
    ]
    baselines = study.naive_baselines(key)
    empty = {name: word("") for name in rows[0]}
    for name, value in baselines.items():
        rows.append({**empty, "variant": word(f"naive baseline: {name}"), score: share(value)})
    return Table(f"leaderboard_{key}", rows, notes=len(baselines), title="leaderboard")


def _mean(mean: Mean | None) -> float | None:
    return None if mean is None else mean.mean


def _metrics(study: StudyFiles, key: str, ranked: Sequence[Mean]) -> Table:
    """Every metric of every variant: mean and standard deviation over seeds."""
    place = (*study.place(key), "test")
    here = {
        (m.variant, m.metric): m
        for m in study.means
        if (m.dataset, m.protocol, m.subset) == place and m.metric != "faces"
    }
    rows = []
    for mean in ranked:
        cells = {"variant": word(mean.variant)}
        for metric in dict.fromkeys(metric for _, metric in here):
            heading = metric + (" %" if is_share(metric) else "")
            heading += " ↓" if lower_is_better(metric) else ""
            cells[heading] = _spread(here.get((mean.variant, metric)))
        rows.append(cells)
    return Table(f"metrics_{key}", rows, title="all metrics")


def _spread(mean: Mean | None) -> Value:
    if mean is None:
        return Value(NOTHING, float("nan"))
    text = percent if is_share(mean.metric) else partial(decimal, digits=3)
    spread = f" ± {text(mean.std)}" if mean.n > 1 else ""
    return Value(text(mean.mean) + spread, mean.mean)
