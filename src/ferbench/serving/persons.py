"""Faces of a video followed from picture to picture, with their probabilities smoothed.

A face belongs to the person whose last box it overlaps most; all pairs of a picture are assigned at
once so that the sum of overlaps is greatest. Who is not seen for a while is forgotten: coming back
makes a new number.

Source: intersection over union as the only cue is that of Bochinski, Eiselein, Sikora, "High-Speed
Tracking-by-Detection Without Using Image Information", AVSS 2017.
Differs: assignment by `scipy.optimize.linear_sum_assignment` instead of greedily.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ferbench.detection.matching import overlaps
from ferbench.serving.predictor import Face

__all__ = ["PersonTracker", "SeenFace"]

_LEAST_OVERLAP = 0.3


@dataclass(frozen=True)
class SeenFace:
    """A face of a picture of a video.

    Args:
        face: with the person's smoothed probabilities.
        person: number of the person in the video, from 0.
    """

    face: Face
    person: int


@dataclass
class _Person:
    number: int
    box: NDArray[np.float64]
    prob: NDArray[np.float64]
    time_s: float


class PersonTracker:
    """Follows the persons of one video.

    Args:
        smoothing_s: time constant of the exponential mean of probabilities; 0 for none.
        forget_s: after so long without a face a person is forgotten.
    """

    def __init__(self, smoothing_s: float = 0.5, forget_s: float = 1.0) -> None:
        self._smoothing_s, self._forget_s = smoothing_s, forget_s
        self._persons: list[_Person] = []
        self._count = 0

    def update(self, faces: Sequence[Face], time_s: float) -> list[SeenFace]:
        """The faces of the next picture with their persons, in the given order.

        Args:
            faces: of the picture.
            time_s: of the picture; does not fall.
        """
        self._persons = [p for p in self._persons if time_s - p.time_s <= self._forget_s]
        boxes = np.array([face.box for face in faces]).reshape(-1, 4)
        known = np.array([person.box for person in self._persons]).reshape(-1, 4)
        overlap = overlaps(boxes[:, None], known[None])
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        persons = {
            int(row): self._persons[column]
            for row, column in zip(rows, columns, strict=True)
            if overlap[row, column] >= _LEAST_OVERLAP
        }
        return [self._seen(face, persons.get(row), time_s) for row, face in enumerate(faces)]

    def _seen(self, face: Face, person: _Person | None, time_s: float) -> SeenFace:
        prob = np.array(list(face.probabilities.values()))
        box = np.array(face.box)
        if person is None:
            self._persons.append(_Person(self._count, box, prob, time_s))
            self._count += 1
            return SeenFace(face, self._count - 1)
        share = self._share(time_s - person.time_s)
        person.prob = (1 - share) * person.prob + share * prob
        person.box, person.time_s = box, time_s
        names = list(face.probabilities)
        smooth = replace(
            face,
            emotion=names[int(person.prob.argmax())],
            probabilities=dict(zip(names, person.prob.tolist(), strict=True)),
        )
        return SeenFace(smooth, person.number)

    def _share(self, passed_s: float) -> float:
        """Weight of a new picture's probabilities in the mean."""
        if not self._smoothing_s:
            return 1.0
        return 1 - math.exp(-max(passed_s, 0.0) / self._smoothing_s)
