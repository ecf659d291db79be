"""`claims.csv`: what a study's runs say about claims, and the same of all studies together.

One row per claim, data set, protocol and pair of variants. `reports/claims.csv` has the rows of all
studies and, without a study, a row for each claim of the catalogue that none of them has tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.errors import InputError
from ferbench.files import whole_file

__all__ = [
    "AGAINST_SENTENCE",
    "COLUMNS",
    "NOT_TESTED",
    "ClaimRow",
    "claim_frame",
    "read_claims",
    "write_claims",
]

NOT_TESTED = "not tested"  # direction and size of a claim that no study has tested
# A condition: the verdict is about the sign of the printed difference, not about the sentence.
AGAINST_SENTENCE = "the printed numbers are against the claim's sentence"


@dataclass(frozen=True)
class ClaimRow:
    """One claim under one protocol.

    Args:
        claim: its id.
        paper: `p0` to `p4`, or another word.
        tables: of the paper, joined by spaces.
        source: the data set that the claim is about; empty if it was tested on another one.
        study: its name; empty if no study has tested the claim.
        dataset: name of the study's data set.
        protocol: that split it; of claims about protocols, `<by image> over <by person>`.
        metric: as in the claim.
        robustness: of altered test images, `<kind>:<condition>`; empty for test as it is.
        variant_a: the one that is claimed to be better.
        variant_b: its control; empty for claims about a threshold.
        recipe: `paper`, or `reduced` if network or training of a variant differ from the paper's.
        n_seeds: that both variants have.
        n_faces: different test faces; 0 where they were not counted.
        n_clusters: of them, such as persons; 0 likewise.
        cluster: what a cluster is: `person`, `image`, or `person or image`; empty likewise.
        printed: A minus B as printed, as a fraction; NaN where none is printed, or not of this
            data set.
        estimate: ours.
        low: lower bound of its 95 % interval; NaN with one seed.
        high: upper bound.
        p_value: two-sided, of no difference.
        p_corrected: by the study's correction over the claims of its family.
        direction: a verdict of `ferbench.stats.claims.direction`, or `NOT_TESTED`.
        size: a verdict of `ferbench.stats.claims.size`; `not comparable` if a gain is printed and
            none of ours has learned the classes; or `NOT_TESTED`.
        decided_by: the rule that gave the direction, or what would decide it.
        conditions: under which it holds, joined by `; `.
    """

    claim: str
    paper: str
    tables: str
    source: str
    study: str
    dataset: str
    protocol: str
    metric: str
    robustness: str
    variant_a: str
    variant_b: str
    recipe: str
    n_seeds: int
    n_faces: int
    n_clusters: int
    cluster: str
    printed: float
    estimate: float
    low: float
    high: float
    p_value: float
    p_corrected: float
    direction: str
    size: str
    decided_by: str
    conditions: str

    @property
    def pair(self) -> str:
        """A over B, or A alone where there is no other variant."""
        other = self.variant_b if self.variant_b != self.variant_a else ""
        return f"{self.variant_a} over {other}" if other else self.variant_a

    @property
    def altered(self) -> str:
        """How test images were altered, in words such as `canvas 48`; empty if they were not."""
        return self.robustness.replace(":", " ")

    @property
    def is_about_protocols(self) -> bool:
        """Whether it compares a variant with itself, under two protocols."""
        return self.variant_a == self.variant_b

    @property
    def key(self) -> tuple[str, ...]:
        """As `ferbench.config.claims.Claim.key`, with empty texts for None."""
        return (
            *(self.claim, self.source, self.metric),
            *(self.variant_a, self.variant_b, self.robustness),
        )


COLUMNS = tuple(field.name for field in fields(ClaimRow))
_TEXTS = [field.name for field in fields(ClaimRow) if field.type == "str"]
_COUNTS = [field.name for field in fields(ClaimRow) if field.type == "int"]


def claim_frame(rows: Iterable[ClaimRow]) -> pd.DataFrame:
    """Rows as a table with the columns of `claims.csv`."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))


def write_claims(path: Path, rows: Iterable[ClaimRow]) -> None:
    """Write a `claims.csv`; without rows it has its columns."""
    with whole_file(path) as temporary:
        table = claim_frame(rows)
        # Small p-values need significant digits, not decimals.
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def read_claims(path: Path) -> list[ClaimRow]:
    """The rows of a `claims.csv`.

    Raises:
        InputError: there is no such file, or its columns are others.
    """
    remedy = "`dvc repro claims` makes it"
    if not path.is_file():
        raise InputError("no claims", where=path, remedy=remedy)
    table = pd.read_csv(path, dtype=dict.fromkeys(_TEXTS, "str"))
    if tuple(table.columns) != COLUMNS:
        raise InputError(
            f"columns are {list(table.columns)}, not {list(COLUMNS)}", where=path, remedy=remedy
        )
    filled = table.fillna(dict.fromkeys(_TEXTS, ""))
    return [_row(record) for record in filled.to_dict("records")]


def _row(record: Mapping[Any, Any]) -> ClaimRow:
    """A record with Python's own numbers in place of pandas'."""
    kinds = {name: str if name in _TEXTS else int if name in _COUNTS else float for name in COLUMNS}
    values: dict[str, Any] = {name: kind(record[name]) for name, kind in kinds.items()}
    return ClaimRow(**values)
