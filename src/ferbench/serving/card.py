"""The card that goes with a registered model."""

from __future__ import annotations

import html
from typing import Any

from ferbench.serving.standing import Standing

__all__ = ["model_card"]

_USE = (
    "An expression is not an inner state: the model names what a face looks like to raters, not "
    "what a person feels. In the European Union the AI Act (Regulation 2024/1689, article 5) "
    "forbids inferring emotions at work and in education. The data set's licence binds whoever "
    "uses the model."
)


def model_card(standing: Standing, run: dict[str, Any], data: dict[str, Any]) -> str:
    """Markdown.

    Args:
        standing: the cell and its numbers.
        run: its `run.json`.
        data: its data set's report.
    """
    numbers = "\n".join(
        f"| {metric} | {standing.val[metric]:.4f} | {standing.test.get(metric, float('nan')):.4f} |"
        for metric in sorted(standing.val)
    )
    text = {key: html.escape(str(data[key]), quote=False) for key in ("title", "licence", "faults")}
    return f"""# {run["variant"]} on {run["name"]}

One run: study `{run["study"]}`, protocol `{run["protocol"]}`, seed {run["seed"]}, epoch
{run["best_epoch"] + 1} of {run["epochs"]}, commit `{run["commit"]}`, {run["hardware"]["cpu"]},
{run["precision"]}. Selected on val; the numbers on test were not looked at for it.

| metric | val ({run["val_images"]} images) | test |
|---|---:|---:|
{numbers}

Input: {run["channels"]} x {run["input_px"]} x {run["input_px"]}, fractions in [0, 1].
Classes: {", ".join(run["classes"])}.

Data: {text["title"]}. Licence: {text["licence"]} Known faults: {text["faults"]}

{_USE}
"""
