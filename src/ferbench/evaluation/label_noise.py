"""How many labels of a data set are wrong, as the networks that were tested on it see it.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, 2021, arXiv:1911.00068; library cleanlab, `prune_by_noise_rate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.predictions import arrays, classes_of
from ferbench.config.params import Params
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.evaluation.finished_runs import SUBSETS, Finished

__all__ = ["Noise", "estimate_label_noise", "study_noise"]

METHOD = "confident learning, prune by noise rate, on the mean probability of all models"
# Thresholds are means over a class; of fewer images they are chance.
MIN_PER_CLASS = 5
_COLUMNS = ("image_id", "given", "suggested", "self_confidence")


def estimate_label_noise(answers: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Labels that contradict what the models answer together.

    It assumes that no model was trained on these images, that noise depends on the class and not on
    the picture, and that the models are right more often than not within each class. The share
    is an estimate of label errors as seen by these models. Models that learnt from equally noisy
    labels share their bias: an error that annotators make consistently is learnt and not found, and
    a face that is merely hard may be called an error.

    A model that missed an image has no say on it. Classes without a label are left out, and each
    image's other probabilities scaled to sum to 1.

    Args:
        answers: `predictions.parquet` of every model on the same labelled faces, (N, 2 + classes).

    Returns:
        The issues (image_id, given, suggested, self_confidence, which is the models' mean
        probability of the given label), least confident first; and n (images judged), issues,
        share (both null where nothing can be said, with a `reason`), method, models, missed (images
        that no model answered for), and accuracy of the mean answer, the estimate's own warrant.

    Raises:
        InputError: two models have different classes, or different labels of one image.
    """
    if not answers:
        return _nothing("no model has answered", models=0, missed=0)
    table, missed = _mean(answers)
    about = {"models": len(answers), "missed": missed}
    counts = table["target"].value_counts()
    if len(counts) < 2:
        return _nothing("labels of two classes are needed", n=len(table), **about)
    if counts.min() < MIN_PER_CLASS:
        rare = min(in_order(counts.index), key=lambda word: counts[word])
        reason = f"{rare} has {counts[rare]} answered images, {MIN_PER_CLASS} are needed"
        return _nothing(reason, n=len(table), **about)
    issues, accuracy = _issues(table)
    return issues, {
        "n": len(table),
        "issues": len(issues),
        "share": len(issues) / len(table),
        "method": METHOD,
        **about,
        "accuracy": accuracy,
    }


def _nothing(reason: str, *, n: int = 0, **about: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    empty = pd.DataFrame({name: [] for name in _COLUMNS})
    found = {"n": n, "issues": None, "share": None, "method": METHOD, **about, "reason": reason}
    return empty, found


def _mean(answers: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Mean answer by image, over the labelled classes; and how many images nobody answered for."""
    classes = classes_of(answers[0])
    if any(classes_of(other) != classes for other in answers):
        raise InputError("models have different classes", remedy="give answers on one data set")
    every = pd.concat(answers, ignore_index=True)
    target = every.groupby("image_id")["target"]
    if bool((target.nunique() > 1).any()):
        raise InputError(
            "an image has two labels", where="predictions", remedy="give answers on one split"
        )
    answered = every[every[classes].sum(axis=1) > 0]
    labels = answered.groupby("image_id")["target"].first()
    present = in_order(labels)
    mean = answered.groupby("image_id")[present].mean()
    total = mean.sum(axis=1)
    # An answer that names none of the labelled classes is as good as a miss.
    mean = mean[total > 0].div(total[total > 0], axis=0)
    table = mean.assign(target=labels).reset_index()
    return table[["image_id", "target", *present]], every["image_id"].nunique() - len(table)


def _issues(table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """The doubted images, and how often the most probable class is the given one."""
    prob, target = arrays(table)
    confidence: NDArray[np.float64] = prob[np.arange(len(target)), target]
    classes = np.array(classes_of(table))
    # The import takes seconds.
    from cleanlab.filter import find_label_issues

    doubted = find_label_issues(target, prob, filter_by="prune_by_noise_rate", n_jobs=1)
    issues = pd.DataFrame(
        {
            "image_id": table["image_id"],
            "given": table["target"],
            "suggested": classes[prob.argmax(axis=1)],
            "self_confidence": confidence,
        }
    )
    doubtful = issues[doubted].sort_values(["self_confidence", "image_id"], ignore_index=True)
    return doubtful, float((prob.argmax(axis=1) == target).mean())


# MERGED from ferbench.evaluation.label_noise:
# What a study's answers say of the labels they are measured with.


_PLACE = ("dataset", "protocol", "subset")
_ISSUE = ("image_id", "given", "suggested", "self_confidence")


@dataclass(frozen=True)
class Noise:
    """Labels that the networks of a study doubt.

    Args:
        issues: dataset, protocol, subset, image_id (of the face), given, suggested,
            self_confidence.
        summary: by data-set key and subset, what `estimate_label_noise` says.
    """

    issues: pd.DataFrame
    summary: dict[str, Any]


def study_noise(params: Params, cells: Sequence[Finished]) -> Noise:
    """Judge the labels of val and test of every data set by all its cells together.

    Where every seed has a split of its own, the cells have no faces in common and say nothing.

    Args:
        params: the active study.
        cells: all its cells.
    """
    tables = [pd.DataFrame({name: [] for name in (*_PLACE, *_ISSUE)})]
    summary: dict[str, Any] = {}
    for key, row in params.datasets.items():
        if row.resplit:
            continue
        own = [finished for finished in cells if finished.cell.dataset == key]
        for subset in SUBSETS:
            issues, about = estimate_label_noise([one.answers(subset)[0] for one in own])
            place = {"dataset": row.name, "protocol": row.protocol, "subset": subset}
            tables.append(issues.assign(**place)[[*_PLACE, *_ISSUE]])
            summary.setdefault(key, {})[subset] = about
    found = [table for table in tables if len(table)] or tables[:1]
    return Noise(pd.concat(found, ignore_index=True), summary)
