"""Whether a registered model gives the predictions that its run was evaluated by.

The model is loaded from the registry as any user loads it, and shown pictures of val: a classifier
the labelled faces, cut out, a detector whole images. Its probabilities are compared with
`val/predictions.parquet` and `val/boxes.parquet`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import (
    CORNERS,
    FACE_KEY,
    classes_of,
    read_boxes,
    read_predictions,
)
from ferbench.artifacts.runs import EvaluationRecord, RunRecord
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.data.transforms import face_of
from ferbench.serving.predictor import distinct_faces
from ferbench.tracking.store import store_uri

__all__ = ["Reproduction", "reproduce"]

_PICTURES = 64
# Between processors, and between an evaluation on a GPU, which may multiply in TF32, and a CPU.
_TOLERANCE = {"cpu": 1e-4, "cuda": 1e-2}
_OTHER_FACE = 1.0  # counted as a difference where the faces differ


@dataclass(frozen=True)
class Reproduction:
    """How a registered model's probabilities differ from those of evaluation.

    Args:
        faces: that were compared.
        difference: the largest of all, 1 if one of them found a face that the other did not.
        tolerance: the largest that passes.
    """

    faces: int
    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether there were faces to compare, and all agree."""
        return self.faces > 0 and self.difference <= self.tolerance


def reproduce(model: str, run: Run, score_threshold: float) -> Reproduction:
    """Compare a registered model with the evaluation of its run, on at most 64 pictures of val.

    Args:
        model: URI of the model, such as `models:/NAME/VERSION`.
        run: whose model it is.
        score_threshold: least score of a detector's box that is a face.
    """
    import mlflow

    mlflow.set_tracking_uri(store_uri())
    with _kept_import_path():
        loaded = mlflow.pyfunc.load_model(model)
    data = open_dataset(run.dataset, run.seed)
    evaluated = EvaluationRecord.read(run.folder / "evaluation.json").device
    tolerance = _TOLERANCE["cpu" if evaluated == "cpu" else "cuda"]
    if RunRecord.read(run.folder / "run.json").task == "classify":
        differences = _of_crops(loaded, data, run)
    else:
        differences = _of_scenes(loaded, data, run, score_threshold, tolerance)
    return Reproduction(len(differences), max(differences, default=0.0), tolerance)


@contextmanager
def _kept_import_path() -> Iterator[None]:
    """Undo what loading a model does to `sys.path`.

    MLflow puts the code that a model carries in front of it and leaves it there. A process that
    this one starts later would import that part of ferbench in the place of the whole.
    """
    path, entries = sys.path, list(sys.path)
    try:
        yield
    finally:
        path[:] = entries
        sys.path = path


def _of_crops(model: Any, data: PackedDataset, run: Run) -> list[float]:
    """Differences of a classifier, one a face."""
    stored = read_predictions(run.folder / "val" / "predictions.parquet")
    rows = data.faces("val").frame.merge(stored, on=FACE_KEY).sort_values(FACE_KEY)
    rows = rows.iloc[_spread(len(rows))]
    pack = Pack(data.pack)
    boxes = rows[["cx", "cy", "w", "h"]].to_numpy(float)
    crops = [face_of(pack.image(i), b) for i, b in zip(rows["image_id"], boxes, strict=True)]
    found = model.predict(crops, params={"crop": True})
    names = classes_of(stored)
    prob = np.array([[faces[0]["probabilities"][name] for name in names] for faces in found])
    return [float(value) for value in np.abs(prob - rows[names].to_numpy(float)).max(axis=1)]


def _of_scenes(
    model: Any, data: PackedDataset, run: Run, threshold: float, tolerance: float
) -> list[float]:
    """Differences of a detector, one a face that it shows."""
    boxes = read_boxes(run.folder / "val" / "boxes.parquet")
    names = classes_of(boxes)
    images = sorted(data.faces("val").frame["image_id"].unique())
    images = [images[index] for index in _spread(len(images))]
    pack = Pack(data.pack)
    found = model.predict(
        [pack.image(name) for name in images], params={"score_threshold": threshold}
    )
    differences: list[float] = []
    predicted = boxes[~boxes["truth"]]
    for name, faces in zip(images, found, strict=True):
        own = predicted[predicted["image_id"] == name]
        own = own.iloc[distinct_faces(_corners(own), own["score"].to_numpy(float), threshold)]
        differences += _between(faces, own, names, threshold + tolerance)
    return differences


def _between(
    faces: Sequence[dict[str, Any]], stored: pd.DataFrame, names: list[str], sure: float
) -> list[float]:
    """Differences of one picture's faces; those that score below `sure` may be absent."""
    corners, scores = _corners(stored), stored[names].to_numpy(float)
    prob = scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    left = list(range(len(stored)))
    differences = []
    for face in faces:
        own = [face["probabilities"][name] for name in names]
        gaps = {
            n: max(np.abs(corners[n] - face["box"]).max(), np.abs(prob[n] - own).max())
            for n in left
        }
        if gaps:
            nearest = min(gaps, key=lambda n: gaps[n])
            left.remove(nearest)
            differences.append(float(gaps[nearest]))
        elif face["face_score"] > sure:
            differences.append(_OTHER_FACE)
    missing = (stored["score"].to_numpy(float)[left] > sure).sum()
    return differences + [_OTHER_FACE] * int(missing)


def _corners(boxes: pd.DataFrame) -> NDArray[np.float64]:
    return boxes[CORNERS].to_numpy(float)


def _spread(count: int) -> NDArray[np.int64]:
    """At most `_PICTURES` numbers below `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, _PICTURES)).round()).astype(np.int64)
