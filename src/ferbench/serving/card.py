"""Model cards, in Markdown."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

from ferbench.artifacts.runs import RunRecord

__all__ = ["model_card"]

_USE = (
    "An expression is not an inner state: the model predicts the label that raters would give a "
    "face, not what a person feels. In the European Union the AI Act (Regulation 2024/1689, "
    "article 5) prohibits inferring emotions at work and in education. Use of the model is subject "
    "to the data set's licence."
)


def model_card(
    record: RunRecord,
    val: Mapping[str, float],
    test: Mapping[str, float],
    data: Mapping[str, Any],
    exports: Mapping[str, Mapping[str, float]] | None = None,
) -> str:
    """The card of a model.

    Args:
        record: its `run.json`.
        val: its metrics on val.
        test: its metrics on test, for information; none if they are not at hand.
        data: its data set's report: title, licence, faults.
        exports: by file, `accuracy` on val and `largest_difference` in probability.
    """
    columns = [f"val ({record.val_images} images)", *(["test"] if test else [])]
    lines = [f"| metric | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for metric, value in sorted(val.items()):
        values = [value, *([test.get(metric, math.nan)] if test else [])]
        lines.append(f"| {metric} | {' | '.join(f'{number:.4f}' for number in values)} |")
    numbers = "\n".join(lines)
    text = {key: html.escape(str(data[key]), quote=False) for key in ("title", "licence", "faults")}
    colour = "grey" if record.channels == 1 else "RGB"
    return f"""# {record.variant} on {record.name}

One run: study `{record.study}`, protocol `{record.protocol}`, seed {record.seed}, epoch
{record.best_epoch + 1} of {record.epochs}, commit `{record.commit}`, {record.hardware["cpu"]},
{record.precision}. Selected on val; metrics on test were not used for selection.

{numbers}

Input: pictures of any size; the model prepares them as in evaluation (its network takes
{record.channels} x {record.input_px} x {record.input_px}, {colour}). Output: faces with box,
emotion and probabilities. Classes: {", ".join(record.classes)}.
{_exported(exports or {})}
Data: {text["title"]}. Licence: {text["licence"]} Known faults: {text["faults"]}

{_USE}
"""


def _exported(exports: Mapping[str, Mapping[str, float]]) -> str:
    if not exports:
        return ""
    lines = [
        "",
        "| exported network | accuracy on val | largest difference in probability |",
        "|---|---:|---:|",
    ]
    for name, found in exports.items():
        lines.append(f"| {name} | {found['accuracy']:.4f} | {found['largest_difference']:.2g} |")
    return "\n".join(lines) + "\n"
