"""What a study measured of a printed value, whatever its kind.

Scores, confusions, spreads and printed differences come from the tables of stage `score`; sizes and
arithmetic from the descriptions of the variants; times, as ratios between two models, from stage
`latency`; class counts from the facts of a data set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import pandas as pd

from ferbench.reporting.printed import PrintedValue, printed_values
from ferbench.reporting.study_files import Mean, StudyFiles, mean_of

__all__ = [
    "RATIOS",
    "is_fraction",
    "measure",
    "measured",
    "printed_ratio",
    "ratio_base",
    "support",
]

# Our metric where the one of the same name is another quantity: P, R and F1 of a detector are
# printed over its boxes where the mean F1 is best, "mAP" of a classifier over its probabilities.
_EQUIVALENT = {
    "detect": {
        "precision_macro": "precision_box",
        "recall_macro": "recall_box",
        "f1_macro": "f1_box",
    },
    "classify": {"map50": "ap_macro"},
}
# Printed times, and what stage `latency` calls them: of the network alone.
RATIOS = {"fps": "fps_forward", "latency_ms": "forward_ms"}
_PER_SIZE = {"params_m": ("params_deployed", 1e-6), "gflops": ("gflops", 1.0)}


def measure(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    """Our counterpart of a printed value on one data set row; None if there is none.

    Args:
        value: the printed value.
        study: its files.
        key: data set row.
        subset: of `results.csv`; of no effect for sizes, costs and counts of images.
    """
    by_kind: Mapping[str, Callable[[PrintedValue, StudyFiles, str, str], Mean | None]] = {
        "score": _score,
        "confusion": _score,
        "spread": _spread,
        "size": _size,
        "cost": _cost,
        "count": _count,
        "delta": _delta,
    }
    found = by_kind.get(value.kind)
    return found(value, study, key, subset) if found else None


def is_fraction(kind: str, metric: str) -> bool:
    """Whether printed values of a kind and ours are fractions, which are written in per cent."""
    return kind in ("score", "confusion", "spread", "delta") and metric != "nll"


def measured(study: StudyFiles, key: str, variant: str, metric: str, subset: str) -> Mean | None:
    """Our mean over seeds of what a paper calls `metric`; None if the study did not measure it.

    Args:
        study: its files.
        key: data set row.
        variant: row of the variants table.
        metric: as `PrintedValue.metric`.
        subset: of `results.csv`.
    """
    name, *emotions = metric.split(":")
    if not emotions:
        other = _EQUIVALENT.get(str(study.descriptions[variant]["task"]), {}).get(metric, metric)
        return _whole(study, key, variant, other, subset) or _whole(
            study, key, variant, metric, subset
        )
    confused = name == "confused"
    table = study.here(study.confusion, key) if confused else study.table("classes", key)
    if table.empty:
        return None
    own = table[(table["variant"] == variant) & _is_of(table, subset)].sort_values("seed")
    if confused:
        true, predicted = emotions
        own = own[own["target"] == true]
        faces = own.groupby("seed")["count"].sum()
        hits = own[own["predicted"] == predicted].groupby("seed")["count"].sum()
        values = hits / faces[faces > 0]
    else:
        values = own[(own["metric"] == name) & (own["emotion"] == emotions[0])]["value"]
    return _mean(study, (*study.place(key), variant, metric, subset), values)


def _is_of(table: pd.DataFrame, subset: str) -> pd.Series:
    """Rows of a subset; of `canvas_mean`, those of all conditions of the robustness test."""
    test, _, condition = subset.rpartition("_")
    if not test or condition != "mean":
        return table["subset"] == subset
    return table["subset"].str.startswith(f"{test}_") & (table["subset"] != f"{test}_plain")


def ratio_base(value: PrintedValue, study: StudyFiles) -> PrintedValue | None:
    """The printed value that a printed time is divided by; None if the study timed no such model.

    It is the study's control if the table has it, else the first of the table's models that was
    timed.
    """
    timed = {variant for rows in study.latency.values() for variant in rows}
    found = [
        one
        for one in printed_values()
        if (one.place, one.metric) == (value.place, value.metric) and one.model in timed
    ]
    control = study.params.study.control
    return next((one for one in found if one.model == control), found[0] if found else None)


def printed_ratio(value: PrintedValue, base: PrintedValue) -> PrintedValue:
    """A printed time as the ratio to that of another model of the table."""
    ratio = value.value / base.value
    return replace(
        value,
        metric=f"{value.metric}, ratio to {base.model}",
        value=ratio,
        half_unit=ratio * (value.half_unit / value.value + base.half_unit / base.value),
    )


def support(study: StudyFiles, key: str, mean: Mean, emotion: str = "") -> int:
    """The faces of a subset, or those of one class; 0 if `classes.csv` does not have it."""
    table = study.table("classes", key)
    if table.empty:
        return 0
    own = table[
        (table["variant"] == mean.variant)
        & (table["subset"] == mean.subset)
        & (table["metric"] == "support")
    ]
    own = own[own["emotion"] == emotion] if emotion else own
    return int(own.groupby("seed")["value"].sum().iloc[0]) if len(own) else 0


def _whole(study: StudyFiles, key: str, variant: str, metric: str, subset: str) -> Mean | None:
    if subset != "val":
        return study.on(subset, key, metric).get(variant)
    rows = study.here(study.results, key)
    own = rows[
        (rows["variant"] == variant) & (rows["subset"] == subset) & (rows["metric"] == metric)
    ]
    place = (*study.place(key), variant, metric, subset)
    return _mean(study, place, own.sort_values("seed")["value"])


def _mean(study: StudyFiles, place: tuple[str, ...], values: pd.Series) -> Mean | None:
    """Of one value a seed; of a class without faces, whose values are NaN, a mean of NaN."""
    if values.empty:
        return None
    return mean_of(place, values.tolist(), study.params.score.interval)


def _one(study: StudyFiles, key: str, variant: str, metric: str, value: float) -> Mean:
    """A number that no seed changes."""
    nothing = math.nan
    return Mean(*study.place(key), variant, metric, value, nothing, nothing, nothing, (value,))


def _score(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    return measured(study, key, str(value.model), value.metric, subset)


def _spread(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    """The deviation over seeds; its values stay those of the score."""
    metric = value.metric.removeprefix("std:")
    score = measured(study, key, str(value.model), metric, subset)
    if score is None or score.n < 2:
        return None
    return replace(score, metric=value.metric, mean=score.std, low=math.nan, high=math.nan)


def _size(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    name, unit = _PER_SIZE[value.metric]
    about = study.descriptions.get(str(value.model), {})
    if name not in about:
        return None
    return _one(study, key, str(value.model), value.metric, float(about[name]) * unit)


def _cost(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    if value.metric not in RATIOS:
        return _size(value, study, key, subset)
    name, base = RATIOS[value.metric], ratio_base(value, study)
    for timed in study.latency.values():
        known = [timed.get(str(one.model), {}).get(name) for one in (value, base) if one]
        times = [float(time) for time in known if time]
        if len(times) == 2:
            ratio = times[0] / times[1]
            return _one(study, key, str(value.model), value.metric, ratio)
    return None


def _count(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    name, _, emotion = value.metric.partition(":")
    if name == "count":
        counts = study.facts.get(key, {}).get("emotions", {})
        return _one(study, key, "", value.metric, counts[emotion]) if emotion in counts else None
    variant = str(value.model)
    whole = replace(_one(study, key, variant, value.metric, 0.0), subset=subset)
    faces = support(study, key, whole, emotion)
    return _one(study, key, variant, value.metric, float(faces)) if faces else None


def _delta(value: PrintedValue, study: StudyFiles, key: str, subset: str) -> Mean | None:
    """B minus A, seed by seed: altered minus plain test images, or a model minus its table's first.

    Of a robustness test that was shown a part of the test faces, these unaltered are the plain.
    """
    metric, model = value.metric.removeprefix("delta:"), str(value.model)
    after = measured(study, key, model, metric, subset)
    if value.robustness:
        plain = f"{subset.rpartition('_')[0]}_plain"
        before = measured(study, key, model, metric, plain) or measured(
            study, key, model, metric, "test"
        )
    else:
        first = next(v.model for v in printed_values() if v.place == value.place)
        known = first in study.params.variants
        before = measured(study, key, str(first), metric, subset) if known else None
    if after is None or before is None or after.n != before.n:
        return None
    differences = [b - a for a, b in zip(before.values, after.values, strict=True)]
    place = (*study.place(key), model, value.metric, subset)
    return mean_of(place, differences, study.params.score.interval)
