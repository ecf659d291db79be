"""The verdicts of several studies, and the claims that none of them has tested."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ferbench.artifacts.claims import NOT_TESTED, ClaimRow, read_claims
from ferbench.config.catalogue import Catalogue
from ferbench.config.claims import Claim, load_claims
from ferbench.config.tiers import Tier, tiers_of
from ferbench.reporting.settled import of_whole_networks
from ferbench.reporting.withdrawn import read_withdrawn

__all__ = ["all_claims", "known_tiers"]


def known_tiers(root: Path) -> dict[str, Tier]:
    """The tiers of the catalogue's rows; none in a project without a catalogue."""
    studies = root / "studies"
    has_rows = (studies / "catalogue" / "variants.yaml").is_file()
    return tiers_of(Catalogue(studies / "any.yaml").variants) if has_rows else {}


def all_claims(root: Path, studies: Collection[str]) -> list[ClaimRow]:
    """The rows of every study that is not withdrawn, then the catalogue's untested claims.

    A claim counts as tested by a study on the claim's own data set, of a narrower tier of its
    variants too. A study of one seed has no interval and tests nothing. Where two studies share the
    trainings of a comparison, it counts once, with the stricter of their corrections.

    Args:
        root: the project's folder; without `studies/catalogue/claims.yaml` nothing is untested.
        studies: names of those that count.

    Raises:
        InputError: a file is faulty.
    """
    reports = root / "reports"
    withdrawn = read_withdrawn(reports)
    paths = [reports / name / "claims.csv" for name in sorted({*studies} - {*withdrawn})]
    rows = [row for path in paths if path.is_file() for row in read_claims(path)]
    rows = _once([row for row in rows if not math.isnan(row.low)])
    catalogue = root / "studies" / "catalogue" / "claims.yaml"
    claims = load_claims(catalogue) if catalogue.is_file() else ()
    tiers = known_tiers(root)
    tested = {of_whole_networks(row, tiers).key for row in rows if row.source}
    named = {row.claim for row in rows if row.source}
    return rows + [
        _untested(claim)
        for claim in claims
        # A claim about protocols is tested by any variant.
        if (claim.id not in named if claim.kind == "protocol" else _key(claim) not in tested)
    ]


def _once(rows: Sequence[ClaimRow]) -> list[ClaimRow]:
    """Of equal comparisons with equal results, the one whose p-value is corrected for more tests.

    Equal seeds, recipes, faces, estimates and bounds are those of the same trainings: a study was
    extended under another name.
    """
    strictest: dict[str, ClaimRow] = {}
    for row in rows:
        # All but what depends on the study's name and the number of its comparisons; as text, in
        # which a missing number equals another.
        shared = repr(replace(row, study="", p_corrected=0.0, direction="", decided_by=""))
        known = strictest.get(shared)
        if known is None or row.p_corrected > known.p_corrected:
            strictest[shared] = row
    kept = {id(row) for row in strictest.values()}
    return [row for row in rows if id(row) in kept]


def _key(claim: Claim) -> tuple[str, ...]:
    return tuple(word or "" for word in claim.key)


def _untested(claim: Claim) -> ClaimRow:
    numbers = dict.fromkeys(("estimate", "low", "high", "p_value", "p_corrected"), math.nan)
    return ClaimRow(
        claim=claim.id,
        paper=claim.paper,
        tables=" ".join(claim.tables),
        source=claim.dataset,
        study="",
        dataset="",
        protocol="",
        metric=claim.metric,
        robustness=claim.robustness,
        variant_a=claim.a,
        variant_b=claim.b or "",
        recipe="",
        n_seeds=0,
        n_faces=0,
        n_clusters=0,
        cluster="",
        printed=math.nan if claim.gain is None else claim.gain,
        direction=NOT_TESTED,
        size=NOT_TESTED,
        decided_by="a study with both variants on this data set",
        conditions="",
        **numbers,
    )
