"""Paper against ours: printed values beside our own, with a verdict each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from ferbench.reporting.blocks import Block, Table, Value, difference, number, real, share, word
from ferbench.reporting.charts import Chart, forest_chart
from ferbench.reporting.measured import is_fraction
from ferbench.reporting.numbers import NOTHING, interval, metric_words, points
from ferbench.reporting.papers import VERDICTS, Against, against_papers, summary
from ferbench.reporting.study_files import Mean, StudyFiles

__all__ = ["build"]

_DRAWN = 30
_RULE = (
    "“Reproduced” means that ours minus printed is within what one new run on a new test sample "
    "would differ by: its 95 % prediction interval, from the spread of our seeds, the variance of "
    "both test samples and the rounding, holds 0 and reaches at most 3 points to either side. "
    "“Not reproduced” means that it excludes 0; “undecided” that it is wider, or that there is one "
    "seed. A value is not comparable if the recipe is reduced or data or metric are of another "
    "kind. Sizes and counts are compared by their rounding."
)
# A printed value with what we measured of it.
_Measured = tuple[Against, Mean]


def build(study: StudyFiles) -> Block:
    """Printed values beside ours: those that were measured first, the others on demand."""
    rows = against_papers(study)
    ours = [(row, row.mean) for row in rows if row.mean is not None]
    ours.sort(key=lambda pair: VERDICTS.index(pair[0].verdict))
    scores = [pair for pair in ours if _is_score(pair)]
    others = [pair for pair in ours if not _is_score(pair)]
    absent = [_absent(row) for row in rows if row.mean is None]
    links = [("papers.csv", "All printed values as CSV")] if rows else []
    if study.has_findings:
        links.append(("../index.html#findings", "Findings about the papers themselves"))
    return Block(
        "Paper against ours",
        words=(summary(study), *((_RULE,) if rows else ())),
        charts=[*_charts(study, ours)],
        tables=(
            Table("papers_ours", [_measured(*pair) for pair in scores], title="measured"),
            Table("papers_sizes", [_sized(*pair) for pair in others], title="sizes, times, counts"),
            Table("papers_recipes", [*_recipes(ours)], title="network and training"),
            Table("papers_absent", absent, folded=True, title="not measured here"),
        ),
        links=links,
    )


def _is_score(pair: _Measured) -> bool:
    value = pair[0].value
    return is_fraction(value.kind, value.metric)


def _measured(row: Against, mean: Mean) -> dict[str, Value]:
    recipe = ("network or training differ, see below",) if row.deviations else ()
    known = not isnan(row.low)
    around = f"{points(row.low)} to {points(row.high)}" if known else NOTHING
    return {
        "paper": word(row.value.place),
        "row": word(row.value.row),
        "metric": word(metric_words(mean.metric)),
        "on": word(mean.subset),
        "printed %": share(row.value.value),
        "ours %": share(mean.mean),
        "95 % interval": Value(interval(mean.low, mean.high), mean.low),
        "n": number(mean.n),
        "difference, points": difference(row.difference),
        "its prediction interval": Value(around, row.low),
        "verdict": word(row.verdict),
        "data": word(f"{row.dataset}, {mean.protocol}"),
        "why": word("; ".join((*row.reasons, *row.conditions, *recipe)) or NOTHING),
    }


def _sized(row: Against, mean: Mean) -> dict[str, Value]:
    return {
        "paper": word(row.value.place),
        "row": word(row.value.row),
        "what": word(metric_words(row.value.metric)),
        "printed": real(row.value.value, 2),
        "ours": real(mean.mean, 2),
        "verdict": word(row.verdict),
        "why": word("; ".join((*row.reasons, *row.conditions)) or NOTHING),
    }


def _absent(row: Against) -> dict[str, Value]:
    return {
        "paper": word(row.value.place),
        "row": word(row.value.row),
        "data set": word(row.dataset),
        "metric": word(metric_words(row.value.metric)),
        "as printed": word(row.value.text),
        "verdict": word(row.verdict),
        "why": word(row.reason),
    }


def _recipes(rows: Sequence[_Measured]) -> Iterator[dict[str, Value]]:
    """How the training of every variant differs from its paper's, and what the paper leaves out."""
    found = {str(row.value.model): row for row, _ in rows if row.deviations or row.unstated}
    for variant, row in found.items():
        yield {
            "variant": word(variant),
            "differs from the paper": word("; ".join(row.deviations) or NOTHING),
            "not stated by the paper": word(", ".join(row.unstated) or NOTHING),
        }


def _charts(study: StudyFiles, rows: Sequence[_Measured]) -> Iterator[Chart]:
    chosen = [
        (row, mean)
        for row, mean in rows
        if (mean.metric, row.value.kind) == (study.metric, "score") and not isnan(mean.mean)
    ][:_DRAWN]
    if not chosen:
        return
    several = len({mean.protocol for _, mean in chosen}) > 1
    estimates = []
    for row, mean in chosen:
        name = f"{row.value.place}  {row.value.row[:34]}"
        if several:
            name += f", {mean.protocol.split('_')[0]}"
        comparable = row.verdict in VERDICTS[:3]
        estimates.append(mean.estimate._replace(name=name, filled=comparable))
    title = f"{study.metric} as printed and as measured here"
    yield forest_chart("papers", title, estimates, [row.value.value for row, _ in chosen])
