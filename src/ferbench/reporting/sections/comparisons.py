"""Variants against each other: pairs, all at once by ranks, and what differences are detectable.

Source of the ranks: J. Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets",
JMLR 7, 2006.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
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

__all__ = ["build"]

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
    pairs = [c for c in study.comparisons if (c.dataset, c.protocol) == (name, protocol)]
    first = [c for c in pairs if (c.metric, c.test) == (study.metric, compare.tests[0])]
    alpha = compare.alpha
    tables = [_pairs(f"comparisons_{key}", first, alpha, title="first metric and test")]
    if len(pairs) > len(first):
        title = "all metrics and tests"
        tables.append(_pairs(f"pairs_{key}", pairs, alpha, title=title, folded=True))
    note = (
        f"Positive: B is higher. Two-sided p, corrected ({compare.correction}) over all pairs of "
        f"one metric and test; significant at {alpha}. {study.source(key)}."
    )
    parts = (rank_block(study, (name, protocol), key), _power_block(study, key))
    return Block(
        title=name,
        tags=(protocol,),
        words=() if first else ("There is no pair of variants to compare.",),
        charts=[*_differences(study, key, first)],
        tables=tables,
        note=note if first else "",
        parts=[part for part in parts if part],
    )


def _differences(study: StudyFiles, key: str, pairs: Sequence[Comparison]) -> Iterator[Chart]:
    """The difference of every variant from the study's baseline."""
    baseline, alpha = study.params.study.control, study.params.compare.alpha
    rows = sorted((c for c in pairs if c.variant_a == baseline), key=lambda c: -c.estimate)
    if rows:
        title = (
            f"difference of {rows[0].metric} from the baseline {baseline} on {study.place(key)[0]}"
        )
        estimates = [
            Estimate(c.variant_b, c.estimate, c.low, c.high, filled=c.p_corrected <= alpha)
            for c in rows
        ]
        yield difference_chart(f"differences_{key}", title, estimates)


def _pairs(
    name: str, pairs: Sequence[Comparison], alpha: float, *, title: str, folded: bool = False
) -> Table:
    """Every pair of variants, by metric and rising corrected p-value."""
    rows = [
        {
            "metric": word(c.metric),
            "A": word(c.variant_a),
            "B": word(c.variant_b),
            "B − A, points": difference(c.estimate),
            "95 % interval": Value(interval(c.low, c.high), c.low),
            "effect size": real(c.effect_size, 2),
            "test": word(c.test),
            "p": probability(c.p_value),
            "p corrected": probability(c.p_corrected),
            "significant": word("yes" if c.p_corrected <= alpha else "no"),
            "n": number(c.n),
        }
        for c in sorted(pairs, key=lambda c: (c.metric, isnan(c.p_corrected), c.p_corrected))
    ]
    return Table(name, rows, folded=folded, title=title)


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
    """The minimum detectable difference of every metric and test; None if nothing was computed."""
    table = study.table("power", key)
    if table.empty:
        return None
    rows = [
        {
            "metric": word(str(row["metric"])),
            "test": word(str(row["test"])),
            "n": number(row["n"]),
            "standard deviation, points": share(row["spread"]),
            "minimum detectable difference, points": share(row["detectable"]),
            "power %": share(row["power"]),
            "significance": real(row["alpha"], 3),
        }
        for row in table.to_dict("records")
    ]
    return Block(
        title="Minimum detectable differences",
        words=(
            "A true difference of this size is found with the power beside it. “Not significant” "
            "says nothing about a smaller one.",
        ),
        tables=(Table(f"power_{key}", rows),),
    )
