"""What a study measured of a claim: our A minus B, by the kind of the claim."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scipy import stats

from ferbench.artifacts.paths import StudyPaths
from ferbench.config.claims import COSTS, Claim
from ferbench.config.params import Params
from ferbench.files import read_json
from ferbench.stats.claims import above
from ferbench.stats.components import combined_error
from ferbench.stats.evidence import Evidence, EvidencePart, by_seed
from ferbench.stats.primary import (
    PrimaryEstimate,
    paired,
    primary_difference,
    primary_interval,
    primary_of_replicates,
    primary_score,
)
from ferbench.stats.resampling import replicates_of
from ferbench.stats.result import CONFIDENCE

__all__ = [
    "BY_IMAGE",
    "BY_PERSON",
    "Costs",
    "Ratio",
    "gain_on",
    "has_learned",
    "leak_of",
    "ratio_of",
    "read_costs",
]

BY_IMAGE = ("stratified_70_10_20", "p1_60_20_20")  # which ignore who is in an image
BY_PERSON = ("person_70_10_20",)
_PLAIN = "plain"  # condition of the faces that a robustness test drew, unaltered

# By variant and one of `COSTS`: lowest, middle and highest of what was measured.
Costs = Mapping[str, Mapping[str, tuple[float, float, float]]]


@dataclass(frozen=True)
class Ratio:
    """A cost of A divided by that of B, with the bounds that the spread of timings allows."""

    value: float
    low: float
    high: float


def read_costs(params: Params, root: Path = Path()) -> Costs:
    """Parameters, operations and images a second of every variant of a study.

    Speed is that of the first way of timing that has one.
    """
    paths = StudyPaths(params.study.name, root)
    costs: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name in params.variants:
        about = read_json(paths.description(name))
        counted = {"params_m": about["params_deployed"] / 1e6, "gflops": about["gflops"]}
        costs[name] = {key: (value, value, value) for key, value in counted.items()}
        for how in params.latency:
            path = paths.runs / "_latency" / how / f"{name}.json"
            timed = read_json(path) if path.is_file() else {}
            if "fps" not in costs[name] and "forward_ms" in timed:
                slow, middle, fast = (
                    1000 / timed[f"forward_ms{end}"] for end in ("_high", "", "_low")
                )
                costs[name]["fps"] = (slow, middle, fast)
    return costs


def gain_on(
    claim: Claim, part: EvidencePart, evidence: Evidence, params: Params
) -> PrimaryEstimate | None:
    """A minus B on test, or what the claim's kind takes in its place; None if it is not measured.

    The test faces' share of the variance is known of altered test images too; in a study without
    `replicates.parquet` only the spread over seeds is.

    Args:
        claim: of any kind but `ratio` and `protocol`.
        part: of the evidence.
        evidence: that it is a part of, for altered test images.
        params: of the study, for its robustness tests.
    """
    if claim.kind == "loses_less":
        return _loss(claim, part, evidence, params)
    if claim.robustness:
        altered = next(_altered(claim.robustness, part, evidence, params), None)
        if altered is None:
            return None
        part = altered
    if claim.kind == "threshold":
        score = primary_score(part, claim.metric, claim.a)
        return None if score is None else above(score, claim.threshold or 0.0)
    if claim.metric.startswith("confused:"):
        part = _confused(part, claim.metric)
        return _difference(claim, part, f"recall:{claim.metric.split(':')[1]}")
    return _difference(claim, part, claim.metric)


def has_learned(part: EvidencePart, variant: str) -> bool:
    """Whether a variant's accuracy on test is above the share of the most frequent class.

    The lower bound of its 95 % interval has to be; of one seed, which has no interval, the accuracy
    itself. True where it is not known, as without predictions.

    Args:
        part: of the evidence, on unaltered test images.
        variant: its name.
    """
    score = primary_score(part, "accuracy", variant)
    if score is None or part.faces is None:
        return True
    targets = part.faces.loc[part.faces["variant"] == variant].groupby("seed")["target"]
    majority = targets.agg(lambda own: own.value_counts(normalize=True).iloc[0]).mean()
    lowest = score.estimate if math.isnan(score.low) else score.low
    return bool(lowest > majority)


def _difference(claim: Claim, part: EvidencePart, metric: str) -> PrimaryEstimate | None:
    if claim.b is None:
        return None
    found = primary_difference(part, metric, claim.b, claim.a)
    return found if found is not None and found.seeds > 0 else None


def _confused(part: EvidencePart, metric: str) -> EvidencePart:
    """A part in which a face is "correct" if it was predicted as the second emotion."""
    if part.faces is None:
        return part
    second = metric.split(":")[2]
    return replace(part, faces=part.faces.assign(correct=part.faces["predicted"] == second))


def _altered(
    robustness: str, part: EvidencePart, evidence: Evidence, params: Params
) -> Iterator[EvidencePart]:
    """The part as measured on altered test images, of each test of the kind that has them."""
    kind, _, condition = robustness.partition(":")
    for name, test in params.robustness.items():
        if test.kind == kind:
            altered = evidence.altered(part, name, condition)
            if not altered.results.empty:
                yield altered


def _loss(
    claim: Claim, part: EvidencePart, evidence: Evidence, params: Params
) -> PrimaryEstimate | None:
    """(A altered - A plain) - (B altered - B plain), seed by seed and replicate by replicate."""
    kind, _, condition = claim.robustness.partition(":")
    for name, test in params.robustness.items():
        if test.kind != kind or claim.b is None:
            continue
        altered = evidence.altered(part, name, condition)
        plain = evidence.altered(part, name, _PLAIN)
        plain = part if plain.results.empty else plain
        found = _change(altered, plain, claim.metric, (claim.b, claim.a))
        if found is not None:
            return found if found.seeds > 0 else None
    return None


def _change(
    altered: EvidencePart, plain: EvidencePart, metric: str, pair: tuple[str, str]
) -> PrimaryEstimate | None:
    """By how much more the second of a pair changes; None if one of the two was not measured."""
    after, before = (replicates_of(part, metric) for part in (altered, plain))
    if after is not None and before is not None:
        measured = [set(known.values.columns.get_level_values(0)) for known in (after, before)]
        if not set(pair) <= set.intersection(*measured):
            return None
        changed, unchanged = paired(after, *pair), paired(before, *pair)
        seeds = changed.columns.intersection(unchanged.columns)
        return primary_of_replicates(altered, after, changed[seeds] - unchanged[seeds])
    values, old = by_seed(altered, metric), by_seed(plain, metric)
    if not set(pair) <= set(values) & set(old):
        return None
    change = (values[[*pair]] - old[[*pair]]).dropna()
    return primary_interval((change[pair[1]] - change[pair[0]]).to_numpy(), math.nan, 0)


def leak_of(
    by_image: EvidencePart, by_person: EvidencePart, metric: str, variant: str
) -> PrimaryEstimate | None:
    """A variant's score by image minus its score by person; None if one was not measured.

    The two test parts hold different faces and the seeds train on different images, so the two
    scores count as independent and their variances add up.
    """
    first = primary_score(by_image, metric, variant)
    second = primary_score(by_person, metric, variant)
    if first is None or second is None:
        return None
    distance = first.estimate - second.estimate
    v_test = first.v_test + second.v_test
    shared = replace(
        first,
        estimate=distance,
        v_seed=first.v_seed + second.v_seed,
        v_test=v_test,
        v_both=first.v_both + second.v_both,
        spread=math.hypot(first.spread, second.spread),
        seeds=min(first.seeds, second.seeds),
        clusters=min(first.clusters, second.clusters),
        faces=min(first.faces, second.faces),
    )
    parts = [(first.error**2, first.df), (second.error**2, second.df)]
    if any(math.isnan(variance) for variance, _ in parts):
        nothing = math.nan
        return replace(shared, low=nothing, high=nothing, p_value=nothing, error=nothing)
    error, df = combined_error(parts, min(first.df, second.df))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, df)) * error
    p = 2 * float(stats.t.sf(abs(distance) / error, df)) if error > 0 else math.nan
    low, high = distance - reach, distance + reach
    return replace(shared, p_value=p, error=error, df=df, low=low, high=high)


def ratio_of(claim: Claim, costs: Costs) -> Ratio | None:
    """A's cost over B's; None if one was not measured."""
    assert claim.metric in COSTS
    if claim.b is None or any(claim.metric not in costs.get(v, {}) for v in (claim.a, claim.b)):
        return None
    a, b = costs[claim.a][claim.metric], costs[claim.b][claim.metric]
    return Ratio(a[1] / b[1], a[0] / b[2], a[2] / b[0])
