"""Faces of several sizes on a black canvas: how far a detector depends on the size of a face.

Source: the paper on YOLOv6 with weighted classes, its multi-scale test on FER2013 (faces of 48, 96,
192, 384 and 640 pixels on 640 x 640).
Differs: the paper does not say where the face stands; ours is in the middle, or anywhere by seed.
Bilinear both ways, so a face that is made smaller is not averaged before.
Shape: faces (H, W, C) of any size become pictures (canvas, canvas, C) with one face each, of which
a grey one is given to a network for colour as three equal channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pack
from ferbench.data.dataset import FaceTable, PackedDataset
from ferbench.data.transforms import face_of
from ferbench.errors import InputError
from ferbench.evaluation.predict import Predicted, predict_faces
from ferbench.evaluation.robustness_test import (
    Altered,
    Draw,
    RobustnessResult,
    check_least,
    draw_faces,
    generator_of,
)
from ferbench.models.build import task_of
from ferbench.models.weights import Trained

__all__ = ["Canvas"]

# Pictures a call: a batch of eight at 640 x 640 stays below some 2 GiB for the networks we have.
_BATCH = 8

Pixels = NDArray[np.uint8]
# (left, top) as shares of the room that a face leaves, by unit
Places = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Canvas:
    """Every labelled test face alone, in several sizes.

    The network sees the whole canvas. The box of a face is the square that was pasted.

    Args:
        sizes: sides of the pasted squares in pixels.
        canvas: side of the canvas in pixels.
        position: `centred`, or `random`: one draw a face, as shares of the room that is left, so
            that it stands alike in all sizes.
        input_px: side that the network sees the canvas at; None for the canvas as it is.
        seed: of positions and of the draw of faces.
        limit: at most so many faces, drawn evenly over classes; None for all.
    """

    sizes: tuple[int, ...] = (48, 96, 192, 384, 640)
    canvas: int = 640
    position: Literal["centred", "random"] = "centred"
    input_px: int | None = None
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("canvas", self.canvas), ("input_px", self.input_px)):
            check_least(name, 1 if value is None else value, 1)
        check_least("limit", 1 if self.limit is None else self.limit, 1)
        check_least("seed", self.seed, 0)
        fits = all(1 <= size <= self.canvas for size in self.sizes)
        if not fits or not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise InputError(
                f"sizes are {list(self.sizes)}",
                where="params.yaml: robustness: options of canvas",
                remedy=f"give at least one, all different, from 1 to the canvas's {self.canvas}",
            )

    def run(self, trained: Trained, data: PackedDataset, device: str) -> RobustnessResult:
        """The answers of a detector, a condition a size; a classifier is skipped."""
        if task_of(trained.variant) != "detect":
            return RobustnessResult(
                skipped="a classifier is shown the face alone, whatever surrounds it"
            )
        faces = draw_faces(data.faces("test"), "unit_id", self.limit, self.seed)
        places = {unit: self._place(unit) for unit in faces.frame["unit_id"]}
        conditions = {
            str(size): self._answers(size, places, trained, (data, faces), device)
            for size in self.sizes
        }
        draws: tuple[Draw, ...] = ()
        if self.position == "random":
            draws = tuple((u, 0, "place", {"left": x, "top": y}) for u, (x, y) in places.items())
        return RobustnessResult(conditions, draws)

    def _place(self, unit: str) -> tuple[float, float]:
        if self.position == "centred":
            return 0.5, 0.5
        x, y = generator_of(self.seed, unit).uniform(size=2).round(4)
        return float(x), float(y)

    def _answers(
        self,
        size: int,
        places: Places,
        trained: Trained,
        of: tuple[PackedDataset, FaceTable],
        device: str,
    ) -> Predicted:
        data, faces = of
        source, rows = Pack(data.pack), faces.frame.set_index("unit_id")
        boxes = rows[["cx", "cy", "w", "h"]]
        corner = {unit: self._corner(size, place) for unit, place in places.items()}

        def picture(unit: str) -> Pixels:
            image = source.image(str(rows.at[unit, "image_id"]))
            face = face_of(image, boxes.loc[unit].to_numpy(float))
            return _pasted(face, size, self.canvas, corner[unit])

        px = self.input_px or self.canvas
        seen = replace(trained, recipe=replace(trained.recipe, input_px=px, resize_px=px))
        squares = _squares(faces, size, self.canvas, corner)
        return predict_faces(seen, Altered(data.pack, picture), squares, device, _BATCH)

    def _corner(self, size: int, place: tuple[float, float]) -> tuple[int, int]:
        """Whole pixels left of and above the square."""
        room = self.canvas - size
        return int(place[0] * room), int(place[1] * room)


def _pasted(face: Pixels, size: int, canvas: int, corner: tuple[int, int]) -> Pixels:
    """A face (H, W, C) as a square on black, (canvas, canvas, C)."""
    square = cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR)
    picture = np.zeros((canvas, canvas, face.shape[2]), np.uint8)
    left, top = corner
    picture[top : top + size, left : left + size] = square.reshape(size, size, -1)
    return picture


def _squares(
    faces: FaceTable, size: int, canvas: int, corner: Mapping[str, tuple[int, int]]
) -> FaceTable:
    """Every face as the only one of its canvas, which is called as the unit is."""
    frame = faces.frame
    left, top = np.array([corner[unit] for unit in frame["unit_id"]]).T
    moved: dict[str, Any] = {
        "image_id": frame["unit_id"],
        "face": 0,
        "cx": (left + size / 2) / canvas,
        "cy": (top + size / 2) / canvas,
        "w": size / canvas,
        "h": size / canvas,
    }
    alone = frame.assign(**moved).sort_values("image_id").reset_index(drop=True)
    return FaceTable(alone, faces.classes)
