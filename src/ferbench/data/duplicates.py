"""Byte-equal images: which copy stays, and what happens when their labels disagree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

__all__ = ["Policy", "Resolved", "resolve"]

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
