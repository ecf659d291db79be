"""The second waist: what a network said, stored once and read by every number.

`predictions.parquet` has a row for every labelled face: `image_id` (the unit's id: the image's own
if it shows one face, else `<image_id>#<face>`), `target`, then a column of probabilities per class
in canonical order. A row sums to 1, or is all zeros: a face that the detector missed.

`boxes.parquet` has a row for every annotated and every kept predicted box, corners as fractions of
the image, and is empty for classifiers. `face` numbers an image's annotated faces from 0; for a
predicted box it is the face the box answers for, or -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ferbench.emotions import EMOTIONS, in_order
from ferbench.errors import InputError
from ferbench.files import whole_file

__all__ = [
    "arrays",
    "classes_of",
    "no_boxes",
    "read_boxes",
    "read_predictions",
    "write_boxes",
    "write_predictions",
]

_UNIT = ("image_id", "target")
_BOX: dict[str, str] = {
    "image_id": "str",
    "truth": "bool",
    "face": "int64",
    "iou": "float64",
    "left": "float64",
    "top": "float64",
    "right": "float64",
    "bottom": "float64",
    "emotion": "str",
    "score": "float64",
}
_AGAIN = "make it again: `dvc repro`"


def classes_of(frame: pd.DataFrame) -> list[str]:
    """The class columns of a predictions or boxes table, in their order."""
    return [str(column) for column in frame.columns if column in EMOTIONS]


def arrays(predictions: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Probabilities (N, C) and target indices (N,) of a predictions table."""
    classes = classes_of(predictions)
    number = {emotion: index for index, emotion in enumerate(classes)}
    prob = predictions[classes].to_numpy(dtype=np.float64)
    target = np.array([number[word] for word in predictions["target"]], dtype=np.int64)
    return prob, target


def no_boxes(classes: Sequence[str]) -> pd.DataFrame:
    """The boxes table of a classifier: all columns, no row."""
    return pd.DataFrame({name: [] for name in (*_BOX, *classes)}).astype(
        {**_BOX, **dict.fromkeys(classes, "float64")}
    )


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write `predictions.parquet`, sorted by unit, so that equal tables give equal bytes.

    Raises:
        InputError: the table breaks a promise of this module.
    """
    _check_predictions(predictions, path)
    ordered = predictions.sort_values("image_id", kind="stable")
    with whole_file(path) as temporary:
        ordered.to_parquet(temporary, index=False)


def read_predictions(path: Path) -> pd.DataFrame:
    """The checked rows of `predictions.parquet`.

    Raises:
        InputError: the file is absent or breaks a promise of this module.
    """
    frame = _read(path)
    _check_predictions(frame, path)
    return frame


def write_boxes(path: Path, boxes: pd.DataFrame) -> None:
    """Write `boxes.parquet`: by image, annotated first, then by falling score.

    Raises:
        InputError: the table breaks a promise of this module.
    """
    _check_boxes(boxes, path)
    ordered = boxes.sort_values(
        ["image_id", "truth", "score", "face"], ascending=[True, False, False, True], kind="stable"
    )
    with whole_file(path) as temporary:
        ordered.to_parquet(temporary, index=False)


def read_boxes(path: Path) -> pd.DataFrame:
    """The checked rows of `boxes.parquet`.

    Raises:
        InputError: the file is absent or breaks a promise of this module.
    """
    frame = _read(path)
    _check_boxes(frame, path)
    return frame


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError("no such file", where=path, remedy=_AGAIN)
    return pd.read_parquet(path)


def _refuse(wrong: ArrayLike, what: str, path: Path) -> None:
    """Raise, naming the first row for which `wrong` holds."""
    if (rows := np.flatnonzero(wrong)).size:
        row = int(rows[0])
        raise InputError(what, where=f"{path}: row {row}", remedy=_AGAIN)


def _check_columns(frame: pd.DataFrame, first: Sequence[str], path: Path) -> list[str]:
    """The class columns, if the others are `first` and all stand in their order."""
    classes = classes_of(frame)
    if list(frame.columns) != [*first, *in_order(classes)] or not classes:
        raise InputError(
            f"columns are {list(frame.columns)}, not {list(first)} and the classes in order",
            where=path,
            remedy=_AGAIN,
        )
    return classes


def _check_predictions(frame: pd.DataFrame, path: Path) -> None:
    classes = _check_columns(frame, _UNIT, path)
    if frame.empty:
        raise InputError("no row", where=path, remedy=_AGAIN)
    _refuse(frame["image_id"].duplicated(), "a unit occurs twice", path)
    _refuse(~frame["target"].isin(classes), "the target is none of the classes", path)
    prob = frame[classes]
    _refuse(~prob.ge(0).all(axis=1), "a probability is negative or absent", path)
    total = prob.sum(axis=1)
    # float32 softmax over at most 19 classes sums to 1 within 1e-6; half precision within 1e-2.
    fair = np.isclose(total, 1.0, atol=1e-2) | (total == 0)
    _refuse(~fair, "probabilities sum neither to 1 nor, for a miss, to 0", path)


def _check_boxes(frame: pd.DataFrame, path: Path) -> None:
    classes = _check_columns(frame, tuple(_BOX), path)
    if frame.empty:
        return
    numbers = frame[["iou", "left", "top", "right", "bottom", "score", *classes]]
    _refuse(~np.isfinite(numbers).all(axis=1), "a number is absent or infinite", path)
    _refuse(~frame["emotion"].isin(classes), "the emotion is none of the classes", path)
    upside = (frame["right"] < frame["left"]) | (frame["bottom"] < frame["top"])
    _refuse(upside, "a box ends before it begins", path)
    _refuse(~frame["score"].between(0, 1), "a score is outside 0 to 1", path)
    _refuse(frame["face"] < frame["truth"].map({True: 0, False: -1}), "no such face", path)
