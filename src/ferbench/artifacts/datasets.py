"""What the stages `split`, `yolo_labels` and `baselines` write about a data set.

`<key>.parquet`, the split: one row per image, sorted by `image_id`, with `split` (one of `SPLITS`),
`emotion` and `person`. Where every seed has a split of its own, `split_<seed>` holds it.

`<key>.json`, the split's summary: see `SplitSummary`.

`boxes.parquet`, the labelled faces: one row per face, identified by `image_id` and `face` (its
number in the image, from 0), with the class number `cls`, its `emotion`, and the box as the centre
`cx`, `cy` and the size `w`, `h`, all fractions of the image. Detectors are trained on centre and
size; corners would round differently. Where raters are known, `votes` lists the number of them by
class, in the order of class numbers; it is null for a face without votes.

`<key>.baselines.json`: see `Baselines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from ferbench.artifacts.paths import DatasetPaths
from ferbench.emotions import BASIC
from ferbench.errors import InputError
from ferbench.files import read_json, whole_file, write_json

__all__ = [
    "BOX",
    "SPLITS",
    "Baselines",
    "SplitSummary",
    "boxes_of",
    "read_baselines",
    "read_boxes",
    "read_split",
    "read_split_summary",
    "split_column",
    "write_baselines",
    "write_split",
]

SPLITS = ("train", "val", "test")
# Columns of a labelled face's box.
BOX = ["cx", "cy", "w", "h"]
_REMEDY = "make it again: `dvc repro`"


@dataclass(frozen=True)
class SplitSummary:
    """How a data set was split, and what is in each split.

    Args:
        protocol: that split it.
        seed: of the draw.
        limit: at most so many images were kept; None for all.
        classes: names of all classes of its faces, in the order of their numbers.
        images: number of images, by split.
        counts: number of images by split and class.
        faces: number of faces by split and class.
        persons: number of known persons by split; None where no person is known.
        left_out: number of images in no split, by reason.
        expectations: what was checked of the split: `expectation`, `holds` and `observed`.
        redrawn: whether every seed has a split of its own; the other fields then describe the draw
            of `seed`, which no run has.
    """

    protocol: str
    seed: int
    limit: int | None
    classes: list[str]
    images: dict[str, int]
    counts: dict[str, dict[str, int]]
    faces: dict[str, dict[str, int]]
    persons: dict[str, int | None]
    left_out: dict[str, int]
    expectations: list[dict[str, Any]]
    redrawn: bool = False


@dataclass(frozen=True)
class Baselines:
    """Accuracies of the naive baselines of a split; what is not measured is None.

    Args:
        protocol: of the split.
        seed: of the split.
        features: what distances are taken between, in words.
        test_faces: number of faces on test.
        val_faces: number of faces on val.
        split: on test: `nearest_neighbour` and `nearest_neighbour_standardised` of `n_test` faces
            among `n_train`, and `majority_class` of all faces.
        val: the same on val, of `n_val` faces.
        redraws: by baseline, its spread on test over other draws by the same protocol: `mean`,
            `std`, `n`, t interval `low` to `high` at `level`, and the `values`.
        ten_folds: by nearest-neighbour baseline, the accuracy over all faces in `random` folds and
            in folds `by_person`.
        skipped: reason by what is not measured.
    """

    protocol: str
    seed: int
    features: str
    test_faces: int
    val_faces: int
    split: dict[str, float]
    val: dict[str, float] | None
    redraws: dict[str, dict[str, Any]] | None
    ten_folds: dict[str, dict[str, float | None]] | None
    skipped: dict[str, str]


_T = TypeVar("_T", SplitSummary, Baselines)


def split_column(seed: int) -> str:
    """The column of a split table that holds the split of one seed."""
    return f"split_{seed}"


def write_split(paths: DatasetPaths, split: pd.DataFrame, summary: SplitSummary) -> None:
    """Write a split table and its summary."""
    with whole_file(paths.split) as temporary:
        split.to_parquet(temporary, index=False)
    write_json(paths.split_summary, asdict(summary))


def read_split(paths: DatasetPaths, seed: int | None = None) -> pd.DataFrame:
    """The split table of a data set.

    Args:
        paths: of the data set.
        seed: of a run: if every seed has a split of its own, `split` is that seed's.

    Raises:
        InputError: the file is missing.
    """
    split = pd.read_parquet(_existing(paths.split))
    own = split_column(seed) if seed is not None else ""
    return split.assign(split=split[own]) if own in split else split


def read_split_summary(paths: DatasetPaths) -> SplitSummary:
    """The summary of a split.

    Raises:
        InputError: the file is missing, or its keys are not those of `SplitSummary`.
    """
    return _record(SplitSummary, paths.split_summary, _REMEDY)


def boxes_of(index: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """All labelled faces of an index, in its order, with the columns of `boxes.parquet`.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        classes: class names in the order of their numbers.
    """
    faces = index[["image_id", "width", "height", "faces"]].explode("faces", ignore_index=True)
    box = pd.DataFrame(faces["faces"].tolist())
    boxes = pd.DataFrame(
        {
            "image_id": faces["image_id"],
            "face": faces.groupby("image_id").cumcount(),
            "cls": box["emotion"].map({emotion: i for i, emotion in enumerate(classes)}),
            "emotion": box["emotion"],
            "cx": (box["left"] + box["right"]) / 2 / faces["width"],
            "cy": (box["top"] + box["bottom"]) / 2 / faces["height"],
            "w": (box["right"] - box["left"]) / faces["width"],
            "h": (box["bottom"] - box["top"]) / faces["height"],
        }
    )
    if "votes" in index and index["votes"].notna().any():
        votes = index.set_index("image_id")["votes"].map(lambda votes: _by_class(votes, classes))
        boxes["votes"] = faces["image_id"].map(votes)
    return boxes


def _by_class(votes: Sequence[int] | None, classes: Sequence[str]) -> list[int] | None:
    """Votes in the order of `BASIC` as votes in the order of classes; others do not count."""
    if votes is None:
        return None
    named = dict(zip(BASIC, votes, strict=True))
    return [named.get(emotion, 0) for emotion in classes]


def read_boxes(paths: DatasetPaths) -> pd.DataFrame:
    """The labelled faces of a split data set.

    Raises:
        InputError: the file is missing.
    """
    return pd.read_parquet(_existing(paths.boxes))


def write_baselines(paths: DatasetPaths, baselines: Baselines) -> None:
    """Write the naive baselines of a split."""
    write_json(paths.baselines, asdict(baselines))


def read_baselines(paths: DatasetPaths) -> Baselines:
    """The naive baselines of a split.

    Raises:
        InputError: the file is missing, or its keys are not those of `Baselines`.
    """
    return _record(
        Baselines, paths.baselines, f"run the stage again: `dvc repro -f baselines@{paths.key}`"
    )


def _record(kind: type[_T], path: Path, remedy: str) -> _T:
    values, keys = read_json(_existing(path)), [field.name for field in fields(kind)]
    if sorted(values) != sorted(keys):
        raise InputError(
            f"keys are {', '.join(sorted(values))}, not {', '.join(sorted(keys))}",
            where=path,
            remedy=remedy,
        )
    return kind(**values)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError("missing", where=path, remedy=_REMEDY)
    return path
