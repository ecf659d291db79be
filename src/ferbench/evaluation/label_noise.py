"""How many labels of a data set are wrong, as estimated from the networks that were tested on it.

Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
JAIR 70, 2021, arXiv:1911.00068; library cleanlab, `prune_by_noise_rate`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ferbench.artifacts.predictions import FACE_KEY, arrays, classes_of
from ferbench.config.params import Params
from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = ["Noise", "estimate_label_noise", "study_noise"]

METHOD = "confident learning, prune by noise rate, on the mean probability of all models"
# Thresholds are means over a class; of fewer images they are chance.
MIN_PER_CLASS = 5
_ISSUE = [*FACE_KEY, "given", "suggested", "self_confidence"]
_PLACE = ["dataset", "protocol", "subset"]


@dataclass(frozen=True)
class Noise:
    """Labels that the networks of a study contradict.

    Args:
        issues: dataset, protocol, subset, image_id, face, given, suggested, self_confidence.
        summary: by data-set key and subset, the second result of `estimate_label_noise`.
    """

    issues: pd.DataFrame
    summary: dict[str, Any]


def study_noise(
    params: Params,
    predictions: Mapping[tuple[str, str], Sequence[pd.DataFrame]],
    redrawn: Collection[str] = (),
) -> Noise:
    """Judge the labels of val and test of every data set by all its runs together.

    Where every seed has a split of its own, the runs have no faces in common and nothing is judged.

    Args:
        params: the active study.
        predictions: by data-set key and subset, `predictions.parquet` of all runs.
        redrawn: keys of data sets of which every seed has a split of its own.
    """
    tables: list[pd.DataFrame] = []
    summary: dict[str, Any] = {}
    for (key, subset), own in predictions.items():
        if key in redrawn:
            continue
        row = params.datasets[key]
        issues, about = estimate_label_noise(own)
        place = {"dataset": row.name, "protocol": row.protocol, "subset": subset}
        if len(issues):
            tables.append(issues.assign(**place)[[*_PLACE, *_ISSUE]])
        summary.setdefault(key, {})[subset] = about
    nothing = pd.DataFrame({name: [] for name in (*_PLACE, *_ISSUE)})
    return Noise(pd.concat(tables, ignore_index=True) if tables else nothing, summary)


def estimate_label_noise(
    predictions: Sequence[pd.DataFrame],
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Labels that contradict the models' mean prediction.

    It assumes that no model was trained on these images, that noise depends on the class and not on
    the picture, and that the models are right more often than not within each class. The share
    is an estimate of label errors as seen by these models. Models that learnt from equally noisy
    labels share their bias: an error that annotators make consistently is learnt and not found, and
    a face that is merely hard may be called an error.

    A model that missed a face does not count for it. Classes without a label are left out, and each
    face's other probabilities scaled to sum to 1.

    Args:
        predictions: `predictions.parquet` of every model on the same labelled faces.

    Returns:
        The issues (image_id, face, given, suggested, self_confidence, which is the models' mean
        probability of the given label), least confident first; and n (faces judged), issues, share
        (both null where nothing can be estimated, with a `reason`), method, models, missed (faces
        that no model has a prediction for), and accuracy of the mean prediction, by which the
        estimate is to be judged.

    Raises:
        InputError: two models have different classes, or different labels of one face.
    """
    if not predictions:
        return _nothing("no model has predictions", models=0, missed=0)
    table, missed = _mean(predictions)
    about = {"models": len(predictions), "missed": missed}
    counts = table["target"].value_counts()
    if len(counts) < 2:
        return _nothing("labels of two classes are needed", n=len(table), **about)
    if counts.min() < MIN_PER_CLASS:
        rare = min(in_order(counts.index), key=lambda word: counts[word])
        reason = f"{rare} has {counts[rare]} faces with a prediction, {MIN_PER_CLASS} are needed"
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
    empty = pd.DataFrame({name: [] for name in _ISSUE})
    found = {"n": n, "issues": None, "share": None, "method": METHOD, **about, "reason": reason}
    return empty, found


def _mean(predictions: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """Mean prediction by face, over the labelled classes; and how many faces all models missed."""
    classes = classes_of(predictions[0])
    if any(classes_of(other) != classes for other in predictions):
        raise InputError("models have different classes", remedy="give predictions on one data set")
    every = pd.concat(predictions, ignore_index=True)
    faces = every.groupby(FACE_KEY)["target"].nunique()
    if bool((faces > 1).any()):
        raise InputError(
            "an image has two labels", where="predictions", remedy="give predictions on one split"
        )
    found = every[every[classes].sum(axis=1) > 0]
    labels = found.groupby(FACE_KEY)["target"].first()
    present = in_order(labels)
    mean = found.groupby(FACE_KEY)[present].mean()
    total = mean.sum(axis=1)
    # A prediction of none of the labelled classes is as good as a miss.
    mean = mean[total > 0].div(total[total > 0], axis=0)
    table = mean.assign(target=labels).reset_index()
    return table[[*FACE_KEY, "target", *present]], len(faces) - len(table)


def _issues(table: pd.DataFrame) -> tuple[pd.DataFrame, float]:
    """The contradicted faces, and how often the most probable class is the given one."""
    prob, target = arrays(table)
    # The import takes seconds.
    from cleanlab.filter import find_label_issues

    contradicted = find_label_issues(target, prob, filter_by="prune_by_noise_rate", n_jobs=1)
    issues = table[FACE_KEY].assign(
        given=table["target"],
        suggested=np.array(classes_of(table))[prob.argmax(axis=1)],
        self_confidence=prob[np.arange(len(target)), target],
    )
    order = ["self_confidence", *FACE_KEY]
    found = issues[contradicted].sort_values(order, ignore_index=True)
    return found, float((prob.argmax(axis=1) == target).mean())
