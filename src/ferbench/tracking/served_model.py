"""The code of a registered model: MLflow runs this file in the process that loads the model.

`mlflow.pyfunc.load_model("models:/ferbench_<dataset>@champion").predict(pictures)` gives a list of
faces per picture, best first; each face is a dict of `box` (left, top, right, bottom as fractions
of the picture), `emotion`, `probabilities` by emotion, and `face_score`. `pictures` is one picture
or a list (a column of a data frame likewise) of

- paths of picture files;
- contents of picture files, as bytes, or as base64 text, which JSON can hold;
- arrays (H, W), (H, W, 1) or (H, W, 3) of bytes, RGB.

Parameters: `crop` (each picture is one aligned face) and `score_threshold` (least score of a
one-stage detector's box; below 0 for the model's own).
"""

from __future__ import annotations

import base64
import binascii
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

_SERVER = "mlflow.pyfunc.scoring_server.app"
_LONGEST_PATH = 4096


class FacesModel(mlflow.pyfunc.PythonModel):
    """Pictures in, faces out."""

    # Otherwise MLflow asks for a type hint `list[...]` of `predict`, which would refuse a single
    # picture, and warns in every process that loads the model.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Read the model folder that travels with this file."""
        from ferbench.serving.predictor import Predictor

        self._predictor = Predictor.load(context.artifacts["model"])
        # A server's clients must not make it read its own files.
        self._reads_files = _SERVER not in sys.modules

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """The faces of each picture."""
        del context
        given = params or {}
        images = [self._image(picture, n) for n, picture in enumerate(_listed(model_input))]
        if not images:
            return []
        if given.get("crop", False):
            found = self._predictor.predict_crops(images)
        else:
            least = given.get("score_threshold", -1.0)
            found = self._predictor.predict(images, score_threshold=None if least < 0 else least)
        return [[face.as_json() for face in faces] for faces in found]

    def _image(self, picture: Any, number: int) -> Any:
        from ferbench.errors import InputError
        from ferbench.serving.images import read_image

        name = f"picture {number}"
        match picture:
            case bytes() | bytearray() | memoryview():
                return read_image(bytes(picture), name=name)
            case Path():
                return read_image(picture)
            case str():
                if (content := _decoded(picture)) is not None:
                    return read_image(content, name=name)
                if self._reads_files:
                    return read_image(picture)
                raise InputError(
                    "is no picture in base64", where=name, remedy="send the file's content"
                )
            case list():  # JSON has no arrays
                return _array(picture)
        return picture


def _listed(pictures: Any) -> list[Any]:
    """One picture, or several, as a list."""
    if isinstance(pictures, pd.DataFrame):
        pictures = pictures.iloc[:, 0].tolist() if pictures.shape[1] else []
    elif isinstance(pictures, pd.Series):
        pictures = pictures.tolist()
    if isinstance(pictures, np.ndarray):
        several = pictures.dtype == object or pictures.dtype.kind in "SU" or pictures.ndim == 4
        return list(pictures) if several else [pictures]
    return list(pictures) if isinstance(pictures, (list, tuple)) else [pictures]


def _decoded(text: str) -> bytes | None:
    """The bytes of base64 text; None if it is something else, such as a path."""
    if len(text) <= _LONGEST_PATH and Path(text).suffix:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _array(rows: list[Any]) -> Any:
    """A nested list as bytes, if all its values are."""
    try:
        values = np.asarray(rows)
    except ValueError:
        return rows
    is_bytes = (
        values.dtype.kind in "iu" and values.size and 0 <= values.min() <= values.max() <= 255
    )
    return values.astype(np.uint8) if is_bytes else values


mlflow.models.set_model(FacesModel())
