"""The papers' claims that a study tests: printed gain beside ours, with a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isnan

from ferbench.artifacts.claims import ClaimRow
from ferbench.reporting.blocks import (
    Block,
    Table,
    Value,
    difference,
    number,
    probability,
    real,
    word,
)
from ferbench.reporting.charts import Chart, Estimate, claim_chart
from ferbench.reporting.claim_words import amount, bounds, is_ratio, is_undecided
from ferbench.reporting.numbers import NOTHING, count, listed, metric_words, points
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]

_SENTENCES = 6
_NOTE = (
    "A claim says that A scores higher than its control B. Ours is the mean of A − B over seeds on "
    "the same faces; its 95 % interval counts the variance of seeds and of test faces. “Confirmed” "
    "and “contradicted”: the difference is significant after correction over the study's claims "
    "on the same data, and has the printed sign or the other. “No difference”: the 90 % interval "
    "lies within ± 1 point. “Undecided”: neither, or none of the networks is above the majority "
    "class, or a claim about a score, not a difference, was tested with a reduced recipe. The size "
    "is compatible if the printed gain lies in the prediction interval for one more pair of runs. "
    "A reduced recipe is a condition of a verdict on a difference, not an objection to it."
)


def build(study: StudyFiles) -> Block | None:
    """Sentences on the first verdicts, decided ones before others; a chart and a table of all."""
    rows = study.claims
    if not rows:
        return None
    return Block(
        "Claims",
        words=tuple(
            filter(None, (f"{_verdicts(rows)}: {tally(rows)}.{_rest(rows)}", _unsettled(study)))
        ),
        answers=[(_question(row), _answer(row)) for row in _first(rows)],
        charts=[*_charts(rows)],
        tables=(
            Table("claims", [_verdict(row) for row in rows], title="claims and verdicts"),
            Table(
                "claims_conditions",
                [_conditions(row) for row in rows],
                folded=True,
                title="conditions of every verdict",
            ),
        ),
        note=_NOTE,
        links=[("claims.csv", "All of it as CSV")],
    )


def _unsettled(study: StudyFiles) -> str:
    """A warning about networks whose training may have been too short for a comparison."""
    compared = {name for row in study.claims for name in (row.variant_a, row.variant_b)}
    found: dict[str, float] = {}
    for key in study.keys:
        for curve in study.learning_curves(key):
            if curve.still_rises and curve.variant in compared:
                found[curve.variant] = max(curve.late_gain, found.get(curve.variant, 0.0))
    if not found:
        return ""
    names = listed([f"`{name}` ({points(gain)})" for name, gain in found.items()])
    return (
        f"On val, {names} still gained in the last third of training, in points. A longer training "
        "may change verdicts about them."
    )


def _first(rows: Sequence[ClaimRow]) -> list[ClaimRow]:
    """So many that the chart is on the first screen; of equal standing, in the claims' order."""
    return sorted(rows, key=is_undecided)[:_SENTENCES]


def _rest(rows: Sequence[ClaimRow]) -> str:
    more = len(rows) - _SENTENCES
    return f" The chart and the table show the other {count(more)} too." if more > 0 else ""


def _verdicts(rows: Sequence[ClaimRow]) -> str:
    claims, verdicts = len({row.claim for row in rows}), len(rows)
    return (
        f"{verdicts} verdict{'' if verdicts == 1 else 's'} on "
        f"{claims} claim{'' if claims == 1 else 's'}"
    )


def tally(rows: Sequence[ClaimRow]) -> str:
    """How many rows have each verdict on direction, the most frequent first."""
    counts = Counter(row.direction for row in rows)
    return ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())


def _metric(row: ClaimRow) -> str:
    name = metric_words(row.metric)
    return f"{name} on {row.altered}" if row.altered else name


def _short(row: ClaimRow) -> list[str]:
    """The first word of each protocol."""
    return [protocol.partition("_")[0] for protocol in row.protocol.split(" over ")]


def _source(row: ClaimRow) -> str:
    tables = " and ".join(f"{row.paper.upper()}-{table}" for table in row.tables.split())
    return tables or row.paper


def _question(row: ClaimRow) -> str:
    return f"{row.pair}, {_metric(row)} on {row.dataset}, {row.protocol} ({_source(row)})"


def _answer(row: ClaimRow) -> str:
    """One sentence with the verdict, the estimate, its interval and what it rests on.

    A ratio of costs has neither seeds nor faces, one seed no interval.
    """
    unit = "" if is_ratio(row) else " points"
    text = f"{row.direction.capitalize()}: {amount(row, row.estimate)}{unit}"
    if not (isnan(row.low) or isnan(row.high)):
        text += f" (95 % interval {bounds(row)})"
    if not isnan(row.printed):
        text += f", printed {amount(row, row.printed)}"
    if row.n_seeds:
        text += f"; {count(row.n_seeds)} seed{'' if row.n_seeds == 1 else 's'}"
    if row.n_faces:
        text += f", {count(row.n_faces)} test faces"
    if row.n_clusters:
        text += f" in {count(row.n_clusters)} clusters ({row.cluster})"
    text += f", {row.recipe} recipe"
    return f"{text}. To decide it: {row.decided_by}." if is_undecided(row) else f"{text}."


def _charts(rows: Sequence[ClaimRow]) -> list[Chart]:
    """One chart of all claims about differences; none if there are none."""
    chosen = [row for row in rows if row.variant_b and not is_ratio(row)]
    if not chosen:
        return []
    estimates = [
        Estimate(
            f"{row.pair}, {' over '.join(_short(row))}",
            row.estimate,
            row.low,
            row.high,
            filled=not is_undecided(row),
        )
        for row in chosen
    ]
    title = "gain of A over its control B, printed and ours, in percentage points"
    printed, verdicts = [row.printed for row in chosen], [row.direction for row in chosen]
    return [claim_chart("claims", title, estimates, printed, verdicts)]


def _verdict(row: ClaimRow) -> dict[str, Value]:
    amount = (lambda value: real(value, 2)) if is_ratio(row) else difference
    missing = Value(NOTHING, float("nan"))
    # The verdict and what it rests on come first: a narrow window scrolls the rest.
    return {
        "claim": word(f"{row.claim} ({_source(row)})"),
        "direction": word(row.direction),
        "A over B": word(row.pair),
        "ours, points": amount(row.estimate),
        "95 % interval": Value(bounds(row), row.low),
        "printed A − B, points": missing if isnan(row.printed) else amount(row.printed),
        "size": word(row.size),
        "p corrected": probability(row.p_corrected),
        "data": word(f"{row.dataset}, {row.protocol}"),
        "metric": word(_metric(row)),
        "seeds": number(row.n_seeds or None),
        "test faces": number(row.n_faces),
        "clusters": number(row.n_clusters),
    }


def _conditions(row: ClaimRow) -> dict[str, Value]:
    return {
        "claim": word(row.claim),
        "A over B": word(row.pair),
        "protocol": word(row.protocol),
        "recipe": word(row.recipe),
        "decided by": word(row.decided_by),
        "conditions": word(row.conditions),
    }
