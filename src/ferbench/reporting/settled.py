"""What all studies together say about the papers' claims: one verdict for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ferbench.artifacts.claims import NOT_TESTED, ClaimRow
from ferbench.config.claims import ANY
from ferbench.config.tiers import Tier

__all__ = ["MIXED", "VERDICTS", "SettledClaim", "of_whole_networks", "settle_claims"]

MIXED = "depends on the conditions"  # such as the protocol or the width of the networks
VERDICTS = ("confirmed", "contradicted", "no difference", MIXED, "undecided", NOT_TESTED)
_DECIDED = ("confirmed", "contradicted", "no difference")


@dataclass(frozen=True)
class SettledClaim:
    """A claim with the verdict of all its rows.

    Args:
        verdict: one of `VERDICTS`.
        rows: of `reports/claims.csv`, on the paper's data set; one without a study if no study
            has tested it.
    """

    verdict: str
    rows: Sequence[ClaimRow]

    @property
    def name(self) -> str:
        """In words: the claim's id, its pair, metric and data set."""
        row = self.rows[0]
        pair = "the same variant under two protocols" if row.is_about_protocols else row.pair
        where = f" on {row.source}" if row.source not in ("", ANY) else ""
        return f"{row.claim}: {pair}, {row.metric.replace('_', ' ')}{where}"

    @property
    def studies(self) -> list[str]:
        """Names of the studies that have tested it."""
        return list(dict.fromkeys(row.study for row in self.rows if row.study))


def of_whole_networks(row: ClaimRow, tiers: Mapping[str, Tier]) -> ClaimRow:
    """A row under the names of the networks whose narrower tiers it is about."""
    a, b = (tiers[name].whole if name in tiers else name for name in (row.variant_a, row.variant_b))
    return replace(row, variant_a=a, variant_b=b)


def settle_claims(
    rows: Iterable[ClaimRow], tiers: Mapping[str, Tier] | None = None
) -> list[SettledClaim]:
    """One verdict a claim, in the order of `VERDICTS`, then that of the rows.

    A test on another data set than the paper's does not settle a claim, one of narrower tiers of
    its networks does. Of a claim that several protocols or studies have tested, one decided verdict
    stands if no other one contradicts it.

    Args:
        rows: of `reports/claims.csv`.
        tiers: of the catalogue's rows.
    """
    groups: dict[tuple[str, ...], list[ClaimRow]] = defaultdict(list)
    for row in rows:
        if row.source or not row.study:
            whole = of_whole_networks(row, tiers or {})
            groups[(row.claim,) if row.is_about_protocols else whole.key].append(row)
    settled = [SettledClaim(_verdict(own), own) for own in groups.values()]
    return sorted(settled, key=lambda claim: VERDICTS.index(claim.verdict))


def _verdict(rows: Sequence[ClaimRow]) -> str:
    found = {row.direction for row in rows if row.study}
    if not found:
        return NOT_TESTED
    decided = [verdict for verdict in _DECIDED if verdict in found]
    if not decided:
        return "undecided"
    return decided[0] if len(decided) == 1 else MIXED
