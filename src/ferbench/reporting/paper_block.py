"""Paper against ours as a block of the report: in words, as a chart and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import isnan

from matplotlib.figure import Figure

from ferbench.reporting.blocks import Block, Table, Value, difference, number, share, word
from ferbench.reporting.drawing import ACCENT, INK, MUTED, SURFACE, WARM, Chart, bare, draw_chart
from ferbench.reporting.figures import PER_CENT
from ferbench.reporting.numbers import NOTHING, interval
from ferbench.reporting.papers import VERDICTS, Against
from ferbench.reporting.study_files import StudyFiles

__all__ = ["paper_block", "paper_summary"]

_DRAWN = 30
_RULE = (
    "“Reproduced” says that the printed value lies within our 95 % interval; it is said only where "
    "split and recipe are the paper's own."
)


def paper_summary(files: StudyFiles, rows: Sequence[Against]) -> str:
    """How many printed values were reproduced, in one or two sentences."""
    answers = files.params.study.paper_tables
    head = (
        f"This study answers {', '.join(answers)}."
        if answers
        else "This study answers no paper's table."
    )
    if not rows:
        return (
            f"{head} No model of it was printed with a result on its data, so there is nothing to "
            "hold it against."
        )
    measured = [row for row in rows if row.mean]
    counts = Counter(row.verdict for row in measured)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    return (
        f"{head} Of {len(rows)} printed values of its models, data and tables {len(measured)} were "
        f"measured here: {said}."
    )


def paper_block(files: StudyFiles, rows: Sequence[Against]) -> Block:
    """Every printed value beside ours: those we measured first, the others on demand."""
    ours = sorted((row for row in rows if row.mean), key=lambda row: VERDICTS.index(row.verdict))
    absent = [row for row in rows if not row.mean]
    tables = (
        Table("papers_ours", tuple(map(_cells, ours)), title="measured"),
        _recipes(ours),
        Table("papers_absent", tuple(map(_absent, absent)), folded=True, title="not measured here"),
    )
    return Block(
        title="Paper against ours",
        words=(paper_summary(files, rows), *((_RULE,) if rows else ())),
        charts=_charts(files, ours),
        tables=tuple(table for table in tables if table.rows),
    )


def metric_words(metric: str) -> str:
    """A metric as `PrintedValue` has it, for people.

    >>> metric_words("recall:anger"), metric_words("said:anger:disgust")
    ('recall of anger', 'anger said to be disgust')
    """
    name, *emotions = metric.replace("_", " ").split(":")
    if name == "said":
        return f"{emotions[0]} said to be {emotions[1]}"
    return f"{name} of {emotions[0]}" if emotions else metric


def _cells(row: Against) -> dict[str, Value]:
    mean = row.mean
    assert mean is not None  # only measured rows come here
    recipe = ("the training differs, see below",) if row.deviations else ()
    return {
        "paper": word(f"{row.value.paper}-{row.value.table}"),
        "row": word(row.value.row),
        "metric": word(metric_words(mean.metric)),
        "printed %": share(row.value.value),
        "ours %": share(mean.mean),
        "95 % interval": Value(interval(mean.low, mean.high), mean.low),
        "n": number(mean.n),
        "difference, points": difference(mean.mean - row.value.value),
        "verdict": word(row.verdict),
        "data": word(f"{row.dataset}, {mean.protocol}"),
        "why": word("; ".join((*row.reasons, *recipe)) or NOTHING),
    }


def _recipes(rows: Sequence[Against]) -> Table:
    """What the training of every variant changes of its paper's, and what the paper leaves open."""
    found = {str(row.value.model): row for row in rows if row.deviations or row.unstated}
    cells = [
        {
            "variant": word(variant),
            "differs from the paper": word("; ".join(row.deviations) or NOTHING),
            "not stated by the paper": word(", ".join(row.unstated) or NOTHING),
        }
        for variant, row in found.items()
    ]
    return Table("papers_recipes", tuple(cells), title="network and training")


def _absent(row: Against) -> dict[str, Value]:
    return {
        "paper": word(f"{row.value.paper}-{row.value.table}"),
        "row": word(row.value.row),
        "data set": word(row.dataset),
        "metric": word(metric_words(row.value.metric)),
        "printed %": share(row.value.value),
        "verdict": word(row.verdict),
        "why": word(row.reason),
    }


def _charts(files: StudyFiles, rows: Sequence[Against]) -> tuple[Chart, ...]:
    metric = files.params.compare.metrics[0]
    chosen = [row for row in rows if row.mean and row.mean.metric == metric][:_DRAWN]
    if not chosen:
        return ()
    title = f"{metric} as printed and as measured here"
    size = (6.2, 1.0 + 0.34 * len(chosen))
    return (draw_chart("papers", title, size, partial(_forest, rows=chosen)),)


def _forest(figure: Figure, rows: Sequence[Against]) -> None:
    axes = figure.subplots()
    bare(axes, "x")
    values = [v for row in rows if row.mean for v in (row.value.value, row.mean.mean)]
    span = max(max(values) - min(values), 0.1)
    left, right = min(values) - 0.25 * span, min(max(values) + 0.25 * span, 1.02)
    axes.set_xlim(left, right)
    for y, row in enumerate(rows):
        mean = row.mean
        assert mean is not None  # only measured rows come here
        if not isnan(mean.low):
            low, high = max(mean.low, left), min(mean.high, right)
            axes.plot([low, high], [y, y], color=ACCENT, lw=2.2, alpha=0.5)
        axes.plot(mean.mean, y, "o", ms=8, color=ACCENT, mec=SURFACE, mew=1.2)
        face = WARM if row.verdict != VERDICTS[2] else SURFACE
        axes.plot(row.value.value, y, "D", ms=6.5, mfc=face, mec=WARM, mew=1.4)
    names = [f"{row.value.paper}-{row.value.table}  {row.value.row[:34]}" for row in rows]
    protocols = {row.mean.protocol for row in rows if row.mean}
    if len(protocols) > 1:
        protocols_of = [row.mean.protocol.split("_")[0] for row in rows if row.mean]
        names = [f"{name}, {p}" for name, p in zip(names, protocols_of, strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", labelcolor=INK, pad=6)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.xaxis.set_major_formatter(PER_CENT)
    figure.supxlabel(
        "per cent; dot and line: ours, 95 % interval; diamond: printed, hollow if not comparable",
        fontsize=8.5,
        color=MUTED,
    )
