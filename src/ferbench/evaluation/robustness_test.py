"""What robustness tests share: their options, altered images, and the files they leave.

A test's folder holds `robustness.json`, for each condition `<condition>/predictions.parquet` and
`<condition>/boxes.parquet` (see `ferbench.artifacts.predictions`), and, if anything was drawn at
random, `draws.csv`: a row an image, or a face of it, and operation, with its parameters as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import write_boxes, write_predictions
from ferbench.config.params import RobustnessTest
from ferbench.config.records import build_record
from ferbench.data.dataset import FaceTable
from ferbench.data.sampling import draw_evenly
from ferbench.errors import InputError
from ferbench.evaluation.predict import Predicted
from ferbench.files import fresh_folder, write_json
from ferbench.plugins import load

__all__ = [
    "Altered",
    "Draw",
    "RobustnessResult",
    "build_robustness_test",
    "check_least",
    "draw_faces",
    "generator_of",
    "write_robustness",
]

_WHERE = "params.yaml: robustness: options"

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Draw:
    """One random operation.

    Args:
        image_id: of the image that was altered.
        face: number of the face, where every face is altered by itself; None for the whole image.
        order: of the operation among those of the image, from 0.
        operation: its name.
        parameters: that were drawn.
    """

    image_id: str
    face: int | None
    order: int
    operation: str
    parameters: Mapping[str, float]


@dataclass(frozen=True)
class RobustnessResult:
    """A network's predictions on altered test images.

    Args:
        conditions: by name, such as the size of a face.
        draws: what was drawn at random, image by image.
        skipped: why there are no conditions; None if there are.
    """

    conditions: Mapping[str, Predicted] = field(default_factory=dict)
    draws: tuple[Draw, ...] = ()
    skipped: str | None = None


class Altered(Pack):
    """A pack whose images are altered as they are read; nothing is written.

    Args:
        folder: of the pack that the images are made from.
        alter: gives the image (H, W, C) of an id, which need not be one of the pack's.
    """

    def __init__(self, folder: Path, alter: Callable[[str], Pixels]) -> None:
        super().__init__(folder)
        self.alter = alter

    def image(self, image_id: str) -> Pixels:
        """The altered image of an id."""
        return self.alter(image_id)


def build_robustness_test(row: RobustnessTest) -> Any:
    """The robustness test of a row, with its options checked.

    Raises:
        InputError: the kind or an option is unknown, or a value is of the wrong type or size.
    """
    part = load("ferbench.evaluation.robustness", row.kind)
    defaults = {f.name: f.default for f in fields(part) if f.default is not MISSING}
    # Records are built from what YAML gives, which has no tuples.
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
    return build_record(part, {**plain, **row.options}, f"{_WHERE} of {row.kind}")


def check_least(name: str, value: int | None, least: int) -> None:
    """Refuse an option's number that is too small; None, where it is allowed, is not.

    Raises:
        InputError: with the smallest that is accepted.
    """
    if value is not None and value < least:
        raise InputError(
            f"{name} is {value}", where=_WHERE, remedy=f"give a whole number from {least} on"
        )


def generator_of(seed: int, name: str) -> np.random.Generator:
    """A generator for one image or face, the same whatever else is drawn and in whatever order."""
    return np.random.default_rng([seed, *name.encode()])


def draw_faces(faces: FaceTable, names: pd.Series, limit: int | None, seed: int) -> FaceTable:
    """The faces of at most so many names, drawn evenly over classes.

    Args:
        faces: of a split.
        names: of each face; faces of one name are drawn together, by the class of the first.
        limit: at most so many names; None for all.
        seed: of the draw.
    """
    if limit is None:
        return faces
    each = pd.DataFrame({"image_id": names, "emotion": faces.frame["cls"]})
    rng = np.random.default_rng(seed)
    drawn = draw_evenly(each.drop_duplicates("image_id"), limit, rng)["image_id"]
    kept = faces.frame[names.isin(drawn)].reset_index(drop=True)
    return FaceTable(kept, faces.classes)


def write_robustness(
    folder: Path, row: RobustnessTest, result: RobustnessResult, about: Mapping[str, Any]
) -> None:
    """Write a robustness test's folder, as a whole or not at all.

    Args:
        folder: where.
        row: of `robustness`.
        result: of the test.
        about: more for `robustness.json`: whose predictions they are.
    """
    faces = [len(condition.predictions) for condition in result.conditions.values()]
    summary = {
        "kind": row.kind,
        "options": asdict(build_robustness_test(row)),
        **about,
        "conditions": list(result.conditions),
        "faces": max(faces, default=0),
    }
    if result.skipped is not None:
        summary["skipped"] = result.skipped
    with fresh_folder(folder) as place:
        for name, condition in result.conditions.items():
            write_predictions(place / name / "predictions.parquet", condition.predictions)
            write_boxes(place / name / "boxes.parquet", condition.boxes)
        if result.draws:
            _draws(result.draws).to_csv(place / "draws.csv", index=False)
        write_json(place / "robustness.json", summary)


def _draws(draws: tuple[Draw, ...]) -> pd.DataFrame:
    table = pd.DataFrame([vars(draw) for draw in draws])
    parameters = [json.dumps(dict(draw.parameters), sort_keys=True) for draw in draws]
    return table.astype({"face": "Int64"}).assign(parameters=parameters)
