"""Annotated faces as boxes in pixels inside their image."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ferbench.artifacts.index import write_index
from ferbench.data.images import Checked, check_images
from ferbench.data.source import Box, Fault, Reading, Record, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.files import fresh_folder, write_json

__all__ = [
    "Cleaned",
    "Placed",
    "Policy",
    "Resolved",
    "deduplicate",
    "list_images",
    "place_faces",
    "resolve",
    "write_cleaned",
]

# Fractions are printed with few digits; their product with the width may be half a pixel off.
ROUNDING_PX = 0.5
MIN_SIDE_PX = 1.0


@dataclass(frozen=True)
class Placed:
    """The faces of one image.

    Args:
        faces: as the index stores them.
        clipped: how many boxes left the image and were cut at its border.
        faults: what is wrong with each face that was left out.
    """

    faces: list[dict[str, Any]]
    clipped: int
    faults: list[str]


def place_faces(record: Record, width: int, height: int) -> Placed:
    """Boxes in pixels, cut at the border; an image without boxes is one face as a whole."""
    if not record.faces:
        whole = Box(0, 0, width, height, record.emotion)
        return Placed([_face(whole)], 0, [])
    faces, clipped, faults = [], 0, []
    scale_x, scale_y = (width, height) if record.normalised else (1, 1)
    tolerance = ROUNDING_PX if record.normalised else 0.0
    for number, box in enumerate(record.faces):
        left, right = box.left * scale_x, box.right * scale_x
        top, bottom = box.top * scale_y, box.bottom * scale_y
        inside = Box(max(left, 0), max(top, 0), min(right, width), min(bottom, height), box.emotion)
        excess = max(-left, -top, right - width, bottom - height)
        if not math.isfinite(excess) or _side(inside) < MIN_SIDE_PX:
            faults.append(f"face {number} has no area inside the image")
            continue
        clipped += excess > tolerance
        faces.append(_face(inside))
    return Placed(faces, clipped, faults)


def _side(box: Box) -> float:
    return min(box.right - box.left, box.bottom - box.top)


def _face(box: Box) -> dict[str, Any]:
    return {
        "left": float(box.left),
        "top": float(box.top),
        "right": float(box.right),
        "bottom": float(box.bottom),
        "emotion": box.emotion,
    }


# MERGED from ferbench.data.dedup:
# Byte-equal images: which copy stays, and what happens when their labels disagree.


Policy = Literal["drop_all", "majority", "keep_first"]
Row = dict[str, Any]

# An official test set stays whole: its copies leave train, not the other way round.
_PREFERRED = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass
class Resolved:
    """A data set without byte-equal copies.

    Args:
        kept: index rows that stay.
        dropped: rows of `dropped.csv`.
        counts: groups and images, as found, before the policy is applied.
    """

    kept: list[Row] = field(default_factory=list)
    dropped: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def resolve(rows: Iterable[Row], policy: Policy) -> Resolved:
    """One image of every group of equal MD5, by the policy for groups whose labels disagree.

    Args:
        rows: index rows.
        policy: what to do with equal images of different labels: `drop_all` drops every copy,
            `majority` keeps the label that most copies have (none if two tie), `keep_first` keeps
            the preferred copy's label. The preferred copy is one of test, else val, else train,
            then the first by path.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["md5"]].append(row)
    result = Resolved(
        counts=Counter(duplicate_groups=0, redundant_copies=0, conflict_groups=0, conflict_images=0)
    )
    for group in groups.values():
        group.sort(key=lambda row: (_PREFERRED[row["source_split"]], row["path"]))
        labels = Counter(_label(row) for row in group)
        result.counts["duplicate_groups"] += len(group) > 1
        result.counts["redundant_copies"] += len(group) - 1
        result.counts["conflict_groups"] += len(labels) > 1
        result.counts["conflict_images"] += len(group) if len(labels) > 1 else 0
        _settle(group, labels, policy, result)
    return result


def _label(row: Row) -> tuple[str, ...]:
    """Emotions of an image's faces from left to right, each run of one emotion as one.

    Annotators outline a face twice, or stop after some of the faces; neither is another label.
    """
    faces = sorted(row["faces"], key=lambda face: (face["left"], face["top"]))
    return tuple(emotion for emotion, _ in groupby(face["emotion"] for face in faces))


def _settle(
    group: list[Row], labels: Counter[tuple[str, ...]], policy: Policy, out: Resolved
) -> None:
    kept: Row | None = group[0]
    if len(labels) > 1:
        words = " | ".join("+".join(label) for label in sorted(labels))
        reason = f"label conflict ({words}), policy {policy}"
        if policy == "drop_all":
            kept = None
        elif policy == "majority":
            (label, most), (_, second) = labels.most_common(2)
            kept = next(row for row in group if _label(row) == label) if most > second else None
    else:
        reason = "copy"
    if kept is not None:
        out.kept.append(kept)
    for row in group:
        if row is not kept:
            out.dropped.append(
                {key: row[key] for key in ("image_id", "path", "md5", "emotion")}
                | {"reason": reason, "kept": kept["image_id"] if kept else ""}
            )


# MERGED from ferbench.data.dedup:
# From a raw folder to the index: every listed image opened, every copy dropped, all of it told.


_DROPPED = ("image_id", "path", "md5", "emotion", "reason", "kept")


@dataclass(frozen=True)
class Cleaned:
    """What `dedup` found.

    Args:
        rows: of the index: readable images, one of each kind.
        dropped: rows of `dropped.csv`: copies, conflicts, and what the data set's rules leave out.
        quarantine: what is listed and cannot be used.
        counts: `dedup.json`. Images, faces, persons, sequences, clipped_boxes, polygons
            (faces given as one) and polygon_images are of all readable images; unique and emotions
            of the index; quarantined counts files, not reasons.
    """

    rows: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    quarantine: list[Fault]
    counts: dict[str, Any]


def list_images(source: Source, root: Path) -> Reading:
    """The source's reading of its raw folder.

    Raises:
        InputError: there is no raw folder, or the source cannot read it.
    """
    if not root.is_dir():
        raise InputError("no raw data", where=root, remedy="run stage download first")
    return source.read(root)


def deduplicate(
    reading: Reading, root: Path, dataset: str, policy: Policy, min_side_px: int
) -> Cleaned:
    """Open every image of a reading and drop copies by policy.

    Args:
        reading: of the source.
        root: the raw folder.
        dataset: name of the data set, for the index.
        policy: see `duplicates.resolve`.
        min_side_px: smallest side of a usable image.

    Raises:
        InputError: nothing readable is left.
    """
    found = _Found(list(reading.faults))
    checked = check_images([root / record.path for record in reading.records], min_side_px)
    for record, check in zip(reading.records, checked, strict=True):
        found.add(record, check, dataset)
    faults = sorted(found.faults, key=lambda fault: (fault.path, fault.reason))
    if not found.rows:
        first = f"; {faults[0].path}: {faults[0].reason}" if faults else ""
        raise InputError(
            f"none of {len(reading.records)} listed images is readable{first}",
            where=root,
            remedy="check the row's `source` and `archive:`, then run stage download again",
        )
    resolved = resolve(found.rows, policy)
    excluded = [{"path": f.path, "reason": f"excluded: {f.reason}"} for f in reading.excluded]
    counts = {
        "images": len(found.rows),
        "unique": len(resolved.kept),
        **resolved.counts,
        "quarantined": len({fault.path for fault in faults}),
        "excluded": len(excluded),
        **found.boxes,
        **_census(found.rows, resolved.kept),
        **reading.counts,
        "declared": list(reading.emotions),
    }
    dropped = sorted([*resolved.dropped, *excluded], key=lambda d: (d["path"], d["reason"]))
    return Cleaned(resolved.kept, dropped, faults, counts)


class _Found:
    """Index rows, faults and box counts, image by image."""

    def __init__(self, faults: list[Fault]) -> None:
        self.rows: list[dict[str, Any]] = []
        self.faults = faults
        self.boxes = Counter(clipped_boxes=0, polygons=0, polygon_images=0)

    def add(self, record: Record, check: Checked | str, dataset: str) -> None:
        """Take an image up, or say why not."""
        if ".." in PurePosixPath(record.path).parts or record.path.startswith("/"):
            check = "outside the data set's folder"
        if isinstance(check, str):
            self.faults.append(Fault(record.path, check))
            return
        placed = place_faces(record, check.width, check.height)
        self.faults += [Fault(record.path, reason) for reason in placed.faults]
        if not placed.faces:
            return
        self.boxes["clipped_boxes"] += placed.clipped
        self.boxes["polygons"] += record.polygons
        self.boxes["polygon_images"] += record.polygons > 0
        self.rows.append(_row(record, check, placed.faces, dataset))


def _row(
    record: Record, check: Checked, faces: list[dict[str, Any]], dataset: str
) -> dict[str, Any]:
    return {
        "image_id": record.image_id,
        "path": record.path,
        "md5": check.md5,
        "dataset": dataset,
        "emotion": faces[0]["emotion"],
        "person": record.person,
        "sequence": record.sequence,
        "source_split": record.source_split,
        "width": check.width,
        "height": check.height,
        "channels": check.channels,
        "faces": faces,
        "votes": list(record.votes) if record.votes else None,
    }


def _census(rows: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> dict[str, Any]:
    emotions = Counter(row["emotion"] for row in kept)
    return {
        "faces": sum(len(row["faces"]) for row in rows),
        "persons": len({row["person"] for row in rows} - {None}),
        "sequences": len({row["sequence"] for row in rows} - {None}),
        "emotions": {emotion: emotions[emotion] for emotion in in_order(emotions)},
    }


def write_cleaned(folder: Path, cleaned: Cleaned) -> None:
    """Write index.parquet, dropped.csv, quarantine.csv and dedup.json, all or none of them."""
    with fresh_folder(folder) as temporary:
        write_index(temporary / "index.parquet", cleaned.rows)
        _write_table(temporary / "dropped.csv", _DROPPED, cleaned.dropped)
        faults = ({"path": f.path, "reason": f.reason} for f in cleaned.quarantine)
        _write_table(temporary / "quarantine.csv", ("path", "reason"), faults)
        write_json(temporary / "dedup.json", cleaned.counts)


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
