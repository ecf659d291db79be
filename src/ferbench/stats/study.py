"""All tables of a study's comparisons."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pandas as pd

from ferbench.files import whole_file
from ferbench.params import Compare
from ferbench.stats.compare import compare_variants
from ferbench.stats.detectable import detectable_differences
from ferbench.stats.evidence import Evidence
from ferbench.stats.ranking import rank_variants

__all__ = ["compare_study", "write_tables"]


def compare_study(
    evidence: Evidence, how: Compare, order: Sequence[str], falling: Collection[str] = ()
) -> dict[str, pd.DataFrame]:
    """The tables `comparisons`, `omnibus`, `ranks` and `power`; one without rows has its columns.

    Args:
        evidence: of the study.
        how: which metrics and tests.
        order: all variants, the baseline first.
        falling: metrics of which less is better.

    Raises:
        InputError: a test needs what is not there.
    """
    omnibus, ranks = rank_variants(evidence, how, order, falling)
    return {
        "comparisons": compare_variants(evidence, how, order),
        "omnibus": omnibus,
        "ranks": ranks,
        "power": detectable_differences(evidence, how, order),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write every table as `<name>.csv`."""
    for name, table in tables.items():
        with whole_file(folder / f"{name}.csv") as temporary:
            # Small p-values need significant digits, not decimals.
            table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
