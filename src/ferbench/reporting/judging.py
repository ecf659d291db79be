"""The verdict on a printed value as if network, recipe and data were the paper's own.

Whether they are is `ferbench.reporting.papers`' question. Here is which rule of
`ferbench.stats.single_values` applies to a value, and the variance of both samples of test faces.
"""

from __future__ import annotations

import math
from dataclasses import replace

from ferbench.config.deviations import UNSTATED
from ferbench.reporting.measured import support
from ferbench.reporting.printed import PrintedValue
from ferbench.reporting.study_files import Mean, StudyFiles
from ferbench.stats.evidence import EvidencePart
from ferbench.stats.primary import PrimaryEstimate, primary_score
from ferbench.stats.single_values import (
    SingleVerdict,
    exact_verdict,
    printed_test_variance,
    single_value_verdict,
    spread_verdict,
    two_sample_verdict,
)

__all__ = ["Judged", "judge", "stated_split"]

_SAME_IMAGES = "official"  # under it, our test images are the paper's own
# Ours, with the primary interval where there is one; the verdict; and what it assumes.
Judged = tuple[Mean, SingleVerdict, tuple[str, ...]]


def judge(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> Judged:
    """Judge a printed value by what the study measured of it.

    Args:
        value: the printed value.
        study: its files.
        key: data set row.
        mean: our counterpart.
    """
    if value.kind in ("size", "cost", "count"):
        return mean, exact_verdict(value.value, mean.mean, value.half_unit), ()
    if value.kind == "spread":
        unknown = () if value.runs else ("the paper does not say over how many runs",)
        found = spread_verdict(value.value, value.runs, mean.values, value.half_unit)
        return mean, found, unknown
    if math.isnan(mean.mean):
        return mean, SingleVerdict("not measured"), ("not defined: a class has no faces",)
    if value.std is not None and value.runs:
        about = value.value, value.std, value.runs
        found = two_sample_verdict(*about, mean.values, value.half_unit)
        return mean, found, ("two-sample test, from the printed mean, deviation and runs",)
    return _judge_score(value, study, key, mean)


def stated_split(value: PrintedValue, study: StudyFiles, key: str) -> str | None:
    """The protocol that a value's paper states for a data set; None if it states none.

    It is in the `paper` block of the recipe; under another paper's recipe nothing is known.

    Args:
        value: the printed value, of a model of the study.
        study: its files.
        key: data set row.
    """
    paper = study.params.recipe_of(str(value.model)).paper
    if paper.get("name") != value.paper.lower():
        return None
    about = paper.get("data", {}).get(study.params.datasets[key].tested_on, {})
    split = about.get("split", UNSTATED)
    return None if split == UNSTATED else str(split)


def _judge_score(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> Judged:
    """By the prediction interval of one new run on a new test sample."""
    notes = () if value.std is None else ("printed with a deviation, but no number of runs",)
    if mean.n < 2:
        return mean, SingleVerdict("undecided"), (*notes, "one seed has no interval")
    part = study.evidence_on(key)
    known = _test_variance(study, key, part, mean) if part else None
    about = value.value, mean.values
    if part is None or known is None:
        found = single_value_verdict(*about, math.nan, math.nan, value.half_unit)
        return mean, found, (*notes, "the variance of the test faces is not known")
    theirs, more = _paper_variance(value, study, key, (mean, known, part))
    found = single_value_verdict(
        *about,
        known.v_test,
        theirs,
        value.half_unit,
        clusters=known.clusters,
        test_share=(part.test_share or 0.0) if part.redrawn else 0.0,
    )
    if not math.isnan(known.low):
        mean = replace(mean, low=known.low, high=known.high)
    return mean, found, (*notes, *more)


def _test_variance(
    study: StudyFiles, key: str, part: EvidencePart, mean: Mean
) -> PrimaryEstimate | None:
    """The primary estimate of a score with the variance due to its faces; None if not known.

    Shares that are not in it themselves, such as confusions and scores on altered test images or
    train, have the design effect of the accuracy, or recall, of the test faces, and no interval.
    """
    if mean.subset == "test" and (found := _primary(part, mean.metric, mean.variant)):
        return found
    name, *emotions = mean.metric.split(":")
    like = {"accuracy": "accuracy", "recall": mean.metric, "face_detection": "accuracy"}
    if name == "confused":
        like["confused"] = f"recall:{emotions[0]}"
    base = _primary(part, like[name], mean.variant) if name in like else None
    if base is None or base.faces < 1 or base.clusters < 2:
        return None
    faces = support(study, key, mean, emotions[0] if emotions else "") or base.faces
    independent = base.estimate * (1 - base.estimate) / base.faces
    effect = base.v_test / independent if independent > 0 else 1.0
    v_test = _floor(mean.mean, mean.mean * (1 - mean.mean) / faces * effect, base.clusters)
    return replace(
        base, estimate=mean.mean, low=math.nan, high=math.nan, v_test=v_test, faces=faces
    )


def _primary(part: EvidencePart, metric: str, variant: str) -> PrimaryEstimate | None:
    """A primary estimate whose variance of the faces is known and not 0."""
    found = primary_score(part, metric, variant)
    if found is None or math.isnan(found.v_test):
        return None
    return replace(found, v_test=_floor(found.estimate, found.v_test, found.clusters))


def _floor(share: float, v_test: float, clusters: int) -> float:
    """The variance, or where all faces are right or all wrong, that of a share with four more.

    Two right and two wrong clusters are added: Agresti and Coull, "Approximate is better than exact
    for interval estimation of binomial proportions", The American Statistician 52(2), 1998.
    """
    if v_test > 0 or clusters < 1:
        return v_test
    near = (share * clusters + 2) / (clusters + 4)
    return near * (1 - near) / (clusters + 4)


def _paper_variance(
    value: PrintedValue,
    study: StudyFiles,
    key: str,
    ours: tuple[Mean, PrimaryEstimate, EvidencePart],
) -> tuple[float, tuple[str, ...]]:
    """V_test of the printed value, and what is assumed about its test images."""
    (mean, known, part), row = ours, study.params.datasets[key]
    if stated_split(value, study, key) == row.protocol == _SAME_IMAGES:
        return 0.0, ("the test images are the paper's own",)
    whole = _primary(part, "accuracy", mean.variant)
    if value.test_images is None or whole is None or value.subset != "test":
        unknown = "the paper does not say how many images it measured, taken as many as here"
        return known.v_test, (unknown,)
    # Of one class, the paper's faces are taken to be as large a part of its test images as of ours.
    part_of_test = known.faces / whole.faces if ":" in mean.metric else 1.0
    share = min(max(value.value, 0.0), 1.0)
    images = value.test_images * part_of_test
    found = printed_test_variance(share, images, known.estimate, known.v_test, known.faces)
    return found, ()
