"""The rows of `claims.csv`: every claim that a study can test, with verdicts and conditions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ferbench import plugins
from ferbench.artifacts.claims import AGAINST_SENTENCE, ClaimRow
from ferbench.config.claims import ANY, Claim
from ferbench.config.deviations import UNSTATED, deviations
from ferbench.config.params import Dataset, Params
from ferbench.stats.claim_estimates import (
    BY_IMAGE,
    BY_PERSON,
    Costs,
    Ratio,
    gain_on,
    has_learned,
    leak_of,
    ratio_of,
)
from ferbench.stats.claims import decided_by, direction, size
from ferbench.stats.evidence import Evidence, EvidencePart
from ferbench.stats.primary import PrimaryEstimate

__all__ = ["OTHER_DATA", "judge_claims"]

OTHER_DATA = "another data set than the paper's"  # a condition
_TOLERANCE = 1e-9  # of floats
_EXACT = ("params_m", "gflops")  # costs that are counted, not timed


@dataclass(frozen=True, eq=False)
class _Case:
    """A claim with what the study measured of it.

    Args:
        claim: with the variants that were compared.
        part: of the evidence.
        estimate: of A minus B.
        protocol: as in `ClaimRow`.
        direct: whether the data set is the claim's own.
    """

    claim: Claim
    part: EvidencePart
    estimate: PrimaryEstimate
    protocol: str
    direct: bool
    conditions: tuple[str, ...] = field(default=())

    @property
    def family(self) -> tuple[str, ...]:
        """What p-values are corrected within."""
        return (self.part.place["dataset"], self.protocol, self.claim.metric)

    @property
    def test(self) -> tuple[str | None, ...]:
        """What makes two cases one test."""
        claim = self.claim
        return (claim.a, claim.b, claim.robustness, claim.kind)


def judge_claims(
    params: Params, evidence: Evidence, claims: Sequence[Claim], costs: Costs
) -> list[ClaimRow]:
    """A row for every claim and protocol of which the study has both variants.

    A claim whose data set the study does not have is tested on the study's own, which its
    conditions say; size is then `not printed`. P-values are corrected by the study's correction
    over the different tests of one data set, protocol and metric.

    Two kinds of claims stay undecided whatever their interval: about networks of which none is
    above the majority class, as two that have learned nothing do not differ either; and a paper's
    claims that a score is above a threshold, where the recipe is not the paper's.

    Args:
        params: of the study.
        evidence: its results and predictions.
        claims: the catalogue's and the study's own.
        costs: of its variants.
    """
    cases = [case for claim in claims for case in _cases(params, evidence, claim)]
    own = [case for case in cases if case.direct]
    tested = {_pair(case.claim) for case in own}
    other = {(_pair(case.claim), case.family): case for case in cases if not case.direct}
    own += [case for (pair, _), case in other.items() if pair not in tested]
    rows = _rows(params, own)
    rows += [row for claim in claims for row in _ratio_rows(params, claim, costs)]
    order = {claim.id: number for number, claim in reversed(list(enumerate(claims)))}
    return sorted(rows, key=lambda row: order[row.claim])


def _pair(claim: Claim) -> tuple[str | None, ...]:
    """A claim without its data set."""
    return (claim.id, claim.metric, claim.a, claim.b, claim.robustness)


def _cases(params: Params, evidence: Evidence, claim: Claim) -> Iterator[_Case]:
    if claim.kind == "ratio":
        return
    if claim.kind == "protocol":
        yield from _leak_cases(params, evidence, claim)
        return
    if not {claim.a, claim.b or claim.a} <= set(params.variants):
        return
    for part in evidence.parts():
        estimate = gain_on(claim, part, evidence, params)
        if estimate is not None:
            row = _row_of(params, part)
            direct = claim.dataset in (row.tested_on, ANY)
            yield _Case(claim, part, estimate, row.protocol, direct)


def _leak_cases(params: Params, evidence: Evidence, claim: Claim) -> Iterator[_Case]:
    """Every variant on every data set that is split both by image and by person."""
    parts = list(evidence.parts())
    by_image = [part for part in parts if part.place["protocol"] in BY_IMAGE]
    by_person = [part for part in parts if part.place["protocol"] in BY_PERSON]
    for first in by_image:
        for second in by_person:
            if first.place["dataset"] != second.place["dataset"]:
                continue
            words = f"{first.place['protocol']} over {second.place['protocol']}"
            for variant in params.variants:
                estimate = leak_of(first, second, claim.metric, variant)
                if estimate is not None:
                    of_variant = replace(claim, a=variant, b=variant)
                    yield _Case(of_variant, first, estimate, words, direct=True)


def _row_of(params: Params, part: EvidencePart) -> Dataset:
    place = part.place["dataset"], part.place["protocol"]
    return next(row for row in params.datasets.values() if (row.name, row.protocol) == place)


def _rows(params: Params, cases: Sequence[_Case]) -> list[ClaimRow]:
    correct = plugins.load("ferbench.stats.corrections", params.compare.correction)
    families = defaultdict[tuple[str, ...], dict[tuple[str | None, ...], float]](dict)
    for case in cases:
        families[case.family].setdefault(case.test, case.estimate.p_value)
    corrected = {
        family: dict(zip(tests, map(float, correct(list(tests.values()))), strict=True))
        for family, tests in families.items()
    }
    return [
        _row(params, case, corrected[case.family][case.test], len(families[case.family]))
        for case in cases
    ]


def _row(params: Params, case: _Case, p_corrected: float, tests: int) -> ClaimRow:
    claim, estimate, alpha = case.claim, case.estimate, params.compare.alpha
    printed = claim if case.direct else replace(claim, gain=None)
    data = _row_of(params, case.part)
    own = claim.protocol == data.protocol == "official" and data.limit is None
    sign = claim.sign if case.direct else claim.claimed_sign
    verdict = direction(estimate, sign, p_corrected=p_corrected, alpha=alpha)
    rule = decided_by(verdict, estimate, alpha=alpha, tests=tests)
    magnitude = size(estimate, printed, own_images=own)
    lacking = _lacking(params, case)
    if lacking:
        verdict, rule = "undecided", lacking
        magnitude = "not printed" if printed.gain is None else "not comparable"
    return ClaimRow(
        claim=claim.id,
        paper=claim.paper,
        tables=" ".join(claim.tables),
        source=claim.dataset if case.direct else "",
        study=params.study.name,
        dataset=case.part.place["dataset"],
        protocol=case.protocol,
        metric=claim.metric,
        robustness=claim.robustness,
        variant_a=claim.a,
        variant_b=claim.b or "",
        recipe="reduced" if _deviations(params, claim) else "paper",
        n_seeds=estimate.seeds,
        n_faces=estimate.faces,
        n_clusters=estimate.clusters,
        cluster=estimate.cluster,
        printed=math.nan if printed.gain is None else printed.gain,
        estimate=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        p_value=estimate.p_value,
        p_corrected=p_corrected,
        direction=verdict,
        size=magnitude,
        decided_by=rule,
        conditions="; ".join(_conditions(params, case, data, own)),
    )


def _lacking(params: Params, case: _Case) -> str:
    """What a verdict takes besides seeds and faces; empty if it takes nothing else."""
    if case.claim.kind == "threshold":
        reduced = case.claim.tables and _deviations(params, case.claim)
        return "the paper's recipe: the claim is about a score, not a difference" if reduced else ""
    learned = any(has_learned(case.part, name) for name in _variants(case.claim))
    return "" if learned else "networks that are above the majority class"


def _variants(claim: Claim) -> list[str]:
    return list(dict.fromkeys([claim.a, claim.b or claim.a]))


def _has_two_recipes(params: Params, claim: Claim) -> bool:
    return len({params.variants[name].recipe for name in _variants(claim)}) > 1


def _have_papers_size(params: Params, claim: Claim) -> bool:
    """Whether the input of both variants has the size that their papers state, if they do."""
    recipes = [params.recipe_of(name) for name in _variants(claim)]
    return all(r.paper.get("input_px", UNSTATED) in (r.input_px, UNSTATED) for r in recipes)


def _deviations(params: Params, claim: Claim) -> list[str]:
    """How network and training of the two variants differ from their papers', each once.

    What is of no paper differs as a whole.
    """
    found: list[str] = []
    for name in _variants(claim):
        variant, recipe = params.variants[name], params.recipe_of(name)
        if not (variant.has_paper and recipe.paper):
            found.append(f"network or recipe of {name} is of no paper")
        found += deviations(variant, recipe)
    return list(dict.fromkeys(found))


def _conditions(params: Params, case: _Case, data: Dataset, own: bool) -> list[str]:
    """Under what a verdict holds, in plain words."""
    claim = case.claim
    differs = ", ".join(_deviations(params, claim))
    split = "every seed has its own split" if case.part.redrawn else "one split for all seeds"
    other_split = claim.protocol not in (None, data.protocol)
    trained_on = claim.trained_on or claim.dataset
    protocol = (True, f"protocol {case.protocol}")
    drawn = (True, split)
    limited = (data.limit is not None, f"at most {data.limit} images of the data set")
    over_seeds = (math.isnan(case.estimate.v_test), "the interval is over seeds only")
    reduced = (bool(differs), f"differs from the paper: {differs}")
    if claim.kind == "protocol":  # of no paper
        texts = [protocol, drawn, limited, over_seeds, reduced]
    else:
        texts = [
            (not case.direct, OTHER_DATA),
            protocol,
            (case.direct and other_split, f"the paper's split is {claim.protocol}"),
            (case.direct and claim.protocol is None, "the paper does not state its split"),
            drawn,
            (bool(claim.robustness), f"altered test images: {claim.robustness.replace(':', ' ')}"),
            (
                case.direct and trained_on not in (ANY, data.trained_on),
                f"trained on {data.trained_on}, the paper's on {trained_on}",
            ),
            limited,
            (own, "the paper's own test images"),
            (
                case.direct and not own and claim.test_images is not None,
                f"the paper's test part has {claim.test_images} images",
            ),
            (
                case.direct and claim.gain is not None and claim.test_images is None,
                "the size of the paper's test part is not stated and taken as ours",
            ),
            over_seeds,
            (case.direct and claim.sign != claim.claimed_sign, AGAINST_SENTENCE),
            (_has_two_recipes(params, claim), "A and B are trained by different recipes"),
            reduced,
            (bool(claim.note), claim.note),
        ]
    return [text for holds, text in texts if holds]


def _ratio_rows(params: Params, claim: Claim, costs: Costs) -> Iterator[ClaimRow]:
    """One row for a ratio of costs, which depends on no data set.

    Operations and speed at another input size than the paper's are not what it claims.
    """
    if claim.kind != "ratio" or not set(_variants(claim)) <= set(params.variants):
        return
    if claim.metric != "params_m" and not _have_papers_size(params, claim):
        return
    ratio = ratio_of(claim, costs)
    if ratio is None:
        return
    exact = claim.metric in _EXACT
    how = "counted" if exact else "timed on this machine, bounds from repeats"
    differs = _deviations(params, claim)
    verdict = _ratio_direction(claim, ratio)
    yield ClaimRow(
        claim=claim.id,
        paper=claim.paper,
        tables=" ".join(claim.tables),
        source=claim.dataset,
        study=params.study.name,
        dataset="",
        protocol="",
        metric=claim.metric,
        robustness="",
        variant_a=claim.a,
        variant_b=claim.b or "",
        recipe="reduced" if differs else "paper",
        n_seeds=0,
        n_faces=0,
        n_clusters=0,
        cluster="",
        printed=math.nan if claim.gain is None else claim.gain,
        estimate=ratio.value,
        low=ratio.low,
        high=ratio.high,
        p_value=math.nan,
        p_corrected=math.nan,
        direction=verdict,
        size=_ratio_size(claim, ratio),
        decided_by="more repeats" if verdict == "undecided" else how,
        conditions="; ".join(text for text in ("a ratio, A over B", how, claim.note) if text),
    )


def _ratio_direction(claim: Claim, ratio: Ratio) -> str:
    if ratio.low <= 1 <= ratio.high:
        return "no difference" if ratio.low == ratio.high else "undecided"
    return "confirmed" if (ratio.value > 1) == (claim.sign > 0) else "contradicted"


def _ratio_size(claim: Claim, ratio: Ratio) -> str:
    """Whether the ranges of the printed and of our ratio touch."""
    if claim.gain is None:
        return "not printed"
    low, high = claim.ratio_bounds
    if ratio.low <= high + _TOLERANCE and low <= ratio.high + _TOLERANCE:
        return "compatible"
    return "smaller" if (claim.gain - ratio.value) * claim.sign > 0 else "larger"
