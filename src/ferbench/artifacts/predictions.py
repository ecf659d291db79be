"""What a network predicts on one subset: stored once, read by every metric.

`predictions.parquet` has a row per labelled face: `image_id`, `face` (its number in the image, from
0), `target`, then a column of probabilities per class in canonical order. A row sums to 1, or is
all zeros: a miss, a face for which a detector predicts no box.

`boxes.parquet` has a row per annotated and per kept predicted box, corners as fractions of the
image; a classifier's is empty. `face` numbers the annotated faces of an image; of a predicted box
it is the face that the box is the prediction for, or -1. `picture` is 0, except where a robustness
test shows every face of an image on a picture of its own: there it is the number of that face.
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
    "CORNERS",
    "FACE_KEY",
    "MISS",
    "arrays",
    "classes_of",
    "no_boxes",
    "predicted",
    "read_boxes",
    "read_predictions",
    "write_boxes",
    "write_predictions",
]

# The columns that name a face; in a predictions table they are unique.
FACE_KEY = ["image_id", "face"]
CORNERS = ["left", "top", "right", "bottom"]
# Index of the predicted class of a missed face.
MISS = -1
_PREDICTION = (*FACE_KEY, "target")
_BOX: dict[str, str] = {
    "image_id": "str",
    "picture": "int64",
    "face": "int64",
    "truth": "bool",
    "iou": "float64",
    **dict.fromkeys(CORNERS, "float64"),
    "emotion": "str",
    "score": "float64",
}
_REMEDY = "make it again: `dvc repro`"


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


def predicted(prob: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) index of the most probable class of each row of `prob` (N, C); `MISS` for zeros.

    >>> predicted(np.array([[0.2, 0.8], [0.0, 0.0]])).tolist()
    [1, -1]
    """
    label = np.asarray(prob.argmax(axis=1), dtype=np.int64)
    label[~prob.any(axis=1)] = MISS
    return label


def no_boxes(classes: Sequence[str]) -> pd.DataFrame:
    """The boxes table of a classifier: all columns, no row."""
    return pd.DataFrame({name: [] for name in (*_BOX, *classes)}).astype(
        {**_BOX, **dict.fromkeys(classes, "float64")}
    )


def write_predictions(path: Path, predictions: pd.DataFrame) -> None:
    """Write `predictions.parquet`, sorted by face, so that equal tables give equal bytes.

    Raises:
        InputError: the table is not what this module describes.
    """
    _check_predictions(predictions, path)
    _write(predictions.sort_values(FACE_KEY, kind="stable"), path)


def read_predictions(path: Path) -> pd.DataFrame:
    """The checked rows of `predictions.parquet`.

    Raises:
        InputError: the file is absent, or not what this module describes.
    """
    frame = _read(path)
    _check_predictions(frame, path)
    return frame


def write_boxes(path: Path, boxes: pd.DataFrame) -> None:
    """Write `boxes.parquet`: by picture, annotated boxes first, then by falling score.

    Raises:
        InputError: the table is not what this module describes.
    """
    _check_boxes(boxes, path)
    order = {"image_id": True, "picture": True, "truth": False, "score": False, "face": True}
    _write(boxes.sort_values(list(order), ascending=list(order.values()), kind="stable"), path)


def read_boxes(path: Path) -> pd.DataFrame:
    """The checked rows of `boxes.parquet`.

    Raises:
        InputError: the file is absent, or not what this module describes.
    """
    frame = _read(path)
    _check_boxes(frame, path)
    return frame


def _write(frame: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        frame.to_parquet(temporary, index=False)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError("no such file", where=path, remedy=_REMEDY)
    return pd.read_parquet(path)


def _refuse(wrong: ArrayLike, what: str, path: Path) -> None:
    """Raise, naming the first row for which `wrong` holds."""
    if (rows := np.flatnonzero(wrong)).size:
        raise InputError(what, where=f"{path}: row {int(rows[0])}", remedy=_REMEDY)


def _check_columns(frame: pd.DataFrame, first: Sequence[str], path: Path) -> list[str]:
    """The class columns, if the others are `first` and all are in their order."""
    classes = classes_of(frame)
    if list(frame.columns) != [*first, *in_order(classes)] or not classes:
        raise InputError(
            f"columns are {list(frame.columns)}, not {list(first)} and the classes in order",
            where=path,
            remedy=_REMEDY,
        )
    return classes


def _check_predictions(frame: pd.DataFrame, path: Path) -> None:
    classes = _check_columns(frame, _PREDICTION, path)
    if frame.empty:
        raise InputError("no row", where=path, remedy=_REMEDY)
    _refuse(frame["face"] < 0, "a face has a negative number", path)
    _refuse(frame.duplicated(FACE_KEY), "a face occurs twice", path)
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
    numbers = frame[["iou", *CORNERS, "score", *classes]]
    _refuse(~np.isfinite(numbers).all(axis=1), "a number is absent or infinite", path)
    _refuse(~frame["emotion"].isin(classes), "the emotion is none of the classes", path)
    upside = (frame["right"] < frame["left"]) | (frame["bottom"] < frame["top"])
    _refuse(upside, "a box ends before it begins", path)
    _refuse(~frame["score"].between(0, 1), "a score is outside 0 to 1", path)
    _refuse(frame["face"] < frame["truth"].map({True: 0, False: -1}), "no such face", path)
