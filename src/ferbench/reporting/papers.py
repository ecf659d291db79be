"""Paper against ours: every printed value that the study can be compared with, and a verdict.

A printed score is judged by the prediction interval of one new run on a new test sample
(`ferbench.stats.single_values`), or by a two-sample test where the paper prints mean, deviation and
number of runs; numbers without chance by their rounding. A value is not comparable if its recipe is
reduced, or its data or metric are of another kind; what else differs, or what the paper leaves out,
is a condition beside the verdict.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from ferbench.config.deviations import (
    data_deviations,
    network_deviations,
    recipe_deviations,
    unstated_settings,
)
from ferbench.reporting.judging import judge, stated_split
from ferbench.reporting.measured import RATIOS, measure, printed_ratio, ratio_base
from ferbench.reporting.numbers import count
from ferbench.reporting.printed import SOURCES, PrintedValue, printed_values
from ferbench.reporting.study_files import Mean, StudyFiles
from ferbench.stats.single_values import VERDICTS, SingleVerdict, exact_verdict

__all__ = ["COLUMNS", "VERDICTS", "Against", "against_papers", "paper_frame", "summary"]

COLUMNS = (
    *("paper", "table", "row", "dataset", "kind", "metric", "subset"),
    *("printed", "mean", "low", "high", "n"),
    *("difference", "difference_low", "difference_high", "verdict", "reason"),
)
_NOT_COMPARABLE, _NOT_MEASURED = VERDICTS[3], VERDICTS[4]
_OF_BOXES = ("precision_macro", "recall_macro", "f1_macro")
_DATA = ("count",)  # kinds that no recipe changes
_NETWORK = ("size",)


@dataclass(frozen=True)
class Against:
    """A printed value beside ours.

    Args:
        value: the printed value; of a time, its ratio to that of another model.
        dataset: our name, or the paper's if we have none.
        mean: ours; None if there is none. Of a score with predictions, `low` and `high` are the
            primary interval's.
        verdict: one of `VERDICTS`.
        reasons: why it is not comparable or not measured.
        conditions: in what data and measurement still differ, or what is not known of them.
        deviations: of network and training from the paper's.
        unstated: settings of them that the paper does not state.
        low: lower bound of the interval of ours minus printed that the verdict rests on; NaN
            without.
        high: upper bound.
    """

    value: PrintedValue
    dataset: str
    mean: Mean | None
    verdict: str
    reasons: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    deviations: tuple[str, ...] = ()
    unstated: tuple[str, ...] = ()
    low: float = math.nan
    high: float = math.nan

    @property
    def difference(self) -> float:
        """Ours minus printed; NaN if nothing was measured."""
        return self.mean.mean - self.value.value if self.mean else math.nan

    @property
    def reason(self) -> str:
        """All in one line."""
        listed = {
            "differs from the paper": self.deviations,
            "not stated by the paper": self.unstated,
        }
        details = (f"{what}: {', '.join(items)}" for what, items in listed.items() if items)
        return "; ".join((*self.reasons, *self.conditions, *details))


@lru_cache(maxsize=1)
def against_papers(study: StudyFiles) -> list[Against]:
    """Every printed value of the study's models and data, in the papers' order.

    A table that the study answers is listed whole; of other tables, the scores whose model and data
    set are in the study.
    """
    return [against for value in printed_values() for against in _all(value, study)]


def summary(study: StudyFiles) -> str:
    """How many printed values were reproduced, in one or two sentences."""
    answers, rows = study.params.study.paper_tables, against_papers(study)
    head = (
        f"This study reproduces {', '.join(answers)}."
        if answers
        else "This study reproduces no table of a paper."
    )
    if not rows:
        return (
            f"{head} No paper prints a result of its models on its data, so there is nothing to "
            "compare it with."
        )
    measured_rows = [row for row in rows if row.mean]
    counts = Counter(row.verdict for row in measured_rows)
    verdicts = ", ".join(f"{counts[v]} {v}" for v in VERDICTS[:-1])
    return (
        f"{head} Of {len(rows)} printed values of its models, data and tables, "
        f"{len(measured_rows)} were measured here: {verdicts}."
    )


def paper_frame(rows: Sequence[Against]) -> pd.DataFrame:
    """Rows of `papers.csv`: printed value and ours as fractions, their difference, verdict."""
    records = [
        {
            "paper": row.value.paper,
            "table": row.value.table,
            "row": row.value.row,
            "dataset": row.dataset,
            "kind": row.value.kind,
            "metric": _metric(row),
            "subset": row.mean.subset if row.mean else row.value.subset,
            "printed": row.value.value,
            "mean": row.mean.mean if row.mean else math.nan,
            "low": row.mean.low if row.mean else math.nan,
            "high": row.mean.high if row.mean else math.nan,
            "n": row.mean.n if row.mean else 0,
            "difference": row.difference,
            "difference_low": row.low,
            "difference_high": row.high,
            "verdict": row.verdict,
            "reason": row.reason,
        }
        for row in rows
    ]
    return pd.DataFrame(records, columns=list(COLUMNS))


def _metric(row: Against) -> str:
    """Ours, where it has another name than the printed one; of a ratio, what it is of."""
    return row.mean.metric if row.mean and row.value.kind != "cost" else row.value.metric


def _all(value: PrintedValue, study: StudyFiles) -> Iterator[Against]:
    source, answers = SOURCES.get(value.dataset), value.place in study.params.study.paper_tables
    keys = [k for k, row in study.params.datasets.items() if source in (row.tested_on, None)]
    here = value.model in study.params.variants or value.metric.startswith("count:")
    scored = value.kind in ("score", "confusion")
    found = []
    if here and (answers or scored):
        # A size or a time is the same on every data set.
        own = keys[:1] if value.kind in ("size", "cost") else keys
        found = [against for key in own for against in _on_data(value, study, key)]
    yield from found
    if not found and answers:
        reason = _not_measured(value, study, ran=bool(keys) and here)
        yield Against(value, value.dataset, None, _NOT_MEASURED, (reason,))


def _not_measured(value: PrintedValue, study: StudyFiles, *, ran: bool) -> str:
    """Why a table that the study answers has a value without a counterpart."""
    kinds = {test.kind for test in study.params.robustness.values()}
    kind, condition = value.robustness or ("", "")
    checks = [
        (value.quoted, "the paper quotes this value from another work"),
        (value.kind == "range", "a range that was tried, no result"),
        (value.kind == "test", "a statistic of two rows, see the comparisons of the study"),
        (
            value.model is None and value.kind != "count",
            "no model of ours: the paper quotes it, or does not say of which model it is",
        ),
        (not ran, "not run in this study"),
        (value.metric in RATIOS, "the study does not time it, or no other model of the table"),
        (
            value.robustness is not None and kind not in kinds,
            f"the row is about {kind} {condition}, a robustness test that the study does not run",
        ),
        (
            value.subset == "train",
            "measured on training images, which the study does not score (`score: train`)",
        ),
        (True, f"the study does not measure {value.metric.replace(':', ' ')} there"),
    ]
    return next(reason for holds, reason in checks if holds)


def _on_data(value: PrintedValue, study: StudyFiles, key: str) -> Iterator[Against]:
    """The printed value against its counterpart on one data set row; on test too if on train."""
    subsets = [value.subset, "test"] if value.subset == "train" else [value.subset]
    if value.robustness:
        kind, condition = value.robustness
        tests = study.params.robustness.items()
        subsets = [f"{name}_{condition}" for name, test in tests if test.kind == kind]
    for subset in subsets:
        if (mean := measure(value, study, key, subset)) is not None:
            yield _against(value, study, key, mean)


def _against(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> Against:
    """Verdict, reasons and conditions of a value that was measured."""
    place, params = study.place(key)[0], study.params
    if value.model is None:
        found, reasons, conditions = _counted(value, study, key, mean)
        return Against(value, place, mean, found.verdict, reasons, conditions)
    training = params.variants[value.model], params.recipe_of(value.model)
    reduced, network = recipe_deviations(*training), network_deviations(*training)
    facts = study.facts.get(key, {})
    data = data_deviations(params.datasets[key], facts, training[1])
    reasons = _differences(value, study, key, mean)
    reasons += tuple(one.text for one in data if one.other_kind and value.kind not in _NETWORK)
    conditions = (
        *_conditions(value, study, key, mean),
        *(d.text for d in data if not d.other_kind),
    )
    if value.kind == "cost" and value.metric in RATIOS and (base := ratio_base(value, study)):
        reasons += ("times are of another device, so only their ratios are compared",)
        value = printed_ratio(value, base)
    mean, found, more = judge(value, study, key, mean)
    forbids = reasons or (reduced and value.kind not in (*_DATA, *_NETWORK))
    if forbids and found.verdict != _NOT_MEASURED:
        found = found._replace(verdict=_NOT_COMPARABLE)
    return Against(
        value=value,
        dataset=place,
        mean=mean,
        verdict=found.verdict,
        reasons=reasons,
        conditions=(*conditions, *more),
        deviations=(*reduced, *network),
        unstated=unstated_settings(*training),
        low=found.low,
        high=found.high,
    )


def _counted(
    value: PrintedValue, study: StudyFiles, key: str, mean: Mean
) -> tuple[SingleVerdict, tuple[str, ...], tuple[str, ...]]:
    """The images of a class: where copies were removed, the rest is no longer comparable."""
    found = exact_verdict(value.value, mean.mean, value.half_unit)
    copies = study.facts[key].get("redundant_copies", 0)
    if copies and found.verdict == VERDICTS[1]:
        reason = f"{count(copies)} redundant copies were removed before classes were counted"
        return found._replace(verdict=_NOT_COMPARABLE), (reason,), ()
    return found, (), ()


def _differences(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> tuple[str, ...]:
    """Why the two numbers do not measure the same; empty if they do."""
    variant, recipe = (
        study.params.variants[str(value.model)],
        study.params.recipe_of(str(value.model)),
    )
    if value.kind in _NETWORK:
        changed = (not variant.has_paper, "the study's row has another part than the paper's model")
        return tuple(reason for holds, reason in (changed,) if holds)
    row = study.params.datasets[key]
    source = str(recipe.paper.get("name", "no paper"))
    trained_by = source.upper() if recipe.paper else source
    protocol = stated_split(value, study, key)
    detects = study.descriptions[str(value.model)]["task"] == "detect"
    scored = value.kind not in ("cost", "count")
    checks = [
        (value.quoted, "the paper quotes this value from another work"),
        (bool(value.setting), f"the row is about {value.setting}"),
        # Network and recipe.
        (not variant.has_paper, "the study's row has another part than the paper's model"),
        (source != value.paper.lower(), f"trained by the recipe of {trained_by}"),
        (
            value.robustness is not None and value.robustness[0] == "degraded",
            "the paper does not state how images were degraded",
        ),
        # Data and split.
        (
            scored and row.trained_on != SOURCES.get(value.trained_on),
            f"trained on {row.trained_on}, the paper's on {value.trained_on}",
        ),
        (
            value.kind != "cost" and protocol not in (None, row.protocol),
            f"split {row.protocol}, the paper's {protocol}",
        ),
        (row.limit is not None, f"at most {count(row.limit or 0)} images of the data set"),
        # Measurement.
        (
            value.subset != mean.subset and value.robustness is None and scored,
            f"measured on {mean.subset}, the paper's on {value.subset}",
        ),
        (
            recipe.epochs < (value.epoch or 0),
            f"at most {recipe.epochs} epochs, the paper's best was {value.epoch}",
        ),
        (
            detects and mean.metric in _OF_BOXES,
            "printed over boxes at the best threshold, ours over faces at a fixed one",
        ),
    ]
    return tuple(reason for holds, reason in checks if holds)


def _conditions(value: PrintedValue, study: StudyFiles, key: str, mean: Mean) -> tuple[str, ...]:
    """What stands beside a verdict without forbidding it."""
    facts = study.facts.get(key, {})
    if value.kind in (*_NETWORK, "cost"):
        return ()
    unstated = stated_split(value, study, key) is None
    copies = facts.get("redundant_copies", 0)
    checks = [
        (unstated, "the paper does not state its split"),
        (bool(copies), f"{count(copies)} redundant copies were removed before the split"),
        (mean.subset == "train", "on training images: how well they were learnt, no test"),
    ]
    return tuple(condition for holds, condition in checks if holds)
