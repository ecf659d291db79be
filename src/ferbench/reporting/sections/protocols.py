"""The same models on one data set under several protocols."""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.reporting.blocks import Block, Table, difference, share, word
from ferbench.reporting.charts import protocol_chart
from ferbench.reporting.numbers import interval, percent
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]

_BASELINE = "naive baseline: "


def build(study: StudyFiles) -> Block | None:
    """A card for every data set that the study splits in more than one way."""
    keys: dict[str, list[str]] = {}
    for key, row in study.params.datasets.items():
        keys.setdefault(row.name, []).append(key)
    cards = [_card(study, name, rows) for name, rows in keys.items() if len(rows) > 1]
    return Block("Protocols side by side", parts=cards) if cards else None


def _card(study: StudyFiles, name: str, keys: Sequence[str]) -> Block:
    scores, protocols = _scores(study, keys), [study.place(key)[1] for key in keys]
    baselines = [row for row in scores if row.startswith(_BASELINE)]
    gaps = {row: max(of.values()) - min(of.values()) for row, of in scores.items()}
    widest = max((row for row in scores if row not in baselines), key=lambda row: gaps[row])
    lowest = min(scores[widest], key=lambda protocol: scores[widest][protocol])
    highest = max(scores[widest], key=lambda protocol: scores[widest][protocol])
    rows = []
    for row, values in scores.items():
        cells = {"variant": word(row)}
        for key, protocol in zip(keys, protocols, strict=True):
            mean = study.on("test", key, study.metric).get(row)
            cells[f"{protocol} %"] = share(values[protocol])
            bounds = interval(mean.low, mean.high) if mean else ""
            cells[f"{protocol}, 95 % interval"] = word(bounds)
        rows.append({**cells, "span, points": difference(gaps[row])})
    title = f"{study.metric} on {name} by protocol: the same models, the same images"
    return Block(
        title=f"{name} under {' and '.join(protocols)}",
        words=(
            f"{name} is split in {len(keys)} ways. {widest} differs most: {percent(gaps[widest])} "
            f"points of {study.metric} between {lowest} and {highest}. Where the naive baselines "
            "change as the models do, the split and not the model makes the difference.",
        ),
        charts=(protocol_chart(f"protocols_{name}", title, scores, protocols, baselines),),
        tables=(Table(f"protocols_{name}", rows, notes=len(baselines), title="by protocol"),),
    )


def _scores(study: StudyFiles, keys: Sequence[str]) -> dict[str, dict[str, float]]:
    """By variant or naive baseline, then protocol; rows that all protocols have."""
    found: dict[str, dict[str, float]] = {}
    for key in keys:
        for variant, mean in study.on("test", key, study.metric).items():
            found.setdefault(variant, {})[mean.protocol] = mean.mean
    for key in keys:
        for name, value in study.naive_baselines(key).items():
            found.setdefault(_BASELINE + name, {})[study.place(key)[1]] = value
    return {row: values for row, values in found.items() if len(values) == len(keys)}
