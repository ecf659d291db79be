"""The same models on one data set under several protocols, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ferbench.reporting.blocks import Block, Table, difference, share, word
from ferbench.reporting.drawing import ACCENT, INK, MUTED, SURFACE, WARM, Chart, bare, draw_chart
from ferbench.reporting.figures import PER_CENT
from ferbench.reporting.numbers import interval, percent
from ferbench.reporting.study_files import StudyFiles

__all__ = ["protocol_blocks"]

_FLOOR = "naive baseline: "


def protocol_blocks(files: StudyFiles) -> list[Block]:
    """A block for every data set that the study splits in more than one way."""
    keys: dict[str, list[str]] = {}
    for key, row in files.params.datasets.items():
        keys.setdefault(row.name, []).append(key)
    return [_block(files, name, several) for name, several in keys.items() if len(several) > 1]


def _block(files: StudyFiles, name: str, keys: Sequence[str]) -> Block:
    metric = files.params.compare.metrics[0]
    scores = _scores(files, keys, metric)
    protocols = [files.place(key)[1] for key in keys]
    title = f"{metric} on {name} by protocol: the same models, the same images"
    learnt = {row: value for row, value in scores.items() if not row.startswith(_FLOOR)}
    gaps = {row: max(values.values()) - min(values.values()) for row, values in learnt.items()}
    widest = max(gaps, key=lambda row: gaps[row])
    words = (
        f"{name} is split in {len(keys)} ways. {widest} differs most: "
        f"{percent(gaps[widest])} points of {metric} between "
        f"{min(scores[widest], key=lambda p: scores[widest][p])} and "
        f"{max(scores[widest], key=lambda p: scores[widest][p])}. Where the floors move with the "
        "models, the split and not the model makes the difference."
    )
    return Block(
        title=f"{name} under {' and '.join(protocols)}",
        words=(words,),
        charts=(_chart(f"protocols_{name}", title, scores, protocols),),
        tables=(_table(files, name, keys, scores),),
    )


def _scores(files: StudyFiles, keys: Sequence[str], metric: str) -> dict[str, dict[str, float]]:
    """By variant or floor, then protocol: what all protocols of the data set have."""
    found: dict[str, dict[str, float]] = {}
    for key in keys:
        protocol = files.place(key)[1]
        for variant, mean in files.on("test", key, metric).items():
            found.setdefault(variant, {})[protocol] = mean.mean
    for key in keys:
        for word_, value in files.naive_baselines(key).items():
            found.setdefault(_FLOOR + word_, {})[files.place(key)[1]] = value
    return {row: values for row, values in found.items() if len(values) == len(keys)}


def _table(
    files: StudyFiles, name: str, keys: Sequence[str], scores: Mapping[str, Mapping[str, float]]
) -> Table:
    metric, rows = files.params.compare.metrics[0], []
    for row, values in scores.items():
        cells = {"variant": word(row)}
        for key in keys:
            protocol = files.place(key)[1]
            mean = files.on("test", key, metric).get(row)
            cells[f"{protocol} %"] = share(values[protocol])
            cells[f"{protocol}, 95 % interval"] = word(
                interval(mean.low, mean.high) if mean else ""
            )
        spread = max(values.values()) - min(values.values())
        rows.append({**cells, "span, points": difference(spread)})
    notes = sum(row.startswith(_FLOOR) for row in scores)
    return Table(f"protocols_{name}", tuple(rows), notes=notes)


def _chart(
    name: str, title: str, scores: Mapping[str, Mapping[str, float]], protocols: Sequence[str]
) -> Chart:
    size = (6.2, 1.0 + 0.36 * len(scores))
    return draw_chart(name, title, size, partial(_dumbbells, scores=scores, protocols=protocols))


def _dumbbells(
    figure: Figure, scores: Mapping[str, Mapping[str, float]], protocols: Sequence[str]
) -> None:
    axes = figure.subplots()
    bare(axes, "x")
    for y, (row, values) in enumerate(scores.items()):
        colour = WARM if row.startswith(_FLOOR) else ACCENT
        axes.plot(list(values.values()), [y] * len(values), color=colour, lw=2, alpha=0.4)
        for number, protocol in enumerate(protocols):
            # The first protocol is filled, the others are rings of growing strength.
            face = colour if number == 0 else SURFACE
            axes.plot(values[protocol], y, "o", ms=8, mfc=face, mec=colour, mew=1.6)
    axes.set_yticks(range(len(scores)), list(scores))
    axes.tick_params(axis="y", labelcolor=INK, pad=6)
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.margins(x=0.06)
    axes.xaxis.set_major_formatter(PER_CENT)
    _legend(axes, protocols)


def _legend(axes: Axes, protocols: Sequence[str]) -> None:
    filled, others = protocols[0], " or ".join(protocols[1:])
    axes.set_xlabel(f"per cent; filled: {filled}, ring: {others}", color=MUTED)
