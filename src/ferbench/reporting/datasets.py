"""A data set's part of the report: counts, promises, and how much its split leaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.reporting.blocks import Table, Value, number, share, word
from ferbench.reporting.numbers import count, interval, percent

__all__ = ["audit_pairs", "baseline_table", "count_pairs", "promise_table", "size_table"]

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
            "promise": word(str(p["expectation"])),
            "kept": word("yes" if p["holds"] else "no"),
            "observed": word(str(p["observed"])),
        }
        for p in sorted(facts["expectations"], key=lambda p: bool(p["holds"]))
    ]
    return Table(f"promises_{key}", tuple(rows))


def size_table(key: str, audit: Mapping[str, Any]) -> Table:
    """The most frequent sizes of the images."""
    total = sum(audit["images"].values())
    rows = [
        {
            "size, px": Value(f"{row['width']} × {row['height']}", row["width"] * row["height"]),
            "images": number(row["images"]),
            "share %": share(row["images"] / total),
        }
        for row in audit.get("sizes") or ()
    ]
    return Table(f"sizes_{key}", tuple(rows))


def audit_pairs(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Words and numbers of what the audit saw in the pictures themselves."""
    pairs = [(f"images in {side}", count(images)) for side, images in audit["images"].items()]
    channels = audit.get("channels") or {}
    pairs += [(f"stored in {name}", count(images)) for name, images in channels.items()]
    for key, words in (("flat_images", "flat images"), ("not_faces", "pictures of no face")):
        if audit.get(key) is not None:
            pairs.append((words, count(audit[key])))
    if votes := audit.get("votes"):
        words = "mean share of raters behind a label, %"
        pairs += [("images with raters' votes", count(votes["images"]))]
        pairs += [(words, percent(votes["agreement"]))]
    return pairs


def baseline_table(key: str, floor: Mapping[str, Any]) -> Table:
    """Naive baselines on this split and on others of the same images."""
    redraws, folds = floor.get("redraws"), floor.get("ten_folds")
    rows = [_floor("this split, test", floor["split"])]
    if floor.get("val"):
        rows.append(_floor("this split, val", floor["val"]))
    if redraws:
        raw = redraws["nearest_neighbour"]
        bounds = interval(raw["low"], raw["high"])
        words = f"mean of {raw['n']} draws of the protocol (raw: 95 % interval {bounds})"
        rows.append(_floor(words, {name: drawn["mean"] for name, drawn in redraws.items()}))
    for kind, words in (
        ("random", "ten folds at random, persons on both sides"),
        ("by_person", "ten folds by person"),
    ):
        known = {name: accuracy.get(kind) for name, accuracy in (folds or {}).items()}
        if any(value is not None for value in known.values()):
            rows.append(_floor(words, known))
    return Table(f"baselines_{key}", tuple(rows))


def _floor(words: str, accuracies: Mapping[str, float | None]) -> dict[str, Value]:
    return {
        "split": word(words),
        "1-NN on raw pixels %": share(accuracies.get("nearest_neighbour")),
        "standardised pixels %": share(accuracies.get("nearest_neighbour_standardised")),
        "majority class %": share(accuracies.get("majority_class")),
    }
