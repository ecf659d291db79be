"""Variants against their controls, by every test; all at once by ranks; what is detectable.

The first test of `compare.tests` decides, which is the primary one unless the study says otherwise;
the agreement matrix shows what the others say. Pairs that no control joins are exploratory: they
stand folded at the end, without the word significant.

Source of the ranks: J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets",
JMLR 7, 2006.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from math import isnan
from typing import Any

import pandas as pd

from ferbench.reporting.blocks import (
    Block,
    Table,
    Value,
    difference,
    number,
    probability,
    real,
    share,
    word,
)
from ferbench.reporting.charts import Chart, Estimate, difference_chart, rank_chart
from ferbench.reporting.numbers import interval, p_value
from ferbench.reporting.study_files import Comparison, StudyFiles
from ferbench.stats.agreement import agreement, disagreement

__all__ = ["build"]

_COLUMNS = [field.name for field in fields(Comparison)]
_UNFOLDED = 30  # rows of a table that is shown at once

# What tables have in place of a data set and a protocol where they are about all of them.
_ALL = ("all", "all")


def build(study: StudyFiles) -> Block:
    """A card on all data sets together, if there is a test over them, and one a data set row."""
    together = rank_block(study, _ALL, "studywide")
    cards = [_card(study, key) for key in study.keys]
    if together:
        cards.insert(0, Block("All data sets together", parts=(together,)))
    return Block("Comparisons", parts=cards)


def _card(study: StudyFiles, key: str) -> Block:
    (name, protocol), compare = study.place(key), study.params.compare
    pairs = [c for c in study.comparisons if c.place == (name, protocol)]
    planned = [c for c in pairs if c.is_planned]
    others = [c for c in pairs if not c.is_planned]
    first = [c for c in planned if (c.metric, c.test) == (study.metric, compare.tests[0])]
    alpha = compare.alpha
    tables = [_pairs(f"comparisons_{key}", first, alpha, title="against the control, first test")]
    if len(planned) > len(first):
        title = "against the control, all metrics and tests"
        tables.append(_pairs(f"pairs_{key}", planned, alpha, title=title, folded=True))
    note = (
        "A is the control of B. Positive: B is higher. Two-sided p, corrected "
        f"({compare.correction}) over the pairs with controls of one metric and test; significant "
        f"at {alpha}. “Based on” says what the test takes for samples: one based on seeds only "
        f"says nothing about other faces. {study.source(key)}."
    )
    parts = (
        _agreement_block(planned, key, alpha),
        rank_block(study, (name, protocol), key),
        _power_block(study, key),
        _exploratory_block(others, key),
    )
    return Block(
        title=name,
        tags=(protocol,),
        words=() if first else ("There is no pair of a variant and its control to compare.",),
        charts=[*_differences(study, key, first)],
        tables=tables,
        note=note if first else "",
        parts=[part for part in parts if part],
    )


def _differences(study: StudyFiles, key: str, pairs: Sequence[Comparison]) -> Iterator[Chart]:
    """The difference of every variant from its control."""
    alpha, rows = study.params.compare.alpha, sorted(pairs, key=lambda c: -c.estimate)
    if rows:
        controls = list(dict.fromkeys(c.variant_a for c in rows))
        whose = f"the control {controls[0]}" if len(controls) == 1 else "the control"
        title = f"difference of {rows[0].metric} from {whose} on {study.place(key)[0]}"
        estimates = [
            Estimate(
                c.variant_b if len(controls) == 1 else f"{c.variant_b} − {c.variant_a}",
                c.estimate,
                c.low,
                c.high,
                filled=c.p_corrected <= alpha,
            )
            for c in rows
        ]
        yield difference_chart(f"differences_{key}", title, estimates)


def _pairs(
    name: str, pairs: Sequence[Comparison], alpha: float, *, title: str, folded: bool = False
) -> Table:
    """Every pair of a variant and its control, by metric and rising corrected p-value."""
    rows = [
        {
            **_pair_row(c),
            "p corrected": probability(c.p_corrected),
            "significant": word("yes" if c.p_corrected <= alpha else "no"),
            "n": number(c.n),
            "based on": word(c.basis),
        }
        for c in sorted(pairs, key=lambda c: (c.metric, isnan(c.p_corrected), c.p_corrected))
    ]
    return Table(name, rows, folded=folded, title=title)


def _pair_row(c: Comparison) -> dict[str, Value]:
    return {
        "metric": word(c.metric),
        "A": word(c.variant_a),
        "B": word(c.variant_b),
        "B − A, points": difference(c.estimate),
        "95 % interval": Value(interval(c.low, c.high), c.low),
        "effect size": real(c.effect_size, 2),
        "test": word(c.test),
        "p": probability(c.p_value),
    }


def _agreement_block(pairs: Sequence[Comparison], key: str, alpha: float) -> Block | None:
    """What each test decides about each pair; None with fewer than two tests."""
    matrix = agreement(pd.DataFrame([asdict(c) for c in pairs], columns=_COLUMNS), alpha)
    tests = [str(name) for name in matrix.columns if name in {c.test for c in pairs}]
    if len(tests) < 2:
        return None
    records = matrix.to_dict("records")
    rows = [
        {
            "metric": word(str(row["metric"])),
            "A": word(str(row["variant_a"])),
            "B": word(str(row["variant_b"])),
            **{test.replace("_", " "): word(str(row[test])) for test in tests},
            "agree": word("yes" if row["agree"] else "no"),
        }
        for row in records
    ]
    texts = [text for row in records if (text := disagreement(row, tests))]
    head = (
        f"The tests disagree about {len(texts)} of {len(rows)} comparisons."
        if texts
        else "No two tests decide differently about a pair."
    )
    return Block(
        "Agreement of the tests",
        words=(head, *texts),
        tables=(Table(f"agreement_{key}", rows, folded=bool(len(rows) > _UNFOLDED)),),
        note="A test decides for a variant where its corrected p is at most "
        f"{alpha}. Tests based on seeds only and tests based on faces ask different questions: "
        f"about new seeds on these faces, and about new faces. {tests[0].replace('_', ' ')} is the "
        "one that counts.",
    )


def _exploratory_block(pairs: Sequence[Comparison], key: str) -> Block | None:
    """Pairs that no control joins; None if there are none."""
    if not pairs:
        return None
    rows = [
        {**_pair_row(c), "n": number(c.n), "based on": word(c.basis)}
        for c in sorted(pairs, key=lambda c: (c.metric, isnan(c.p_value), c.p_value))
    ]
    return Block(
        "Appendix: exploratory pairs",
        tables=(Table(f"exploratory_{key}", rows, title="all metrics and tests"),),
        note="Pairs of variants that are not each other's control. The study does not test them: p "
        "is not corrected for their number, so that small values are to be expected by chance.",
        folded=True,
    )


def rank_block(study: StudyFiles, place: tuple[str, str], name: str) -> Block | None:
    """Tests over all variants with their mean ranks; None if the study has none.

    Args:
        study: its files.
        place: data set and protocol, or `all` twice for all data sets together.
        name: that ends the names of files.
    """
    tests, ranks = (_at(study.tables.get(table), place) for table in ("omnibus", "ranks"))
    if tests.empty:
        return None
    words, charts, alpha = [], [], study.params.compare.alpha
    for row in tests[tests["metric"] == study.metric].to_dict("records"):
        words.append(_rank_words(row, alpha))
        if not _why_no_ranks(row):
            own = ranks[(ranks["metric"] == row["metric"]) & (ranks["test"] == row["test"])]
            own = own.sort_values("mean_rank", kind="stable")
            mean_ranks = {
                str(v): float(r) for v, r in zip(own["variant"], own["mean_rank"], strict=True)
            }
            title = f"mean ranks of {row['metric']} by {_name(row)}, best left"
            critical = float(row["critical_difference"])
            charts.append(rank_chart(f"ranks_{name}_{row['test']}", title, mean_ranks, critical))
    note = (
        f"A block is a seed{' on each data set' if place == _ALL else ''}. Seeds on one test set "
        "are no independent data sets: ranks show how stable the order is under other seeds, not "
        "on other data."
    )
    if charts:
        note += " A bar joins variants whose ranks differ by less than the critical difference."
    table = Table(f"omnibus_{name}", [_rank_row(row, alpha) for row in tests.to_dict("records")])
    return Block("All variants at once", words=words, charts=charts, tables=(table,), note=note)


def _at(table: pd.DataFrame | None, place: tuple[str, str]) -> pd.DataFrame:
    if table is None or table.empty:
        return pd.DataFrame()
    return table[(table["dataset"] == place[0]) & (table["protocol"] == place[1])]


def _name(row: Mapping[Hashable, Any]) -> str:
    return str(row["test"]).replace("_", " ")


def _why_no_ranks(row: Mapping[Hashable, Any]) -> str:
    """Why mean ranks would mean nothing; empty if they mean something."""
    if row["variants"] < 2:
        return "there are fewer than two variants"
    if row["blocks"] < 2:
        return "there are fewer than two blocks to rank them in"
    return "it gives no critical difference" if isnan(row["critical_difference"]) else ""


def _rank_words(row: Mapping[Hashable, Any], alpha: float) -> str:
    head, p = f"{_name(row).capitalize()}, {row['metric']}", float(row["p_value"])
    if isnan(p):
        reason = _why_no_ranks(row)
        return f"{head}: no test was possible and a rank diagram would mean nothing: {reason}."
    found = "differ" if p <= alpha else "do not differ significantly"
    return (
        f"{head}: the {row['variants']} variants {found} as a whole over {row['blocks']} blocks "
        f"(p {'' if p < 0.001 else '= '}{p_value(p)})."
    )


def _rank_row(row: Mapping[Hashable, Any], alpha: float) -> dict[str, Value]:
    return {
        "test": word(str(row["test"])),
        "metric": word(str(row["metric"])),
        "variants": number(row["variants"]),
        "blocks": number(row["blocks"]),
        "statistic": real(row["statistic"], 2),
        "p": probability(row["p_value"]),
        "critical difference of ranks": real(row["critical_difference"], 2),
        "significant": word("yes" if row["p_value"] <= alpha else "no"),
    }


def _power_block(study: StudyFiles, key: str) -> Block | None:
    """The minimum detectable difference of every tested pair; None if nothing was computed."""
    table = study.table("power", key)
    if table.empty:
        return None
    rows = [
        {
            "metric": word(str(row["metric"])),
            "A": word(str(row["variant_a"])),
            "B": word(str(row["variant_b"])),
            "test": word(str(row["test"])),
            "n": number(row["n"]),
            "standard deviation, points": share(row["spread"]),
            "minimum detectable difference, points": share(row["detectable"]),
            "power %": share(row["power"]),
            "significance": real(row["alpha"], 4),
        }
        for row in table.to_dict("records")
    ]
    return Block(
        title="Minimum detectable differences",
        words=(
            "A true difference of this size is found with the power beside it. “Not significant” "
            "says nothing about a smaller one. Every pair has the variance of its test and, as "
            "level, that of the correction's strictest step.",
        ),
        tables=(Table(f"power_{key}", rows, folded=len(rows) > _UNFOLDED),),
    )
