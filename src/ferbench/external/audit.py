"""The audit of a data set that no study knows: what is in it, what leaks, what it is worth.

Images count as released, copies included. Where the data has splits, these are audited; where it
has none, a split by image is drawn to show what it would leak, and one by person if persons are
known. A check counts one kind of fault and fails if there are more than allowed.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import ferbench
from ferbench.artifacts.datasets import SPLITS, boxes_of
from ferbench.artifacts.index import image_label, read_index, write_index
from ferbench.config.params import Audit
from ferbench.data.dedup import Cleaned, deduplicate
from ferbench.data.leakage.leaks import find_leaks
from ferbench.data.leakage.released import across_splits, readable
from ferbench.data.split import draw_split
from ferbench.emotions import in_order
from ferbench.errors import InputError, unknown
from ferbench.external.naive import NamedSplit, naive_baselines, sample_faces
from ferbench.external.near_copies import NearCopies, find_near_copies
from ferbench.external.opening import Opened
from ferbench.external.pixels import read_pixels

__all__ = ["CHECKS", "Allowance", "Rules", "audit_data"]

# What each check counts, by its name, in the order of the report.
CHECKS = {
    "quarantined": "files that cannot be used",
    "duplicates": "redundant copies of an equal file",
    "conflicts": "equal files with different labels",
    "exact": "images with an equal image in an earlier split (train, val, test)",
    "near": "images with a near copy in an earlier split",
    "persons": "persons in two splits",
    "sequences": "sequences in two splits",
    "flat": "flat images",
    "classes": "classes that a split lacks",
}
_DRAWN = {"stratified_70_10_20": "drawn by image", "person_70_10_20": "drawn by person"}
_SEED = 0
_LISTED = 10_000  # entries of a list in the report


class Allowance(NamedTuple):
    """How many faults of a kind are allowed.

    Args:
        number: of them, or a share of what is checked.
        is_share: which of the two.
    """

    number: float = 0
    is_share: bool = False

    def covers(self, found: int, of: int) -> bool:
        """Whether so many faults among `of` are allowed."""
        return found <= (self.number * of if self.is_share else self.number)

    def __str__(self) -> str:
        return f"{100 * self.number:g} %" if self.is_share else f"{self.number:g}"


@dataclass(frozen=True)
class Rules:
    """What counts as a fault, and how many are allowed.

    Args:
        audit: thresholds for near copies and flat images.
        min_side_px: smallest side of a usable image.
        allowed: by name of a check; 0 for the others.
        baselines: whether the naive baselines are measured, which takes most of the time.

    Raises:
        InputError: there is no check of such a name.
    """

    audit: Audit = field(default_factory=lambda: Audit(near_bits=4, flat_deviation=4.0))
    min_side_px: int = 16
    allowed: Mapping[str, Allowance] = field(default_factory=dict)
    baselines: bool = True

    def __post_init__(self) -> None:
        for name in self.allowed:
            if name not in CHECKS:
                raise unknown("check", name, CHECKS)


def audit_data(opened: Opened, rules: Rules) -> dict[str, Any]:
    """Audit a data set.

    Args:
        opened: as `ferbench.external.opening.open_data` gives it.
        rules: thresholds.

    Returns:
        What `audited.json` holds. Paths are relative to the folder of the data; lists have at most
        10,000 entries, and `lists` says how many there would be.

    Raises:
        InputError: no image is readable.
    """
    cleaned = _clean(opened, rules.min_side_px)
    with tempfile.TemporaryDirectory(prefix="ferbench-") as name:
        scratch = Path(name)
        write_index(scratch / "index.parquet", cleaned.rows)
        index = read_index(scratch / "index.parquet", dropped=True)
        released = readable(index).assign(split=lambda frame: frame["source_split"])
        released["label"] = ["+".join(image_label(faces)) for faces in released["faces"]]
        plans = _plans(released, index) if rules.baselines else {}
        every = boxes_of(released, in_order(cleaned.counts["emotions"]))
        boxes = sample_faces(every, plans.values())
        hashes, faces = read_pixels(released, opened.root, boxes, scratch)
    images = released.merge(hashes, on="image_id", validate="one_to_one")
    near = find_near_copies(images, rules.audit.near_bits, rules.audit.flat_deviation)
    flat = images["deviation"] < rules.audit.flat_deviation
    lists = _lists(index, images, near, flat)
    report: dict[str, Any] = {
        "ferbench": ferbench.__version__,
        "title": opened.title,
        "source": opened.source,
        "rules": {**asdict(rules.audit), "min_side_px": rules.min_side_px},
        "counts": {**cleaned.counts, "distinct": int(images["md5"].nunique())},
        "splits": _splits(images),
        "copies": {
            "exact_across_splits": across_splits(released),
            "equal_pixels": int(images["pixels"].duplicated().sum()),
            "near": _near_counts(near),
            "across_splits": {unit: _shared(images, unit) for unit in ("person", "sequence")},
            "leaks": _leaks(images, images["split"], rules.audit),
        },
        "flat": int(flat.sum()),
        "drawn": [
            {**_named(plan), "leaks": _leaks(images, plan.split, rules.audit)}
            for plan in plans.values()
            if plan.protocol
        ],
        "baselines": [{**_named(plan), **naive_baselines(faces, plan)} for plan in plans.values()],
        **{what: entries[:_LISTED] for what, entries in lists.items()},
        "lists": {what: len(entries) for what, entries in lists.items()},
    }
    checks = list(_checks(report, images, near, rules))
    return {**report, "checks": checks, "passed": all(check["passed"] for check in checks)}


def _clean(opened: Opened, min_side_px: int) -> Cleaned:
    try:
        return deduplicate(opened.reading, opened.root, "data", "drop_all", min_side_px)
    except InputError as error:
        raise InputError(
            error.what,
            where=error.where,
            remedy="check that the folder is the right one, and `--source` if it was given",
        ) from error


def _named(plan: NamedSplit) -> dict[str, str]:
    return {"split": plan.name, "protocol": plan.protocol}


def _plans(released: pd.DataFrame, index: pd.DataFrame) -> dict[str, NamedSplit]:
    """The data's own split; if it has none, those that are drawn of the images without copies."""
    own = released.dropna(subset="split").set_index("image_id")["split"]
    if len(own):
        return {"own": NamedSplit("the data's own", "", own)}
    kept, plans = index[index["dropped_reason"].isna()], {}
    for protocol, name in _DRAWN.items():
        try:
            drawn, _ = draw_split(kept, protocol, _SEED)
        except InputError:  # a class has too few images, or a person is unknown
            continue
        plans[protocol] = NamedSplit(name, protocol, drawn.set_index("image_id")["split"])
    return plans


def _splits(images: pd.DataFrame) -> list[dict[str, Any]]:
    """Images, persons, and faces by class of every split, and of the images in none."""
    found = []
    for name in (*SPLITS, None):
        own = images[images["split"].isna() if name is None else images["split"] == name]
        if own.empty:
            continue
        faces = Counter(face["emotion"] for faces in own["faces"] for face in faces)
        found.append(
            {
                "split": name,
                "images": len(own),
                "persons": int(own["person"].nunique()) if own["person"].notna().any() else None,
                "faces": {emotion: faces[emotion] for emotion in in_order(faces)},
            }
        )
    return found


def _near_counts(near: NearCopies) -> dict[str, Any]:
    sizes = np.bincount(near.group)
    return {
        "pairs": near.pairs,
        "images": int(sizes[sizes > 1].sum()),
        "groups": int((sizes > 1).sum()),
        "label_disagreements": near.label_disagreements,
        "pairs_of_other_persons": near.pairs_of_other_persons,
        "between_splits": near.between,
    }


def _shared(images: pd.DataFrame, unit: str) -> dict[str, Any] | None:
    """Persons or sequences that are in two splits, and their images; None where none is known."""
    known = images[images[unit].notna() & images["split"].notna()]
    if known.empty:
        return None
    splits = known.groupby(unit)["split"].nunique()
    shared = splits.index[splits > 1]
    return {
        "known": len(splits),
        "shared": len(shared),
        "images": int(known[unit].isin(shared).sum()),
        "names": [str(name) for name in shared[:_LISTED]],
    }


def _leaks(images: pd.DataFrame, split: pd.Series, rules: Audit) -> dict[str, Any] | None:
    """What test shares with train, as the pipeline counts it; None without one of the two."""
    of_image = split if split.index.name == "image_id" else split.set_axis(images["image_id"])
    placed = images.assign(split=images["image_id"].map(of_image)).dropna(subset="split")
    if not {"train", "test"} <= set(placed["split"]):
        return None
    leaks = find_leaks(placed, rules)
    test = leaks.table[leaks.table["split"] == "test"]
    return {"test_images": len(test), "leaked": int(test["leaked"].sum()), "by": leaks.summary}


def _lists(
    index: pd.DataFrame, images: pd.DataFrame, near: NearCopies, flat: pd.Series
) -> dict[str, list[Any]]:
    """Every file that is at fault, by kind."""
    quarantined = index[(index["dropped_reason"] == "quarantined") | _faulty(index)]
    excluded = index[index["dropped_reason"].isin(["excluded", "no_face"])]
    copies = [group for _, group in images.groupby("md5", sort=False) if len(group) > 1]
    conflicts = [group["label"].nunique() > 1 for group in copies]
    of_group = images.groupby(near.group)
    return {
        "quarantined": _reasons(quarantined),
        "excluded": _reasons(excluded),
        "duplicates": [
            _entries(group) for group, differ in zip(copies, conflicts, strict=True) if not differ
        ],
        "conflicts": [
            _entries(group) for group, differ in zip(copies, conflicts, strict=True) if differ
        ],
        "near_copies": [_entries(group) for _, group in of_group if len(group) > 1],
        "flat_images": _entries(images[flat]),
    }


def _faulty(index: pd.DataFrame) -> pd.Series:
    """Kept images of which a face was left out."""
    return index["dropped_reason"].isna() & index["detail"].notna()


def _reasons(rows: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"path": path, "reason": reason or "unusable"}
        for path, reason in zip(rows["path"], rows["detail"].fillna(""), strict=True)
    ]


def _entries(rows: pd.DataFrame) -> list[dict[str, str | None]]:
    """Path, label and split of images."""
    split = rows["split"].astype(object).where(rows["split"].notna(), None)
    columns = zip(rows["path"], rows["label"], split, strict=True)
    return [{"path": path, "label": label, "split": of} for path, label, of in columns]


def _earlier(values: pd.Series, split: pd.Series) -> NDArray[np.bool_]:
    """(N,) whether an earlier split holds the same value."""
    found = np.zeros(len(values), np.bool_)
    for number, name in enumerate(SPLITS[1:], 1):
        before = set(values[split.isin(SPLITS[:number])])
        found |= ((split == name) & values.isin(before)).to_numpy()
    return found


def _checks(
    report: Mapping[str, Any], images: pd.DataFrame, near: NearCopies, rules: Rules
) -> Iterator[dict[str, Any]]:
    counts, splits = report["counts"], [row for row in report["splits"] if row["split"]]
    total, classes = counts["images"], set(counts["emotions"]).union(*_classes(report["splits"]))
    exact = _earlier(images["pixels"], images["split"])
    later = sum(row["images"] for row in splits if row["split"] != "train")
    found: dict[str, tuple[int, int] | None] = {
        "quarantined": (counts["quarantined"], total + counts["quarantined"]),
        "duplicates": (counts["redundant_copies"], total),
        "conflicts": (counts["conflict_images"], total),
        "flat": (report["flat"], total),
    }
    if len(splits) > 1:
        lacking = sum(len(classes - set(row["faces"])) for row in splits)
        found |= {
            "exact": (int(exact.sum()), later),
            "near": (int((near.earlier & ~exact).sum()), later),
            "classes": (lacking, len(classes) * len(splits)),
        }
        for check, unit in (("persons", "person"), ("sequences", "sequence")):
            shared = report["copies"]["across_splits"][unit]
            found[check] = (shared["shared"], shared["known"]) if shared else None
    for name, what in CHECKS.items():
        allowed, counted = rules.allowed.get(name, Allowance()), found.get(name)
        number, of = counted or (None, None)
        yield {
            "check": name,
            "what": what,
            "found": number,
            "of": of,
            "allowed": str(allowed),
            "passed": counted is None or allowed.covers(*counted),
        }


def _classes(splits: Iterable[Mapping[str, Any]]) -> Iterator[set[str]]:
    return (set(row["faces"]) for row in splits)
