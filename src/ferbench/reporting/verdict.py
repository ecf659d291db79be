"""What the numbers allow one to say, in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ferbench.artifacts.results import exceeds
from ferbench.reporting.numbers import interval, p_value, percent
from ferbench.reporting.scores import falls
from ferbench.reporting.summary import Comparison, Mean, sample_words, seeds_words

__all__ = ["Verdict", "judge"]

_LISTED = 4


@dataclass(frozen=True)
class Verdict:
    """Three answers about one data set under one protocol.

    Args:
        lead: who is ahead.
        floor: who is better than no learning at all.
        significance: which differences are more than chance.
    """

    lead: str
    floor: str
    significance: str


def judge(
    ranked: Sequence[Mean],
    floors: Mapping[str, float],
    comparisons: Sequence[Comparison],
    alpha: float,
) -> Verdict:
    """The verdict on one metric.

    Args:
        ranked: the variants, best first.
        floors: by their words, what needs no learning.
        comparisons: all pairs, by one test.
        alpha: level of significance.
    """
    return Verdict(_lead(ranked), _floor(ranked, floors), _significance(comparisons, alpha))


def _lead(ranked: Sequence[Mean]) -> str:
    best = ranked[0]
    text = f"{best.variant} is ahead with {best.metric} {percent(best.mean)} %"
    if best.n < 2:
        return f"{text}, from one seed: without repetition nobody can say how much of it is chance."
    text = f"{text} (95 % interval {interval(best.low, best.high)}, {seeds_words(best.n)})"
    if len(ranked) < 2:
        return f"{text}; it is the only variant."
    second = ranked[1]
    return f"{text}; {second.variant} follows with {percent(second.mean)} %."


def _floor(ranked: Sequence[Mean], floors: Mapping[str, float]) -> str:
    word, height = max(floors.items(), key=lambda item: item[1])
    sure = [m.variant for m in ranked if exceeds(m.low, height)]
    likely = [m.variant for m in ranked if exceeds(m.mean, height) and m.variant not in sure]
    below = [m.variant for m in ranked if m.variant not in (*sure, *likely)]
    parts = [f"The naive baseline to beat is {percent(height)} % ({word})."]
    if sure:
        who = "All variants" if len(sure) == len(ranked) else _names(sure)
        parts.append(f"{who} {_be(sure)} above it with the whole interval.")
    if likely:
        parts.append(
            f"{_names(likely)} {_be(likely)} above it on average only: the interval reaches it."
        )
    if below:
        parts.append(f"{_names(below)} {_be(below)} not better than the naive baseline.")
    return " ".join([*parts, *_ties(ranked, floors)])


def _ties(ranked: Sequence[Mean], floors: Mapping[str, float]) -> list[str]:
    """A sentence for every baseline that variants equal to the face."""
    found = []
    for word, height in floors.items():
        equal = [m.variant for m in ranked if math.isclose(m.mean, height, abs_tol=1e-9)]
        if equal:
            verb = "scores" if len(equal) == 1 else "score"
            found.append(f"{_names(equal)} {verb} exactly as the {word} does.")
    return found


def _significance(comparisons: Sequence[Comparison], alpha: float) -> str:
    made = [c for c in comparisons if c.p_corrected == c.p_corrected]  # NaN: no test was possible
    if not comparisons:
        return "There is no pair of variants to compare."
    if not made:
        return (
            "No difference could be tested: a test needs at least two seeds of every variant, "
            "and some spread between them."
        )
    found = sorted((c for c in made if c.p_corrected <= alpha), key=lambda c: c.p_corrected)
    if not found:
        return (
            f"None of the {len(made)} differences between variants is significant after correction "
            f"({sample_words(made[0].n, made[0].test)} each): the order above may be chance."
        )
    listed = "; ".join(_difference(c) for c in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return (
        f"{len(found)} of {len(made)} differences are significant after correction: {listed}{more}."
    )


def _difference(pair: Comparison) -> str:
    better, worse = pair.variant_b, pair.variant_a
    if (pair.estimate < 0) != falls(pair.metric):
        better, worse = worse, better
    gain = percent(abs(pair.estimate))
    return f"{better} over {worse} by {gain} points (p {_equals(pair.p_corrected)})"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _names(variants: Sequence[str]) -> str:
    if len(variants) == 1:
        return variants[0]
    return f"{', '.join(variants[:-1])} and {variants[-1]}"


def _be(variants: Sequence[str]) -> str:
    return "is" if len(variants) == 1 else "are"
