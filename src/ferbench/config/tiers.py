"""Narrower tiers of the papers' networks, which answer claims where whole networks cost too much.

A row of the catalogue is a tier of another one if it differs from it in nothing but the options of
`_SIZES`. A claim that A is better than B is tested on a tier as well, if the study has A and B in
it: the conditions of the verdict say which options differ
(`ferbench.config.deviations.network_deviations`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ferbench.config.claims import Claim

__all__ = ["Tier", "claims_of_tiers", "tiers_of"]

# Options by column: of size, and the gain that lets a short training of few channels learn classes.
_SIZES = {"backbone": ("width",), "head": ("hidden",), "loss": ("cls_gain",)}
_OF_WHOLE_NETWORKS = ("ratio", "threshold", "protocol")  # kinds of claims


@dataclass(frozen=True)
class Tier:
    """Which row another one is a narrower tier of.

    Args:
        whole: name of the whole row.
        size: its options of size; rows of one size are compared with each other.
    """

    whole: str
    size: str


def tiers_of(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Tier]:
    """The rows that are narrower tiers of others.

    Args:
        rows: of a catalogue, whole.

    Returns:
        By name.
    """
    parts = {name: _parts(row) for name, row in rows.items()}
    whole = {plain: name for name, (plain, size) in reversed(parts.items()) if size == "{}"}
    return {
        name: Tier(whole[plain], size)
        for name, (plain, size) in parts.items()
        if size != "{}" and plain in whole
    }


def claims_of_tiers(
    claims: Iterable[Claim], tiers: Mapping[str, Tier], variants: Collection[str], data: set[str]
) -> Iterator[Claim]:
    """The claims about two whole rows, for each tier of which a study has both.

    Costs and thresholds are those of whole networks, and are not claimed of narrow ones.

    Args:
        claims: of the catalogue.
        tiers: of its rows.
        variants: of the study.
        data: sources of the study's test images: a tier tests no claim on other data.
    """
    narrow = [(name, tiers[name]) for name in variants if name in tiers]
    pairs = [(a, b) for a, b in product(narrow, repeat=2) if a[1].size == b[1].size]
    for claim in claims:
        if claim.kind in _OF_WHOLE_NETWORKS or claim.dataset not in data:
            continue
        for (a, tier_a), (b, tier_b) in pairs:
            if (tier_a.whole, tier_b.whole) == (claim.a, claim.b):
                yield replace(claim, a=a, b=b)


def _parts(row: Mapping[str, Any]) -> tuple[str, str]:
    """A row without its options of size, and these, each as a text that can be compared."""
    plain: dict[str, Any] = {}
    size: dict[str, Any] = {}
    for column, options in row.get("options", {}).items():
        sizes = _SIZES.get(column, ())
        size |= {f"{column}.{key}": value for key, value in options.items() if key in sizes}
        rest = {key: value for key, value in options.items() if key not in sizes}
        plain |= {column: rest} if rest else {}
    return _text({**row, "options": plain}), _text(size)


def _text(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)
