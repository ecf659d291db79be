"""From pictures to faces: the one predictor of commands, registered models and the service.

A classifier takes one face at a time, so a face detector finds the faces first; a one-stage
detector finds and classifies them at once. Input and outputs are those of evaluation: the same
preparation (`ferbench.serving.preprocessing`), the same suppression of boxes, the same
probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.artifacts.pack import Pixels
from ferbench.detection.boxes import MAX_BOXES, kept_boxes
from ferbench.detection.matching import MIN_IOU, overlaps
from ferbench.errors import InputError
from ferbench.serving.engines import Engine, EngineName, engine_of
from ferbench.serving.face_detectors import FaceDetector, face_detector
from ferbench.serving.model_folder import CARD, ModelRecord, open_folder
from ferbench.serving.preprocessing import FaceInputs, SceneInputs, checked_pixels

__all__ = ["Face", "Predictor", "distinct_faces", "square_crops"]

_BATCH = 64
_WHOLE = (0.0, 0.0, 1.0, 1.0)
# Side of the square that a classifier is shown, as a multiple of the longer side of the box that a
# face detector finds: the median of what MTCNN finds in pictures of FER2013 (0.949, 138 faces) and
# CK+48 (0.954, 150 faces) against their whole side.
_MARGIN = 0.95


@dataclass(frozen=True)
class Face:
    """A face in a picture, and what it shows.

    Args:
        box: left, top, right, bottom, fractions of the picture.
        emotion: the most probable one.
        probabilities: of every class, in the model's order; their sum is 1.
        face_score: from 0 to 1, how surely this is a face; for a one-stage detector, the score of
            its box.
    """

    box: tuple[float, float, float, float]
    emotion: str
    probabilities: dict[str, float]
    face_score: float

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "box": list(self.box)}


class Predictor:
    """Predicts the expression of every face in pictures; safe to call in threads.

    Args:
        record: of the model.
        engine: that runs the network.
        detector: finds faces for a classifier; None loads `face_detector()` at the first picture
            that needs it.
        card: the model card, Markdown.
        flip: give the mean of a classifier's probabilities for a face and its mirror image, which
            takes twice the time.

    Raises:
        InputError: `flip` is set for a one-stage detector.
    """

    def __init__(
        self,
        record: ModelRecord,
        engine: Engine,
        detector: FaceDetector | None = None,
        card: str = "",
        *,
        flip: bool = False,
    ) -> None:
        if flip and record.task == "detect":
            raise InputError(
                "a one-stage detector does not average mirror images",
                where=record.variant,
                remedy="leave out the option, or take a classifier",
            )
        self.record = record
        self._flip = flip
        self.card = card
        self._engine = engine
        self._detector = detector
        self._detects = record.task == "detect"
        recipe = record.settings
        self._faces = None if self._detects else FaceInputs(recipe)
        self._scenes = SceneInputs(recipe) if self._detects else None

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str = "cpu",
        *,
        engine: EngineName = "auto",
        detector: FaceDetector | None = None,
        flip: bool = False,
    ) -> Predictor:
        """The predictor of a model folder.

        Args:
            path: the folder, or its `model.json`.
            device: where `torch` computes, such as `cpu` or `cuda`.
            engine: `torch`; `onnx` or `int8`, ONNX Runtime in float32 or 8 bits; or `auto`, which
                is `onnx` on a CPU if the folder has the file, and else `torch`.
            detector: finds faces for a classifier; None takes `face_detector()`.
            flip: average a face with its mirror image.

        Raises:
            InputError: it is no model folder, a file's digest differs, a value is wrong, the folder
                has no file for the engine, or `flip` is set for a one-stage detector.
        """
        folder, record = open_folder(Path(path))
        card = (folder / CARD).read_text(encoding="utf-8")
        return cls(record, engine_of(engine, folder, record, device), detector, card, flip=flip)

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions that it tells apart, in the order of its probabilities."""
        return tuple(self.record.classes)

    @property
    def detector(self) -> FaceDetector | None:
        """The face detector of a classifier; None for a one-stage detector, which needs none."""
        if self._detector is None and not self._detects:
            self._detector = face_detector()
        return self._detector

    def predict(
        self, images: Sequence[Pixels], *, score_threshold: float | None = None
    ) -> list[list[Face]]:
        """The faces of each picture, best first.

        Args:
            images: (H, W), (H, W, 1) or (H, W, 3) bytes each, RGB; sizes may differ.
            score_threshold: least score of a detector's box; None for the model's own.

        Raises:
            InputError: an image is something else.
        """
        pictures = [checked_pixels(image, number) for number, image in enumerate(images)]
        if self._detects:
            least = self.record.score_threshold if score_threshold is None else score_threshold
            return self._of_scenes(pictures, least)
        find = self.detector
        assert find is not None
        found = [find(picture) for picture in pictures]
        squares = [square_crops(f.xyxy, p) for f, p in zip(found, pictures, strict=True)]
        probabilities = self.classify(pictures, squares)
        return [
            [
                self._face(box, own, float(score))
                for box, own, score in zip(faces.xyxy, prob, faces.score, strict=True)
            ]
            for faces, prob in zip(found, probabilities, strict=True)
        ]

    def predict_crops(self, images: Sequence[Pixels]) -> list[list[Face]]:
        """What each picture shows that is one aligned face: at most one face a picture.

        A classifier is shown the whole picture and always gives a face. Of a one-stage detector it
        is the box with the highest score, however low, as in evaluation; there may be none.

        Args:
            images: as for `predict`.

        Raises:
            InputError: an image is something else.
        """
        pictures = [checked_pixels(image, number) for number, image in enumerate(images)]
        if self._detects:
            return [faces[:1] for faces in self._of_scenes(pictures, 0.0)]
        whole = np.array([_WHOLE])
        probabilities = self.classify(pictures, [whole] * len(pictures))
        return [[self._face(whole[0], prob[0], 1.0)] for prob in probabilities]

    def classify(
        self, images: Sequence[Pixels], boxes: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.float64]]:
        """A classifier's probabilities (F, K) of given faces of each picture.

        Args:
            images: (H, W, C) bytes each.
            boxes: the faces of each image (F, 4), xyxy fractions.
        """
        if self._faces is None:
            raise TypeError("a one-stage detector finds its faces itself")
        counts = np.cumsum([len(own) for own in boxes])
        prob = np.empty((int(counts[-1]) if len(counts) else 0, len(self.classes)))
        place = 0
        # In batches of faces; their pictures are at hand anyway.
        for numbers in _batches([len(own) for own in boxes]):
            inputs = self._faces([images[n] for n in numbers], [boxes[n] for n in numbers])
            for start in range(0, len(inputs), _BATCH):
                out = self._probabilities(inputs[start : start + _BATCH])
                prob[place : place + len(out)] = out
                place += len(out)
        return np.split(prob, counts[:-1]) if len(counts) else []

    def _probabilities(self, inputs: Tensor) -> NDArray[np.float64]:
        """Probabilities (N, K) of prepared faces (N, C, H, W)."""
        views = [inputs, inputs.flip(-1)] if self._flip else [inputs]
        each = [torch.softmax(self._engine(view).double(), dim=1) for view in views]
        return torch.stack(each).mean(dim=0).numpy()

    def _of_scenes(self, pictures: Sequence[Pixels], least: float) -> list[list[Face]]:
        assert self._scenes is not None
        faces = []
        for start in range(0, len(pictures), _BATCH):
            batch = pictures[start : start + _BATCH]
            decoded = self._engine(self._scenes(batch))
            for picture, boxes in zip(
                batch, kept_boxes(decoded, len(self.classes), MAX_BOXES), strict=True
            ):
                xyxy = self._scenes.to_fractions(boxes.xyxy.double().numpy(), picture)
                score, scores = boxes.score.double().numpy(), boxes.prob.double().numpy()
                chosen = distinct_faces(xyxy, score, least)
                prob = scores[chosen] / scores[chosen].sum(axis=1, keepdims=True)
                own = zip(xyxy[chosen], prob, score[chosen], strict=True)
                faces.append([self._face(box, p, float(s)) for box, p, s in own])
        return faces

    def _face(self, box: NDArray[np.float64], prob: NDArray[np.float64], face_score: float) -> Face:
        left, top, right, bottom = box.tolist()
        return Face(
            (left, top, right, bottom),
            self.classes[int(prob.argmax())],
            dict(zip(self.classes, prob.tolist(), strict=True)),
            face_score,
        )


def distinct_faces(
    xyxy: NDArray[np.float64], score: NDArray[np.float64], least: float
) -> NDArray[np.int64]:
    """The boxes of a detector that are faces of their own: indices, best first.

    Suppression keeps a place once for each class, as the definition of mAP expects. A face is shown
    once: by the box with the highest score among those that overlap by an IoU of at least 0.5.

    Args:
        xyxy: (M, 4).
        score: (M,).
        least: boxes with a lower score are left out.

    >>> boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.45], [0.5, 0.5, 1, 1]])
    >>> distinct_faces(boxes, np.array([0.7, 0.9, 0.8]), least=0.25).tolist()
    [1, 2]
    """
    chosen: list[int] = []
    for index in np.argsort(-score, kind="stable").tolist():
        if score[index] < least:
            break
        if not chosen or overlaps(xyxy[index], xyxy[chosen]).max() < MIN_IOU:
            chosen.append(index)
    return np.array(chosen, dtype=np.int64)


def square_crops(xyxy: NDArray[np.float64], image: Pixels) -> NDArray[np.float64]:
    """Squares around boxes (F, 4) of an image (H, W, C), as fractions; cut at its border."""
    size = np.array([image.shape[1], image.shape[0]], float)
    low, high = xyxy[:, :2] * size, xyxy[:, 2:] * size
    half = _MARGIN / 2 * (high - low).max(axis=1, keepdims=True)
    centre = (low + high) / 2
    return np.clip(np.hstack([(centre - half) / size, (centre + half) / size]), 0, 1)


def _batches(counts: Sequence[int]) -> list[list[int]]:
    """Numbers of consecutive pictures that have some `_BATCH` faces together; none is empty."""
    batches: list[list[int]] = [[]]
    held = 0
    for number, count in enumerate(counts):
        if held + count > _BATCH and batches[-1]:
            batches.append([])
            held = 0
        if count:
            batches[-1].append(number)
            held += count
    return [batch for batch in batches if batch]
