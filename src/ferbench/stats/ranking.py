"""All variants at once: the tables of ranks and of tests on them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.params import Compare
from ferbench.stats.evidence import Evidence, Part
from ferbench.stats.ranks import mean_ranks
from ferbench.stats.samples import by_seed

__all__ = ["OMNIBUS_COLUMNS", "RANK_COLUMNS", "rank_variants"]

OMNIBUS_COLUMNS = (
    "study",
    "dataset",
    "protocol",
    "metric",
    "test",
    "blocks",
    "variants",
    "statistic",
    "p_value",
    "critical_difference",
)
RANK_COLUMNS = ("study", "dataset", "protocol", "metric", "test", "variant", "mean_rank")
_ALL = {"dataset": "all", "protocol": "all"}


def rank_variants(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Omnibus tests and mean ranks, on test; rank 1 is the best.

    Every data set and protocol is a row with seeds for blocks. A study of several has one more,
    `all`, with a block for every data set and seed. Only blocks with all variants count; a variant
    that has no value of the metric somewhere is left out there. Seeds on one test set are not
    independent data sets: ranks over one data set say how surely its order would come again with
    other seeds, and nothing of other data.

    Args:
        evidence: of the study.
        how: which metrics and tests, and the level of critical differences.
        order: all variants.
        falling: metrics of which less is better.

    Returns:
        Rows of `omnibus.csv` and rows of `ranks.csv`.
    """
    tests = {name: plugins.load("ferbench.stats.omnibus", name) for name in how.omnibus}
    found: list[dict[str, Any]] = []
    ranks: list[dict[str, Any]] = []
    parts = list(evidence.parts())
    for metric in how.metrics:
        sign = -1 if metric in falling else 1
        for place, blocks in _blocks(parts, metric, order):
            if blocks.empty or blocks.shape[1] < 2:
                continue
            scores, names = sign * blocks.to_numpy(), list(blocks.columns)
            size = {"blocks": scores.shape[0], "variants": scores.shape[1]}
            for name, test in tests.items():
                here = {**place, "metric": metric, "test": name}
                found.append({**here, **size, **test(scores, how.alpha)._asdict()})
                of_each = zip(names, mean_ranks(scores), strict=True)
                ranks += [{**here, "variant": v, "mean_rank": float(r)} for v, r in of_each]
    return (
        pd.DataFrame(found, columns=list(OMNIBUS_COLUMNS)),
        pd.DataFrame(ranks, columns=list(RANK_COLUMNS)),
    )


def _blocks(
    parts: Sequence[Part], metric: str, order: Sequence[str]
) -> Iterator[tuple[Mapping[str, str], pd.DataFrame]]:
    """A place and its (blocks, variants), for every data set and then for all of a study's."""
    for _, group in itertools.groupby(parts, key=lambda part: part.place["study"]):
        tables = []
        for part in group:
            values = by_seed(part, metric)
            values = values[[name for name in order if name in values]]
            yield part.place, values.dropna()
            if not values.empty:
                tables.append(values)
                study = part.place["study"]
        if len(tables) > 1:
            yield {"study": study, **_ALL}, pd.concat(tables, join="inner").dropna()
