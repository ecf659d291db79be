"""What probes share: their options, pictures altered as they are read, what they leave.

A probe's folder holds `robustness.json`, for each condition `<condition>/predictions.parquet` and
`<condition>/boxes.parquet` (see `ferbench.artifacts.predictions`), and, where chance had a say,
`draws.csv`: a row an image and operation, with its parameters as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
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
_COLUMNS = ["image_id", "order", "operation", "parameters"]

Pixels = NDArray[np.uint8]
# image_id, place in the order of operations, name of the operation, its parameters
Draw = tuple[str, int, str, Mapping[str, float]]


@dataclass(frozen=True)
class RobustnessResult:
    """What a network said of altered test images.

    Args:
        conditions: by name, such as the size of a face.
        draws: what chance decided, image by image.
        skipped: why there are no conditions; None if there are.
    """

    conditions: Mapping[str, Predicted] = field(default_factory=dict)
    draws: tuple[Draw, ...] = ()
    skipped: str | None = None


class Altered(Pack):
    """A pack whose pictures are altered as they are read; nothing is written.

    Args:
        folder: of the pack that the pictures are made from.
        alter: gives the picture (H, W, C) of an id, which need not be one of the pack's.
    """

    def __init__(self, folder: Path, alter: Callable[[str], Pixels]) -> None:
        super().__init__(folder)
        self.alter = alter

    def image(self, image_id: str) -> Pixels:
        """The altered picture of an id."""
        return self.alter(image_id)


def build_robustness_test(row: RobustnessTest) -> Any:
    """The probe of a row, with its options checked.

    Raises:
        InputError: the kind or an option is unknown, or a value is of the wrong type or size.
    """
    part = load("ferbench.evaluation.robustness", row.kind)
    defaults = {f.name: f.default for f in fields(part) if f.default is not MISSING}
    # Records are built from what YAML gives, which has no tuples.
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
    return build_record(part, {**plain, **row.options}, f"{_WHERE} of {row.kind}")


def check_least(name: str, value: int, least: int) -> None:
    """Refuse an option's number that is too small.

    Raises:
        InputError: with the smallest that will do.
    """
    if value < least:
        raise InputError(
            f"{name} is {value}", where=_WHERE, remedy=f"give a whole number from {least} on"
        )


def generator_of(seed: int, image_id: str) -> np.random.Generator:
    """Draws for one image, the same whatever else is drawn and in whatever order."""
    return np.random.default_rng([seed, *image_id.encode()])


def draw_faces(faces: FaceTable, by: str, limit: int | None, seed: int) -> FaceTable:
    """Faces of at most so many images or units, drawn evenly over classes.

    Args:
        faces: of a side.
        by: `image_id` draws images, with all their faces and by the class of the first; `unit_id`
            draws faces.
        limit: at most so many; None for all.
        seed: of the draw.
    """
    if limit is None:
        return faces
    each = faces.frame.drop_duplicates(by)
    names = pd.DataFrame({"image_id": each[by], "emotion": each["cls"]})
    drawn = draw_evenly(names, limit, np.random.default_rng(seed))["image_id"]
    kept = faces.frame[faces.frame[by].isin(drawn)].reset_index(drop=True)
    return FaceTable(kept, faces.classes)


def write_robustness(
    folder: Path, row: RobustnessTest, probed: RobustnessResult, about: Mapping[str, Any]
) -> None:
    """Write a probe's folder, as a whole or not at all.

    Args:
        folder: where.
        row: that asked for it.
        probed: what came of it.
        about: more for `robustness.json`: whose answers they are.
    """
    answered = [len(said.predictions) for said in probed.conditions.values()]
    summary = {
        "kind": row.kind,
        "options": asdict(build_robustness_test(row)),
        **about,
        "conditions": list(probed.conditions),
        "faces": max(answered, default=0),
    }
    if probed.skipped is not None:
        summary["skipped"] = probed.skipped
    with fresh_folder(folder) as place:
        for condition, said in probed.conditions.items():
            write_predictions(place / condition / "predictions.parquet", said.predictions)
            write_boxes(place / condition / "boxes.parquet", said.boxes)
        if probed.draws:
            _draws(probed.draws).to_csv(place / "draws.csv", index=False)
        write_json(place / "robustness.json", summary)


def _draws(draws: Iterable[Draw]) -> pd.DataFrame:
    rows = [(*draw[:3], json.dumps(dict(draw[3]), sort_keys=True)) for draw in draws]
    return pd.DataFrame(rows, columns=_COLUMNS)
