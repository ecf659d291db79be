"""From a raw folder to the index: every listed image opened, every copy dropped, all of it told."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ferbench.data.duplicates import Policy, resolve
from ferbench.data.face_boxes import place_faces
from ferbench.data.images import Checked, check_images
from ferbench.data.index import write_index
from ferbench.data.source import Fault, Reading, Record, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.files import fresh_folder, write_json

__all__ = ["Cleaned", "deduplicate", "list_images", "write_cleaned"]

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
