"""From a raw folder to the index: images are opened, copies and unusable files dropped.

Stage `dedup` writes `index.parquet`, with a row for every listed image and the reason why it was
dropped, and `dedup.json`, which describes the data set and counts what was found.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from ferbench.artifacts.index import image_label, write_index
from ferbench.data.images import Checked, check_images
from ferbench.data.ingest.source import Fault, Metadata, Reading, Record, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError
from ferbench.files import fresh_folder, write_json

__all__ = [
    "Cleaned",
    "Placed",
    "Policy",
    "deduplicate",
    "list_images",
    "place_faces",
    "resolve",
    "write_cleaned",
]

Policy = Literal["drop_all", "majority", "keep_first"]
Row = dict[str, Any]

# Fractions are printed with few digits; their product with the width may be half a pixel off.
ROUNDING_PX = 0.5
MIN_SIDE_PX = 1.0
# An official test set stays complete: copies of its images are dropped from train.
_PREFERENCE = {"test": 0, "val": 1, "train": 2, None: 3}


@dataclass(frozen=True)
class Cleaned:
    """A data set's index and counts.

    Args:
        rows: of the index, kept and dropped, see `ferbench.artifacts.index`.
        counts: images, faces, persons, sequences, clipped_boxes, polygons (faces given as one) and
            polygon_images are of all readable images; unique and emotions of the kept ones;
            duplicate and conflict groups as found, whatever the policy; quarantined counts files
            with faults, not faults.
        emotions: classes that the copy declares; empty for those of the source's metadata.
    """

    rows: list[Row]
    counts: dict[str, Any]
    emotions: tuple[str, ...]

    @property
    def kept(self) -> list[Row]:
        """Rows of the images that were not dropped."""
        return [row for row in self.rows if row["dropped_reason"] is None]


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
        policy: see `resolve`.
        min_side_px: smallest side of a usable image.

    Raises:
        InputError: no image is readable.
    """
    faults: dict[str, list[str]] = defaultdict(list)  # reasons by path
    for fault in reading.faults:
        faults[fault.path].append(fault.reason)
    checked = check_images([root / record.path for record in reading.records], min_side_px)
    readable, unreadable = [], []
    boxes = Counter(clipped_boxes=0, polygons=0, polygon_images=0)
    for record, check in zip(reading.records, checked, strict=True):
        placed = _open(record, check)
        if placed.faults:
            faults[record.path] += placed.faults
        if isinstance(check, str) or not placed.faces:
            unreadable.append(_row(record))
            continue
        readable.append(_row(record, check, placed.faces))
        boxes["clipped_boxes"] += placed.clipped
        boxes["polygons"] += record.polygons
        boxes["polygon_images"] += record.polygons > 0
    if not readable:
        first = f"; {min(faults)}: {min(faults[min(faults)])}" if faults else ""
        raise InputError(
            f"none of {len(reading.records)} listed images is readable{first}",
            where=root,
            remedy="check the row's `source` and `archive:`, then run stage download again",
        )
    resolved, groups = resolve(readable, policy)
    counts = {
        "images": len(readable),
        **groups,
        "quarantined": len(faults),
        "excluded": len(reading.excluded),
        **boxes,
        **_count(resolved),
        **reading.counts,
    }
    rows = _explain([*resolved, *unreadable], faults) + _excluded(reading.excluded)
    return Cleaned([row | {"dataset": dataset} for row in rows], counts, reading.emotions)


def _open(record: Record, check: Checked | str) -> Placed:
    """The faces of an image; none if its file is unusable."""
    if ".." in PurePosixPath(record.path).parts or record.path.startswith("/"):
        return Placed([], 0, ["outside the data set's folder"])
    if isinstance(check, str):
        return Placed([], 0, [check])
    return place_faces(record, check.width, check.height)


def _row(record: Record, check: Checked | None = None, faces: Sequence[Row] = ()) -> Row:
    """The index row of a record; without pixels and faces if it cannot be used."""
    row = {
        "image_id": record.image_id,
        "path": record.path,
        "emotion": faces[0]["emotion"] if faces else record.emotion,
        "person": record.person,
        "sequence": record.sequence,
        "source_split": record.source_split,
        "votes": list(record.votes) if record.votes else None,
        "dropped_reason": None if faces else "quarantined",
    }
    return row | asdict(check) | {"faces": faces} if check and faces else row


def _count(rows: Sequence[Row]) -> dict[str, Any]:
    emotions = Counter(row["emotion"] for row in rows if row["dropped_reason"] is None)
    return {
        "unique": emotions.total(),
        "faces": sum(len(row["faces"]) for row in rows),
        "persons": len({row["person"] for row in rows} - {None}),
        "sequences": len({row["sequence"] for row in rows} - {None}),
        "emotions": {emotion: emotions[emotion] for emotion in in_order(emotions)},
    }


def _explain(rows: Iterable[Row], faults: Mapping[str, list[str]]) -> list[Row]:
    """Rows with the faults of their paths, and a row for every other path that has faults."""
    found = []
    left = {path: sorted(reasons) for path, reasons in faults.items()}
    for row in rows:
        reasons = [row.get("detail"), *left.pop(row["path"], [])]
        found.append(row | {"detail": "; ".join(filter(None, reasons)) or None})
    return found + [
        {"path": path, "dropped_reason": "quarantined", "detail": "; ".join(reasons)}
        for path, reasons in left.items()
    ]


def _excluded(faults: Iterable[Fault]) -> list[Row]:
    return [
        {
            "path": fault.path,
            "dropped_reason": "no_face" if fault.no_face else "excluded",
            "detail": fault.reason,
        }
        for fault in faults
    ]


@dataclass(frozen=True)
class Placed:
    """The faces of one image.

    Args:
        faces: as in the index.
        clipped: number of boxes that were cut at the border of the image.
        faults: what is wrong with each face that was left out.
    """

    faces: list[Row]
    clipped: int
    faults: list[str]


def place_faces(record: Record, width: int, height: int) -> Placed:
    """Boxes in pixels, clipped to the image; an image without boxes is one face as a whole."""
    if not record.faces:
        whole = {"left": 0.0, "top": 0.0, "right": float(width), "bottom": float(height)}
        return Placed([whole | {"emotion": record.emotion}], 0, [])
    faces, clipped, faults = [], 0, []
    scale_x, scale_y = (width, height) if record.normalised else (1, 1)
    tolerance = ROUNDING_PX if record.normalised else 0.0
    for number, box in enumerate(record.faces):
        left, right = box.left * scale_x, box.right * scale_x
        top, bottom = box.top * scale_y, box.bottom * scale_y
        inside = {
            "left": float(max(left, 0)),
            "top": float(max(top, 0)),
            "right": float(min(right, width)),
            "bottom": float(min(bottom, height)),
        }
        shorter = min(inside["right"] - inside["left"], inside["bottom"] - inside["top"])
        excess = max(-left, -top, right - width, bottom - height)
        if not math.isfinite(excess) or shorter < MIN_SIDE_PX:
            faults.append(f"face {number} has no area inside the image")
            continue
        clipped += excess > tolerance
        faces.append(inside | {"emotion": box.emotion})
    return Placed(faces, clipped, faults)


def resolve(rows: Iterable[Row], policy: Policy) -> tuple[list[Row], dict[str, int]]:
    """Mark all but one image of every group of equal MD5 as dropped.

    The preferred copy is one of test, else val, else train, then the first by path.

    Args:
        rows: index rows.
        policy: for equal images with different labels: `drop_all` drops every copy, `majority`
            keeps the label that most copies have (none if two tie), `keep_first` keeps the label of
            the preferred copy.

    Returns:
        Rows with `dropped_reason`, `detail` and `duplicate_of`, and the numbers of groups and
        images, whatever the policy.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["md5"]].append(row)
    counts = dict.fromkeys(
        ("duplicate_groups", "redundant_copies", "conflict_groups", "conflict_images"), 0
    )
    resolved: list[Row] = []
    for group in groups.values():
        group.sort(key=lambda row: (_PREFERENCE[row["source_split"]], row["path"]))
        conflict = len({image_label(row["faces"]) for row in group}) > 1
        counts["duplicate_groups"] += len(group) > 1
        counts["redundant_copies"] += len(group) - 1
        counts["conflict_groups"] += conflict
        counts["conflict_images"] += len(group) if conflict else 0
        resolved += _settle(group, policy)
    return resolved, counts


def _settle(group: Sequence[Row], policy: Policy) -> Iterator[Row]:
    """Rows of equal images, the preferred first, marked as kept or dropped."""
    kept: Row | None = group[0]
    labels = Counter(image_label(row["faces"]) for row in group)
    dropped = {"dropped_reason": "duplicate", "detail": None}
    if len(labels) > 1:
        words = " | ".join("+".join(label) for label in sorted(labels))
        dropped = {"dropped_reason": "conflict", "detail": f"labels {words}, policy {policy}"}
        if policy == "drop_all":
            kept = None
        elif policy == "majority":
            (label, most), (_, second) = labels.most_common(2)
            kept = next(r for r in group if image_label(r["faces"]) == label)
            kept = kept if most > second else None
    duplicate_of = kept["image_id"] if kept else None
    for row in group:
        fate = {"dropped_reason": None, "detail": None, "duplicate_of": None}
        yield row | (fate if row is kept else dropped | {"duplicate_of": duplicate_of})


def write_cleaned(
    folder: Path, cleaned: Cleaned, metadata: Metadata, archives: Mapping[str, str]
) -> None:
    """Write index.parquet and dedup.json, both or neither.

    Args:
        folder: replaced as a whole.
        cleaned: the index and its counts.
        metadata: of the source.
        archives: SHA-256 by name of the archives that were used.
    """
    words = ("title", "citation", "licence", "version", "faults")
    summary = {
        "about": {
            **{word: getattr(metadata, word) for word in words},
            "published_images": metadata.images,
            "archives": dict(archives),
        },
        "emotions": list(
            cleaned.emotions or metadata.emotions or in_order(cleaned.counts["emotions"])
        ),
        "counts": cleaned.counts,
    }
    with fresh_folder(folder) as temporary:
        write_index(temporary / "index.parquet", cleaned.rows)
        write_json(temporary / "dedup.json", summary)
