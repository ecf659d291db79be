"""Faces of several sizes on a black canvas: how far a detector depends on the size of a face.

Source: the paper on YOLOv6 with weighted classes, its multi-scale test on FER2013 (faces of 48, 96,
192, 384 and 640 pixels on 640 x 640).
Differs: the paper does not say where the face stands; ours is in the middle, or anywhere by seed.
Bilinear both ways, so a face that is made smaller is not averaged before.
Shape: faces (H, W, C) of any size become pictures (canvas, canvas, C) with one face each; a network
for colour is given a grey one as three equal channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import FACE_KEY
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


@dataclass(frozen=True)
class Canvas:
    """Every labelled test face alone, in several sizes.

    The network sees the whole canvas. The box of a face is the square that was pasted.

    Args:
        sizes: sides of the pasted squares in pixels.
        canvas: side of the canvas in pixels.
        position: `centred`, or `random`: one draw a face, as shares of the room that is left, so
            that its place is alike in all sizes.
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
        for name in ("canvas", "input_px", "limit"):
            check_least(name, getattr(self, name), 1)
        check_least("seed", self.seed, 0)
        fits = all(1 <= size <= self.canvas for size in self.sizes)
        if not fits or not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise InputError(
                f"sizes are {list(self.sizes)}",
                where="params.yaml: robustness: options of canvas",
                remedy=f"give at least one, all different, from 1 to the canvas's {self.canvas}",
            )

    def run(self, trained: Trained, data: PackedDataset, device: str) -> RobustnessResult:
        """A detector's predictions, a condition a size; a classifier is skipped."""
        if task_of(trained.variant) != "detect":
            return RobustnessResult(
                skipped="a classifier is shown the face alone, whatever surrounds it"
            )
        test = data.faces("test")
        names = _picture_names(test.frame)
        named = FaceTable(test.frame.assign(name=names), test.classes)
        # By name of the picture: the face it shows, and where, as shares of the room beside it.
        faces = draw_faces(named, names, self.limit, self.seed).frame.set_index("name")
        faces[["left", "top"]] = [self._place(str(name)) for name in faces.index]
        conditions = {
            str(size): self._predict(size, faces, trained, data, device) for size in self.sizes
        }
        draws: tuple[Draw, ...] = ()
        if self.position == "random":
            columns = (faces[name] for name in (*FACE_KEY, "left", "top"))
            draws = tuple(
                Draw(image, face, 0, "place", {"left": left, "top": top})
                for image, face, left, top in zip(*columns, strict=True)
            )
        return RobustnessResult(conditions, draws)

    def _place(self, name: str) -> tuple[float, float]:
        if self.position == "centred":
            return 0.5, 0.5
        x, y = generator_of(self.seed, name).uniform(size=2).round(4)
        return float(x), float(y)

    def _predict(
        self, size: int, faces: pd.DataFrame, trained: Trained, data: PackedDataset, device: str
    ) -> Predicted:
        """Predictions on one picture a face, under the names of the faces they show."""
        source, room = Pack(data.pack), self.canvas - size
        corners = (faces[["left", "top"]] * room).astype(int)  # whole pixels beside the square

        def picture(name: str) -> Pixels:
            face = faces.loc[name]
            pixels = face_of(
                source.image(str(face["image_id"])), face[["cx", "cy", "w", "h"]].to_numpy(float)
            )
            return _pasted(pixels, size, self.canvas, corners.loc[name].to_numpy())

        px = self.input_px or self.canvas
        seen = replace(trained, recipe=replace(trained.recipe, input_px=px, resize_px=px))
        squares = _squares(faces, size, self.canvas, corners)
        pictures = Altered(data.pack, picture)
        found = predict_faces(
            seen, pictures, FaceTable(squares, data.classes), device, batch=_BATCH
        )
        return Predicted(_renamed(found.predictions, faces), _renamed(found.boxes, faces))


def _picture_names(faces: pd.DataFrame) -> pd.Series:
    """A name for each face's picture: the image's, with the face's number if it has several."""
    several = faces.groupby("image_id")["face"].transform("size") > 1
    return faces["image_id"] + np.where(several, "#" + faces["face"].astype(str), "")


def _pasted(face: Pixels, size: int, canvas: int, corner: NDArray[np.int64]) -> Pixels:
    """A face (H, W, C) as a square on black, (canvas, canvas, C)."""
    square = cv2.resize(face, (size, size), interpolation=cv2.INTER_LINEAR)
    picture = np.zeros((canvas, canvas, face.shape[2]), np.uint8)
    left, top = corner
    picture[top : top + size, left : left + size] = square.reshape(size, size, -1)
    return picture


def _squares(faces: pd.DataFrame, size: int, canvas: int, corners: pd.DataFrame) -> pd.DataFrame:
    """Every face as the only one of its picture, in the order of the pictures' names."""
    moved: dict[str, Any] = {
        "image_id": faces.index,
        "face": 0,
        "cx": (corners["left"] + size / 2) / canvas,
        "cy": (corners["top"] + size / 2) / canvas,
        "w": size / canvas,
        "h": size / canvas,
    }
    return faces.assign(**moved).sort_index().reset_index(drop=True)


def _renamed(table: pd.DataFrame, faces: pd.DataFrame) -> pd.DataFrame:
    """A table of pictures, each with one face 0, as one of the images and faces they show."""
    shown = faces.loc[table["image_id"], FACE_KEY].reset_index(drop=True)
    number = shown["face"].where(table["face"] == 0, table["face"])  # -1 stays: no face
    named = table.assign(image_id=shown["image_id"], face=number)
    return named.assign(picture=shown["face"]) if "picture" in table else named
