"""Paper against ours: printed values beside our own, with a verdict each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ferbench.reporting.blocks import Block, Table, Value, difference, number, share, word
from ferbench.reporting.charts import Chart, forest_chart
from ferbench.reporting.numbers import NOTHING, interval
from ferbench.reporting.papers import VERDICTS, Against, against_papers, summary
from ferbench.reporting.study_files import Mean, StudyFiles

__all__ = ["build"]

_DRAWN = 30
_RULE = (
    "“Reproduced” means that the printed value lies within our 95 % interval; it needs the paper's "
    "own split and recipe."
)
# A printed value with what we measured of it.
_Measured = tuple[Against, Mean]


def build(study: StudyFiles) -> Block:
    """Printed values beside ours: those that were measured first, the others on demand."""
    rows = against_papers(study)
    ours = [(row, row.mean) for row in rows if row.mean is not None]
    ours.sort(key=lambda pair: VERDICTS.index(pair[0].verdict))
    absent = [_absent(row) for row in rows if row.mean is None]
    links = [("papers.csv", "All printed values as CSV")] if rows else []
    if study.has_findings:
        links.append(("../index.html#findings", "Findings about the papers themselves"))
    return Block(
        "Paper against ours",
        words=(summary(study), *((_RULE,) if rows else ())),
        charts=[*_charts(study, ours)],
        tables=(
            Table("papers_ours", [_measured(*pair) for pair in ours], title="measured"),
            Table("papers_recipes", [*_recipes(ours)], title="network and training"),
            Table("papers_absent", absent, folded=True, title="not measured here"),
        ),
        links=links,
    )


def _metric(metric: str) -> str:
    """A metric as `PrintedValue` has it, for people.

    >>> _metric("recall:anger"), _metric("confused:anger:disgust")
    ('recall of anger', 'anger predicted as disgust')
    """
    name, *emotions = metric.replace("_", " ").split(":")
    if name == "confused":
        return f"{emotions[0]} predicted as {emotions[1]}"
    return f"{name} of {emotions[0]}" if emotions else metric


def _measured(row: Against, mean: Mean) -> dict[str, Value]:
    recipe = ("the training differs, see below",) if row.deviations else ()
    return {
        "paper": word(f"{row.value.paper}-{row.value.table}"),
        "row": word(row.value.row),
        "metric": word(_metric(mean.metric)),
        "printed %": share(row.value.value),
        "ours %": share(mean.mean),
        "95 % interval": Value(interval(mean.low, mean.high), mean.low),
        "n": number(mean.n),
        "difference, points": difference(mean.mean - row.value.value),
        "verdict": word(row.verdict),
        "data": word(f"{row.dataset}, {mean.protocol}"),
        "why": word("; ".join((*row.reasons, *recipe)) or NOTHING),
    }


def _absent(row: Against) -> dict[str, Value]:
    return {
        "paper": word(f"{row.value.paper}-{row.value.table}"),
        "row": word(row.value.row),
        "data set": word(row.dataset),
        "metric": word(_metric(row.value.metric)),
        "printed %": share(row.value.value),
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
    chosen = [(row, mean) for row, mean in rows if mean.metric == study.metric][:_DRAWN]
    if not chosen:
        return
    several = len({mean.protocol for _, mean in chosen}) > 1
    estimates = []
    for row, mean in chosen:
        name = f"{row.value.paper}-{row.value.table}  {row.value.row[:34]}"
        if several:
            name += f", {mean.protocol.split('_')[0]}"
        comparable = row.verdict != VERDICTS[2]
        estimates.append(mean.estimate._replace(name=name, filled=comparable))
    title = f"{study.metric} as printed and as measured here"
    yield forest_chart("papers", title, estimates, [row.value.value for row, _ in chosen])
