"""What the data sets hold: counts, classes, sizes, expectations and licence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.charts import class_chart
from ferbench.reporting.numbers import count, percent
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]

_COUNTS = {
    "images": "readable images",
    "unique": "images kept",
    "duplicate_groups": "groups of equal images",
    "redundant_copies": "redundant copies removed",
    "conflict_groups": "groups of equal images with different labels",
    "conflict_images": "images in those groups",
    "quarantined": "unusable, quarantined",
    "excluded": "excluded by the data set's own rules",
    "clipped_boxes": "boxes clipped at the image's edge",
    "polygons": "polygons converted to boxes",
    "faces": "labelled faces",
    "persons": "persons",
    "sequences": "sequences",
}
_AUDITED = {"flat_images": "flat images", "not_faces": "images without a face"}


def build(study: StudyFiles) -> Block:
    """A card a data set; what its protocols have in common is shown once."""
    rows: dict[str, list[str]] = {}
    for key in study.keys:
        rows.setdefault(study.place(key)[0], []).append(key)
    return Block("Data", parts=[_card(study, name, keys) for name, keys in rows.items()])


def _card(study: StudyFiles, name: str, keys: Sequence[str]) -> Block:
    key, protocols = keys[0], [study.place(key)[1] for key in keys]
    facts, audit = study.facts[key], study.audits[key]
    passed = "all expectations that matter are met"
    about = {
        "Known faults": facts["faults"],
        "Version": facts["version"],
        "Licence": facts["licence"],
        "Cite": facts["citation"],
    }
    return Block(
        title=facts["title"],
        tags=(name, *protocols, *((passed,) if facts["passed"] else ())),
        alert="" if facts["passed"] else "expectations are not met",
        counts=[*_found(facts), *_audited(audit)],
        charts=(
            class_chart(f"classes_{key}", f"images of each class of {name}", facts["emotions"]),
        ),
        tables=(_splits(study, name, keys), _sizes(key, audit), _expectations(key, facts)),
        pictures=[
            one for one in study.pictures if one.synthetic and (one.key, one.variant) == (key, "")
        ],
        about=[(term, text) for term, text in about.items() if text],
        links=((f"../data/{key}.html", f"Page of this data set: reports/data/{key}.html"),),
    )


def _found(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = [(name, facts.get(key)) for key, name in _COUNTS.items()]
    return [(name, count(value)) for name, value in known if value is not None]


def _audited(audit: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the audit found in the images themselves."""
    channels = audit.get("channels") or {}
    pairs = [(f"stored in {name}", count(images)) for name, images in channels.items()]
    pairs += [
        (name, count(audit[key])) for key, name in _AUDITED.items() if audit.get(key) is not None
    ]
    if votes := audit.get("votes"):
        pairs.append(("images with raters' votes", count(votes["images"])))
        pairs.append(
            ("mean share of raters who agree with the label, %", percent(votes["agreement"]))
        )
    return pairs


def _splits(study: StudyFiles, name: str, keys: Sequence[str]) -> Table:
    """Number of images in each split, by protocol."""
    rows = [
        {
            "protocol": word(study.place(key)[1]),
            **{split: number(images) for split, images in study.audits[key]["images"].items()},
            "drawn": word("anew by every seed" if key in study.redrawn else "once"),
        }
        for key in keys
    ]
    return Table(f"splits_{name}", rows, title="images in each split")


def _sizes(key: str, audit: Mapping[str, Any]) -> Table:
    total = sum(audit["images"].values())
    rows = [
        {
            "size, px": Value(f"{row['width']} × {row['height']}", row["width"] * row["height"]),
            "images": number(row["images"]),
            "share %": share(row["images"] / total),
        }
        for row in audit.get("sizes") or ()
    ]
    return Table(f"sizes_{key}", rows, folded=True, title="most frequent image sizes")


def _expectations(key: str, facts: Mapping[str, Any]) -> Table:
    """Every expectation on the data and what was observed; those not met first."""
    rows = [
        {
            "expectation": word(str(one["expectation"])),
            "met": word("yes" if one["holds"] else "no"),
            "observed": word(str(one["observed"])),
        }
        for one in sorted(facts["expectations"], key=lambda one: bool(one["holds"]))
    ]
    return Table(f"expectations_{key}", rows, folded=True, title="expectations on the data")
