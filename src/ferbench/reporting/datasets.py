"""A data set's part of the report: counts, promises, and how much its split leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.reporting.numbers import count, interval, percent
from ferbench.reporting.tables import Table, Value

__all__ = ["count_pairs", "floor_table", "promise_table"]

_COUNTS = {
    "images": "readable images",
    "unique": "images kept",
    "duplicate_groups": "groups of equal images",
    "redundant_copies": "redundant copies removed",
    "conflict_groups": "groups of equal images with different labels",
    "conflict_images": "images in those groups",
    "quarantined": "unusable, quarantined",
    "excluded": "left out by the data set's own rules",
    "clipped_boxes": "boxes cut at the image's edge",
    "polygons": "polygons turned into boxes",
    "faces": "labelled faces",
    "persons": "persons",
    "sequences": "sequences",
}


def count_pairs(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Words and numbers of what was found in a data set."""
    known = [(word, facts.get(key)) for key, word in _COUNTS.items()]
    return [(word, count(number)) for word, number in known if number is not None]


def promise_table(key: str, facts: Mapping[str, Any]) -> Table:
    """Every promise the data must keep, and what was observed; broken ones first."""
    rows = [
        {
            "promise": Value(str(p["expectation"]), str(p["expectation"])),
            "kept": Value("yes" if p["holds"] else "no", "yes" if p["holds"] else "no"),
            "observed": Value(str(p["observed"]), str(p["observed"])),
        }
        for p in sorted(facts["promises"], key=lambda p: bool(p["holds"]))
    ]
    return Table(f"promises_{key}", tuple(rows))


def floor_table(key: str, floor: Mapping[str, Any]) -> Table:
    """What a nearest neighbour in raw pixels gets, on this split and others of the same images."""
    split, redraws, folds = floor["split"], floor.get("redraws"), floor.get("ten_folds")
    rows = [_floor("this split", split["nearest_neighbour"], split["majority_class"])]
    if redraws:
        nearest, majority = redraws["nearest_neighbour"], redraws["majority_class"]
        bounds = interval(nearest["low"], nearest["high"])
        words = f"mean of {nearest['n']} draws of the protocol (95 % interval {bounds})"
        rows.append(_floor(words, nearest["mean"], majority["mean"]))
    for kind, words in (
        ("random", "ten folds at random, persons on both sides"),
        ("by_person", "ten folds by person"),
    ):
        if folds and folds.get(kind) is not None:
            rows.append(_floor(words, folds[kind], None))
    return Table(f"floor_{key}", tuple(rows))


def _floor(words: str, nearest: float, majority: float | None) -> dict[str, Value]:
    nan = float("nan")
    return {
        "split": Value(words, words),
        "1-NN on raw pixels %": Value(percent(nearest), nearest),
        "majority class %": Value(percent(majority), nan if majority is None else majority),
    }
