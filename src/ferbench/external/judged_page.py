"""The page of a judgement: one HTML file that can be attached to a paper and opened offline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ferbench.artifacts.baselines import BASELINE_NAMES
from ferbench.files import digest
from ferbench.reporting.blocks import (
    Block,
    Table,
    Value,
    difference,
    number,
    probability,
    real,
    share,
    word,
)
from ferbench.reporting.charts import Chart, Estimate, confusion_chart, leaderboard_chart
from ferbench.reporting.numbers import count, interval, listed, metric_words, percent, points
from ferbench.reporting.rendering import render

__all__ = ["judged_page", "summary_words"]

_NAN = float("nan")
_MOST_ROWS = 12  # of the printed values that are shown unasked
_NOT_SHARES = ("kappa", "brier", "nll")


def summary_words(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The four answers of a judgement: score, naive baselines, leaks, differences.

    Args:
        report: as `ferbench.external.judge.judge` gives it.
    """
    answers = [("Accuracy on test", " ".join(_scores(report)))]
    answers.append(("Better than the naive baselines", _baselines(report)))
    answers.append(("Leaked test images", _leaks(report)))
    if report["comparisons"]:
        answers.append(("Differences", " ".join(_differences(report))))
    return answers


def judged_page(report: Mapping[str, Any]) -> str:
    """The page of a judgement.

    Args:
        report: as `ferbench.external.judge.judge` gives it.
    """
    test = report["test"]
    blocks = [_verdict(report), *(_model(name, of) for name, of in report["models"].items())]
    optional = (_comparisons(report), _rivals(report), _papers(report))
    return render(
        "alone.html",
        {
            "title": f"Predictions on {report['dataset']}, judged",
            "facts": [
                ("protocol", report["protocol"]),
                ("models", len(report["models"])),
                ("runs", sum(len(of["seeds"]) for of in report["models"].values())),
                ("test faces", count(test["faces"])),
            ],
            "blocks": [*blocks, *(block for block in optional if block), _files(report)],
            "footer": f"Made by ferbench {report['ferbench']} (ferbench judge). "
            "Files hold fractions; per cent is for reading.",
        },
    )


def _accuracy(of: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = of["metrics"]["accuracy"]
    return found


def _scores(report: Mapping[str, Any]) -> Iterator[str]:
    for name, of in report["models"].items():
        score = _accuracy(of)
        bounds = interval(_nan(score["low"]), _nan(score["high"]))
        yield f"{name}: {percent(score['value'])} % (95 % interval {bounds}; {score['basis']})."
        if score["seeds"] == 1:
            yield "Other trainings of it are unknown."


def _baselines(report: Mapping[str, Any]) -> str:
    if not report["baselines"]:
        return "Not known: the baselines of this data set were not measured here."
    key, height = max(report["baselines"].items(), key=lambda item: item[1])
    parts = [f"The best is {percent(height)} % ({BASELINE_NAMES[key]})."]
    words = {
        "yes": "above it with the whole interval",
        "on average": "above it on average only",
        "no": "not above it",
    }
    for verdict, text in words.items():
        names = [name for name, of in report["above_baselines"].items() if of == verdict]
        if names:
            parts.append(f"{listed(names)}: {text}.")
    return " ".join(parts)


def _leaks(report: Mapping[str, Any]) -> str:
    test = report["test"]
    if test["leaked_faces"] is None:
        return "Not known for this split."
    text = (
        f"{count(test['leaked_faces'])} of {count(test['faces'])} test faces have an equal image, "
        "a near copy, their person or their sequence in train."
    )
    for name, of in report["models"].items():
        parts = [of["parts"][part].get("accuracy") for part in ("clean", "leaked")]
        if all(parts):
            clean, leaked = (part["value"] for part in parts)
            text += f" {name}: {percent(clean)} % without them, {percent(leaked)} % on them."
    return text


def _differences(report: Mapping[str, Any]) -> Iterator[str]:
    decided = [r for r in report["comparisons"] if r["verdict"] and r["metric"] == "accuracy"]
    for row in decided:
        bounds = f"{points(_nan(row['low']))} to {points(_nan(row['high']))}"
        text = (
            f"{row['b']} − {row['a']}: {points(row['estimate'])} points ({bounds}; {row['basis']})"
        )
        yield f"{text}: {_decision(row)}."
    if not decided:
        yield "None could be tested."


def _decision(row: Mapping[str, Any]) -> str:
    """A verdict by the names of the models."""
    names = {f"{side} is higher": f"{row[side]} is higher" for side in ("a", "b")}
    return names.get(row["verdict"], str(row["verdict"]))


def _verdict(report: Mapping[str, Any]) -> Block:
    rows = []
    for name, of in report["models"].items():
        score = _accuracy(of)
        low, high = _nan(score["low"]), _nan(score["high"])
        # A dollar sign would begin a formula of matplotlib.
        rows.append(Estimate(name.replace("$", r"\$"), score["value"], low, high))
    baselines = {BASELINE_NAMES[key]: value for key, value in report["baselines"].items()}
    title = f"accuracy of every model on {report['dataset']}"
    return Block(
        "Verdict",
        tags=(report["dataset"], report["protocol"]),
        answers=summary_words(report),
        charts=(leaderboard_chart("judged", title, rows, baselines),),
        note="Intervals are about other trainings and other test faces as far as several seeds "
        "were given; with one run, about other test faces alone. A test image is leaked if train, "
        "as the data set's authors released it or as the protocol draws it, holds an equal image, "
        f"a near copy, its person or its sequence. Data: {report['origin']}.",
    )


def _model(name: str, of: Mapping[str, Any]) -> Block:
    metrics = [
        {
            "metric": word(
                metric_words(metric)
                + ("" if metric in _NOT_SHARES else " %")
                + (" ↓" if one["lower_is_better"] else "")
            ),
            "test": _score(metric, one["value"]),
            "95 % interval": Value(_interval(metric, one), _nan(one["low"])),
            "std over seeds": _score(metric, one["std"]),
        }
        for metric, one in of["metrics"].items()
    ]
    recall = [
        {
            "class": word(emotion),
            "recall %": share(one["value"]),
            "95 % interval": Value(_interval("recall", one), _nan(one["low"])),
        }
        for emotion, one in of["recall"].items()
    ]
    return Block(
        name,
        tags=(f"{len(of['seeds'])} seed{'s' * (len(of['seeds']) > 1)}",),
        panels=(_confusions(name, of["confusion"]),),
        tables=(
            Table("", metrics, title="metrics"),
            Table("", _parts(of["parts"]), title="clean and leaked part of test"),
            Table("", recall, title="recall of each class"),
        ),
        note="↓: lower is better.",
    )


def _confusions(name: str, of: Mapping[str, Any]) -> Chart:
    counts = pd.DataFrame(of["counts"], of["targets"], of["predicted"]).astype(float)
    total = counts.sum(axis=1)
    table = counts.div(total.where(total > 0, np.nan), axis=0)
    if not counts.iloc[:, -1].any():
        table = table.iloc[:, :-1]
    # Ids of a page's charts begin with their names.
    identity = digest(name)[:12]
    return confusion_chart(f"confusion_{identity}", "confusions, per cent of each class", table)


def _parts(parts: Mapping[str, Any] | None) -> list[dict[str, Value]]:
    return [
        {
            "part of test": word(name),
            "faces": number(of["faces"]),
            "accuracy %": share(of["accuracy"]["value"] if "accuracy" in of else None),
            "95 % interval": word(
                _interval("accuracy", of["accuracy"]) if "accuracy" in of else ""
            ),
            "macro F1 %": share(of["f1_macro"]["value"] if "f1_macro" in of else None),
        }
        for name, of in (parts or {}).items()
    ]


def _comparisons(report: Mapping[str, Any]) -> Block | None:
    rows = [
        {
            "A": word(row["a"]),
            "B": word(row["b"]),
            "metric": word(metric_words(row["metric"])),
            "test": word(row["test"].replace("_", " ")),
            "n": number(row["n"]),
            "B − A, points": difference(_nan(row["estimate"])),
            "95 % interval": word(_points(row)),
            "p": probability(_nan(row["p_value"])),
            "p corrected": probability(_nan(row["p_corrected"])),
            "samples": word(row["basis"]),
            "decides": word(_decision(row)),
        }
        for row in report["comparisons"]
    ]
    if not rows:
        return None
    return Block(
        "Comparisons",
        tables=(Table("", rows, title="tests of pairs"),),
        note="Holm's correction is over all pairs of a metric and test. The primary test decides; "
        "where a model has one seed, the bootstrap of test faces, which says nothing about other "
        "trainings. McNemar's test takes one run of each: the first seed, or of a ferbench run the "
        "best on val. Runs are paired in the order of their seeds.",
    )


def _points(row: Mapping[str, Any]) -> str:
    low, high = _nan(row["low"]), _nan(row["high"])
    return "–" if np.isnan(low) else f"{points(low)} to {points(high)}"


def _rivals(report: Mapping[str, Any]) -> Block | None:
    rows = [
        {
            "run": word(one["name"]),
            "accuracy %": share(one.get("value")),
            "95 % interval": word(_interval("accuracy", one) if "value" in one else "–"),
            "seeds": number(one.get("seeds")),
            "compared": word("yes" if one["paired"] else "no predictions here"),
        }
        for one in report["rivals"]
    ]
    notes = report["rivals_left_out"]
    if not rows and not notes:
        return None
    return Block(
        "Runs of ferbench on the same test part",
        tables=(Table("", rows, title="runs of ferbench"),),
        note=f"Not compared: {'; '.join(notes)}." if notes else "",
    )


def _papers(report: Mapping[str, Any]) -> Block | None:
    rows = [
        {
            "model": word(row["model"]),
            "paper": word(f"{row['paper']}-{row['table']}"),
            "row": word(row["row"]),
            "metric": word(metric_words(row["metric"])),
            "printed %": _score(row["metric"], row["printed"]),
            "this model %": _score(row["metric"], row["value"]),
            "difference, points": difference(_nan(row["difference"])),
            "95 % interval": word(_points(row)),
            "this model is": word(row["verdict"]),
        }
        for row in report["papers"]
    ]
    if not rows:
        return None
    return Block(
        "What papers print on this data set",
        words=(
            "A printed value is one run, on test images and with a protocol of the paper's own, so "
            "a difference is no proof that a model is better. The interval is of one new run of "
            "this model minus the printed one.",
        ),
        tables=(Table("", rows, folded=len(rows) > _MOST_ROWS, title="printed values"),),
    )


def _files(report: Mapping[str, Any]) -> Block:
    rows = [
        {
            "file": word(one["path"]),
            "model and seed": word(
                ", ".join(f"{run['model']} {run['seed']}" for run in one["runs"])
            ),
            "rows": number(one["rows"]),
            "not used": word(_unused(one["unused"])),
            "missed faces": number(one["missed"]),
        }
        for one in report["files"]
    ]
    return Block("Files", tables=(Table("", rows, title="files"),))


def _unused(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count(rows)} {reason}" for reason, rows in reasons.items()) or "none"


def _score(metric: str, value: float | None) -> Value:
    return real(value, 3) if metric in _NOT_SHARES else share(value)


def _interval(metric: str, one: Mapping[str, Any]) -> str:
    low, high = _nan(one["low"]), _nan(one["high"])
    if metric not in _NOT_SHARES or np.isnan(low):
        return interval(low, high)
    return f"{low:.3f} to {high:.3f}".replace("-", "−")


def _nan(value: float | None) -> float:
    return _NAN if value is None else value
