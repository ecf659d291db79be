"""What a variant costs: size, arithmetic, time; and which scores no cheaper variant reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ferbench.reporting.blocks import Table, Value, number, word
from ferbench.reporting.drawing import ACCENT, INK, MUTED, SURFACE, WARM, Chart, bare, draw_chart
from ferbench.reporting.figures import PER_CENT
from ferbench.reporting.numbers import NOTHING, count, decimal
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import at

__all__ = ["Point", "cost_charts", "cost_table", "front", "latency_notes", "latency_table"]


class Point(NamedTuple):
    """A variant with its cost and its score."""

    variant: str
    cost: float
    score: float


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats in one of cost and score and equals in the other.

    >>> [p.variant for p in front([Point("a", 1, 0.5), Point("b", 2, 0.4), Point("c", 3, 0.6)])]
    ['a', 'c']
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.score)):
        if not kept or point.score > kept[-1].score:
            kept.append(point)
    return kept


def cost_charts(files: StudyFiles) -> tuple[Chart, ...]:
    """Score over size, and over time where it was measured, of every data set row."""
    charts = []
    for key in files.params.datasets:
        name, protocol = files.place(key)
        means = at(files.means, (name, protocol), files.params.compare.metrics[0])
        title = f"{means[0].metric} on {name} under {protocol} over"
        sizes = {v: about["params_deployed"] / 1e6 for v, about in files.descriptions.items()}
        kinds = [("", "deployed parameters", "millions of deployed parameters", sizes)]
        for how, timed in files.latency.items():
            times = {v: about["forward_ms"] for v, about in timed.items() if "forward_ms" in about}
            axis = f"forward milliseconds an image ({how})"
            kinds.append((f"_{how}", f"time an image ({how})", axis, times))
        for suffix, words, axis, costs in kinds:
            points = [
                Point(m.variant, costs[m.variant], m.mean) for m in means if m.variant in costs
            ]
            if points:
                charts.append(pareto_chart(f"cost_{key}{suffix}", f"{title} {words}", points, axis))
    return tuple(charts)


def pareto_chart(name: str, title: str, points: Sequence[Point], axis: str) -> Chart:
    """Score over cost; the front is filled and joined.

    Args:
        name: of the file.
        title: what it shows.
        points: variants.
        axis: what the cost is.
    """
    size = (6.2, max(3.2, 0.9 + 0.22 * len(points)))
    return draw_chart(name, title, size, partial(_pareto, points=points, axis=axis))


def _pareto(figure: Figure, points: Sequence[Point], axis: str) -> None:
    axes = figure.subplots()
    bare(axes, "both")
    best = front(points)
    steps = [(p.cost, p.score) for p in best]
    axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color=WARM, lw=1.4, alpha=0.8)
    ordered = sorted(points, key=lambda p: p.score)
    span = max(ordered[-1].score - ordered[0].score, 0.05)
    line = span * 0.2 / (figure.get_figheight() - 0.8)  # the height of a label, in data units
    last = -1.0
    for point in ordered:
        ahead = point in best
        face, edge = (WARM, SURFACE) if ahead else (SURFACE, ACCENT)
        axes.plot(point.cost, point.score, "o", ms=8 if ahead else 7, mfc=face, mec=edge, mew=1.4)
        last = max(point.score, last + line)  # labels keep a line's distance
        axes.annotate(
            point.variant,
            (point.cost, last),
            xytext=(9, 7 if ahead else 0),  # the front runs to the right of its points
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK if ahead else MUTED,
        )
    axes.set_ylim(ordered[0].score - 0.1 * span, last + 0.1 * span)
    axes.margins(x=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(PER_CENT)
    axes.set_xlabel(f"{axis}; filled: no cheaper variant is better")
    axes.set_ylabel("per cent")


def cost_table(files: StudyFiles) -> Table:
    """Size, arithmetic and training time of every variant."""
    rows = []
    for name, about in files.descriptions.items():
        runs = [run for run in files.runs if run["variant"] == name]
        seconds = sum(run["train_seconds"] for run in runs) / len(runs)
        rows.append(
            {
                "variant": word(name),
                "paper": word(str(about["paper"]).upper()),
                "parameters, training": Value(count(about["params_train"]), about["params_train"]),
                "parameters, deployed": Value(
                    count(about["params_deployed"]), about["params_deployed"]
                ),
                "GFLOPs": Value(decimal(about["gflops"], 2), about["gflops"]),
                "input, px": number(about["input_px"]),
                "training, s a run": Value(decimal(seconds, 0), round(seconds, 1)),
            }
        )
    return Table("cost", tuple(rows), title="size and training")


def latency_table(files: StudyFiles) -> Table:
    """Milliseconds an image and images a second, by variant and by how they were taken."""
    rows = [
        {
            "variant": word(variant),
            "how": word(how),
            "forward, ms": _milliseconds(about, "forward_ms"),
            "lowest to highest": _bounds(about),
            "end to end, ms": _milliseconds(about, "end_to_end_ms"),
            "forward, FPS": _frames(about, "fps_forward"),
            "end to end, FPS": _frames(about, "fps_end_to_end"),
        }
        for how, timed in files.latency.items()
        for variant, about in timed.items()
    ]
    return Table("latency", tuple(rows), title="time an image")


def _milliseconds(about: Mapping[str, Any], key: str) -> Value:
    return _measured(about.get(key), 2)


def _frames(about: Mapping[str, Any], key: str) -> Value:
    return _measured(about.get(key), 0)


def _measured(value: float | None, digits: int) -> Value:
    if value is None:
        return Value(NOTHING, float("nan"))
    return Value(decimal(value, digits), float(value))


def _bounds(about: Mapping[str, Any]) -> Value:
    low, high = about.get("forward_ms_low"), about.get("forward_ms_high")
    if low is None or high is None:
        return Value(NOTHING, float("nan"))
    return Value(f"{decimal(low, 2)} to {decimal(high, 2)}", float(low))


def latency_notes(files: StudyFiles) -> tuple[str, ...]:
    """How times were taken: a sentence a row of `latency`, then what was not measured."""
    notes = []
    for how, timed in files.latency.items():
        first = next(iter(timed.values()))
        hardware = first["hardware"]
        name = hardware["name"]
        if "driver" in hardware:
            name += f" (driver {hardware['driver']}, CUDA {hardware['cuda']})"
        notes.append(
            f"{how}: {first['device']} {name}, {count(first['threads'])} "
            f"thread{'' if first['threads'] == 1 else 's'}, batch {first['batch']}, "
            f"{first['precision']}; {first['protocol']}."
        )
        notes += [f"{how}, {v}: {a['skipped']}." for v, a in timed.items() if "skipped" in a]
    return tuple(notes)
