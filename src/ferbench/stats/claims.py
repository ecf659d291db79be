"""Verdicts on a claim that A is better than B: its direction, its size, and what would decide it.

**Direction**, of our mean difference d = A - B with its interval of `ferbench.stats.primary`:

- `confirmed`: d differs from 0 at level alpha, after the correction, and has the printed sign;
- `contradicted`: it differs from 0 and has the other sign;
- `no difference`: the 90 % interval lies within the margin, which is two one-sided tests at 5 %;
- `undecided`: neither; `undecided, one seed` where there is no interval.

A difference that is both significant and within the margin is `confirmed` or `contradicted`.

**Size**: the printed gain g is the difference of one more pair of trainings on another sample of
test faces. It is `compatible` with ours if it lies in the prediction interval

    d +- t * sqrt(V + V_new) +- r.

V is the variance of our mean, as in its primary interval; r is half a unit of the last digit of
both printed numbers. V_new is the variance of the paper's k runs (one if it does not state how
many) on m test faces. It is made of the components of ours, a run and N test faces each
(`Sources`): of the seeds, of pairs of seeds and clusters, and of clusters,

    V_new = seed / k + (both / k + test) * N / m,
    seed = max(S^2 - n * V_both, 0), both = n * V_both, test = max(V_test - V_both, 0),

with S the standard deviation of d over our n seeds. With redrawn splits a run's test part is its
own, and `both` holds all that a run owes to it: `both / k + test` is then `both`. N / m makes the m
faces as correlated within clusters as ours: our design effect. Where the test images are the
paper's own, clusters do not differ: V_new = S^2 / k and V = V_seed. Where the paper prints standard
deviations of A and B over its runs, (sd_A^2 + sd_B^2) / k takes the place of all that is divided by
k. t has the degrees of freedom of Welch and Satterthwaite, in which terms that come from one
estimate count as one.

Sources: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach",
Journal of Pharmacokinetics and Biopharmaceutics 15(6), 1987. Patil, Peng and Leek, "What should
researchers expect when they replicate studies?", Perspectives on Psychological Science 11(4), 2016
(prediction intervals for replications). Kish, "Survey Sampling", Wiley 1965 (design effect).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy import stats

from ferbench.config.claims import Claim
from ferbench.stats.components import combined_error
from ferbench.stats.primary import PrimaryEstimate
from ferbench.stats.result import CONFIDENCE

__all__ = [
    "DIRECTIONS",
    "MARGIN",
    "SIZES",
    "Sources",
    "above",
    "decided_by",
    "direction",
    "needed",
    "predicted_gain",
    "size",
]

DIRECTIONS = ("confirmed", "contradicted", "no difference", "undecided", "undecided, one seed")
SIZES = ("compatible", "smaller", "larger", "not printed", "undecided, one seed")
MARGIN = 0.01  # a difference of a point is none
_EQUIVALENCE = 0.90  # of the interval of two one-sided tests at 5 %
_ALPHA = 1 - CONFIDENCE
_MOST_SEEDS = 1000  # more are no advice
_ROUNDING = 1e-9  # of floats


def direction(
    estimate: PrimaryEstimate,
    printed_sign: int,
    margin: float = MARGIN,
    *,
    p_corrected: float | None = None,
    alpha: float = _ALPHA,
) -> str:
    """Whether our difference has the direction of the printed one; see the module.

    Args:
        estimate: of A minus B.
        printed_sign: 1 or -1.
        margin: a difference within it is none.
        p_corrected: the p-value to go by, after a correction; by default the estimate's own.
        alpha: level of significance.

    Returns:
        One of `DIRECTIONS`.
    """
    if not _has_interval(estimate):
        return "undecided, one seed"
    if _differs(estimate, p_corrected, alpha):
        same = math.copysign(1, estimate.estimate) == math.copysign(1, printed_sign)
        return "confirmed" if same else "contradicted"
    return "no difference" if _is_within(estimate, margin) else "undecided"


def _has_interval(estimate: PrimaryEstimate) -> bool:
    return not (math.isnan(estimate.low) or math.isnan(estimate.high))


def _differs(estimate: PrimaryEstimate, p_corrected: float | None, alpha: float) -> bool:
    p = estimate.p_value if p_corrected is None else p_corrected
    if math.isnan(p):  # all seeds and faces agree on one difference
        return estimate.low > 0 or estimate.high < 0
    return p <= alpha


def _is_within(estimate: PrimaryEstimate, margin: float) -> bool:
    reach = estimate.quantile(_EQUIVALENCE) * estimate.error if estimate.error > 0 else 0.0
    return abs(estimate.estimate) + reach <= margin


def size(estimate: PrimaryEstimate, claim: Claim, *, own_images: bool = False) -> str:
    """Whether the printed gain is one that a pair of runs like ours could have given.

    Args:
        estimate: of A minus B.
        claim: with its printed gain.
        own_images: whether our test images are the paper's.

    Returns:
        One of `SIZES`; `smaller` if our gain is smaller than the printed one in its direction.
    """
    if claim.gain is None:
        return "not printed"
    if not _has_interval(estimate):
        return "undecided, one seed"
    low, high = predicted_gain(estimate, claim, own_images=own_images)
    if low <= claim.gain <= high:
        return "compatible"
    return "smaller" if (claim.gain - estimate.estimate) * claim.sign > 0 else "larger"


def predicted_gain(
    estimate: PrimaryEstimate, claim: Claim, *, own_images: bool = False
) -> tuple[float, float]:
    """The 95 % interval of what the paper would have printed if its runs were like ours.

    A size of the test part that the paper does not state is taken as ours. A variance due to test
    faces that is not known is left out.

    Args:
        estimate: of A minus B, with an interval.
        claim: number of runs, standard deviations, test images and decimals of the paper.
        own_images: whether our test images are the paper's.
    """
    runs, parts = claim.n or 1, Sources.of(estimate)
    known = claim.test_images and estimate.faces
    faces = estimate.faces / claim.test_images if known and claim.test_images else 1.0
    ours = (estimate.v_seed, 0.0) if own_images else (parts.own_seeds, parts.v_test)
    if own_images:
        theirs, test = estimate.spread**2 / runs, 0.0
    elif parts.redrawn:
        theirs, test = parts.seed / runs, parts.both * faces
    else:
        theirs, test = (parts.seed + parts.both * faces) / runs, parts.test * faces
    of_seeds = [(ours[0] + theirs, estimate.seeds - 1)]
    if claim.sd is not None:
        printed = (claim.sd[0] ** 2 + claim.sd[1] ** 2) / runs
        # One run has no degrees of freedom, so it adds no term.
        of_seeds = [(ours[0], estimate.seeds - 1), (printed, 2 * (runs - 1))]
    error, df = combined_error(
        [*of_seeds, (ours[1] + test, estimate.clusters - 1)], float(estimate.seeds - 1)
    )
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, df)) * error + claim.rounding
    return estimate.estimate - reach, estimate.estimate + reach


@dataclass(frozen=True)
class Sources:
    """What the variance of a mean over seeds comes from, one run and our test faces each.

    Args:
        seed: of the seeds alone.
        both: of pairs of seeds and clusters of test faces; with redrawn splits, of a run's own test
            part as a whole.
        test: of the clusters that runs have in common.
        v_test: what all seeds' mean owes to the test faces: both / n + test.
        own_seeds: what it owes to the seeds beside that: seed / n, times Nadeau and Bengio's factor
            where splits are redrawn.
        test_share: n_test / n_train where splits are redrawn, else 0.
    """

    seed: float
    both: float
    test: float
    v_test: float
    own_seeds: float
    test_share: float

    @property
    def redrawn(self) -> bool:
        """Whether every seed drew its own split."""
        return self.test_share > 0

    @classmethod
    def of(cls, estimate: PrimaryEstimate) -> Sources:
        """The components of an estimate; all of it is the seeds' where test is not known."""
        n, variance = estimate.seeds, estimate.spread**2
        share = max(estimate.v_seed / variance - 1 / n, 0.0) if variance > 0 else 0.0
        share = share if share > _ROUNDING else 0.0
        v_test = 0.0 if math.isnan(estimate.v_test) else estimate.v_test
        seed = max(variance - n * estimate.v_both, 0.0)
        return cls(
            seed=seed,
            # Not more than all that is due to the test faces, whose variance is estimated apart.
            both=n * min(estimate.v_both, v_test),
            test=max(v_test - estimate.v_both, 0.0),
            v_test=v_test,
            own_seeds=seed * (1 / n + share),
            test_share=share,
        )

    def plan(self, seeds: float, times: float) -> tuple[float, float]:
        """Variances of a mean over so many seeds on `times` as many test faces.

        Returns:
            That of the seeds and of their pairs with clusters, and that of the clusters.
        """
        of_seeds = self.seed * (1 / seeds + self.test_share) + self.both / (seeds * times)
        return of_seeds, self.test / times


def above(estimate: PrimaryEstimate, threshold: float) -> PrimaryEstimate:
    """How far a score is above a threshold, as a difference that `direction` takes."""
    distance = estimate.estimate - threshold
    p = math.nan
    if estimate.error > 0:
        p = 2 * float(stats.t.sf(abs(distance) / estimate.error, estimate.df))
    return replace(
        estimate,
        estimate=distance,
        low=estimate.low - threshold,
        high=estimate.high - threshold,
        p_value=p,
    )


def decided_by(
    verdict: str,
    estimate: PrimaryEstimate,
    *,
    margin: float = MARGIN,
    alpha: float = _ALPHA,
    tests: int = 1,
) -> str:
    """The rule that gave a direction, or what would decide it.

    Args:
        verdict: of `direction`.
        estimate: it was given for.
        margin: as there.
        alpha: as there.
        tests: number of claims that the p-value was corrected for.
    """
    if verdict == "undecided, one seed":
        return "at least 2 seeds"
    if verdict == "undecided":
        return needed(estimate, margin=margin, alpha=alpha / max(tests, 1))
    if verdict == "no difference":
        points = "1 point" if margin == MARGIN else f"{100 * margin:g} points"
        return f"90 % interval within \N{PLUS-MINUS SIGN}{points}"
    corrected = f" after correction for {tests} claims" if tests > 1 else ""
    return f"p at most {alpha:g}{corrected}"


@dataclass(frozen=True)
class _Plan:
    """An estimate as it would be with other numbers of seeds and test faces.

    Its mean and its variances per seed and per face stay as measured.
    """

    estimate: PrimaryEstimate
    margin: float
    alpha: float

    def decides(self, seeds: float, times: float) -> bool:
        """Whether so many seeds on `times` as many test faces would give a verdict."""
        known = self.estimate
        of_seeds, of_test = Sources.of(known).plan(seeds, times)
        parts = [(of_seeds, seeds - 1), (of_test, known.clusters * times - 1)]
        error, df = combined_error(parts, seeds - 1)
        distance = abs(known.estimate)
        significant = distance > float(stats.t.ppf(1 - self.alpha / 2, df)) * error
        reach = float(stats.t.ppf((1 + _EQUIVALENCE) / 2, df)) * error
        return significant or distance + reach <= self.margin


def needed(
    estimate: PrimaryEstimate,
    *,
    margin: float = MARGIN,
    alpha: float = _ALPHA,
) -> str:
    """The number of seeds, or else of test faces, that would decide an undecided claim.

    It holds if the true difference is the one measured: then half of all repetitions with so many
    seeds or faces give a verdict.

    Args:
        estimate: of A minus B, undecided.
        margin: a difference within it is none.
        alpha: level of the test, divided by the number of claims it is corrected for.
    """
    if not _has_interval(estimate):
        return "at least 2 seeds"
    plan = _Plan(estimate, margin, alpha)
    tried = range(estimate.seeds + 1, _MOST_SEEDS + 1)
    seeds = next((n for n in tried if plan.decides(n, 1.0)), None)
    if seeds is not None:
        return f"about {seeds} seeds"
    times = _least_times(plan)
    if times is None or not estimate.faces:
        if Sources.of(estimate).redrawn:
            return "another or a larger data set: redrawn splits of this one overlap too much"
        return "no number of seeds or test faces"
    faces = f"at least {math.ceil(estimate.faces * times)} test faces"
    groups = math.ceil(estimate.clusters * times)
    whose = f" of {groups} persons" if estimate.cluster == "person" else ""
    return f"no number of seeds: {faces}{whose}"


def _least_times(plan: _Plan) -> float | None:
    """By how much the test part would have to grow, with seeds without end; None if it is no use.

    A bisection of its logarithm, to a per cent.
    """
    low, high = 1.0, 1e4
    if not plan.decides(_MOST_SEEDS, high):
        return None
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if plan.decides(_MOST_SEEDS, middle) else (middle, high)
    return high
