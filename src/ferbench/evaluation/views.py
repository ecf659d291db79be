"""A trained network together with the test faces that are to be explained."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ferbench.artifacts.predictions import arrays, classes_of
from ferbench.data.dataset import FaceTable, PackedDataset
from ferbench.data.loaders import FaceDataset, SceneDataset
from ferbench.detection.boxes import MAX_BOXES, kept_boxes
from ferbench.detection.matching import match_scene
from ferbench.errors import InputError
from ferbench.evaluation.scoring import MISS, predicted
from ferbench.models.build import as_fractions, task_of
from ferbench.models.weights import Trained

__all__ = ["Face", "Scored", "View", "answered", "open_view", "score_of", "spread"]

_PLAIN = -1  # the epoch of an image as it is, without augmentation
_MIDDLE = 4  # of ten crops


@dataclass(frozen=True)
class Face:
    """A labelled test face as the network is shown it.

    Args:
        unit_id: its id in `predictions.parquet`.
        true: its class.
        said: the class that the network answered with; it is the one explained.
        cls: index of `said`.
        prob: of `said`.
        image: (C, H, W), bytes; of a detector the whole picture, of ten crops the middle one.
        outline: left, top, right and bottom of the face in pixels, if the picture shows several.
    """

    unit_id: str
    true: str
    said: str
    cls: int
    prob: float
    image: Tensor
    outline: tuple[float, float, float, float] | None

    @property
    def right(self) -> bool:
        """Whether the answer is the label."""
        return self.true == self.said


@dataclass(frozen=True)
class View:
    """What a method of explanation is given.

    Args:
        trained: the network, in evaluation mode on `device`.
        answers: a row a test face that got an answer, sorted by `image_id`: `image_id`, `true`,
            `said`, `cls` (index of `said`), `prob` (of `said`).
        units: all labelled test faces.
        dataset: their pictures.
        device: of the network.
        images: how many faces a picture of this view may show.
    """

    trained: Trained
    answers: pd.DataFrame
    units: FaceTable
    dataset: FaceDataset | SceneDataset
    device: str
    images: int

    @property
    def detects(self) -> bool:
        """Whether the network is a detector."""
        return task_of(self.trained.variant) == "detect"

    def chosen(self, at_most: int | None = None) -> list[Face]:
        """Faces spread evenly over the true classes, `images` or fewer."""
        images = self.images if at_most is None else min(self.images, at_most)
        return self.faces(spread(self.answers, self.trained.classes, images))

    def faces(self, unit_ids: Sequence[str]) -> list[Face]:
        """Faces by their ids, in the order asked for."""
        answers = {row["image_id"]: row for row in self.answers.to_dict("records")}
        place = {unit: row for row, unit in enumerate(self.units.frame["unit_id"])}
        return [self._face(unit, answers[unit], place[unit]) for unit in unit_ids]

    def input(self, face: Face) -> Tensor:
        """A face as the network takes it: fractions (1, C, H, W) on its device."""
        network = self.trained.network
        return as_fractions(face.image[None], next(network.parameters()).device)

    def _face(self, unit_id: str, answer: Mapping[Hashable, Any], row: int) -> Face:
        if isinstance(self.dataset, FaceDataset):
            image, outline = self.dataset[(_PLAIN, row)][0], None
            if image.ndim == 4:
                image = image[_MIDDLE]
        else:
            image, outline = self._scene(self.dataset, row)
        words = (str(answer["true"]), str(answer["said"]), int(answer["cls"]))
        return Face(unit_id, *words, float(answer["prob"]), image, outline)

    def _scene(
        self, dataset: SceneDataset, row: int
    ) -> tuple[Tensor, tuple[float, float, float, float] | None]:
        """The picture of a face, and where the face is in it, if it is one of several."""
        image_id = self.units.frame["image_id"].iloc[row]
        index = [name for name, _ in dataset.scenes].index(image_id)
        faces = dataset.scenes[index][1]
        image, boxes, _, _ = dataset[(_PLAIN, index)]
        # A face that the transform takes for invisible is not in `boxes`, so that numbers shift.
        if len(faces) == 1 or len(boxes) != len(faces):
            return image, None
        cx, cy, w, h = boxes[faces.index.get_loc(row)].tolist()
        height, width = image.shape[1:]
        corners = ((cx - w / 2) * width, (cy - h / 2) * height)
        return image, (*corners, (cx + w / 2) * width, (cy + h / 2) * height)


def open_view(
    trained: Trained, data: PackedDataset, predictions: pd.DataFrame, images: int, device: str
) -> View:
    """A network with what it said of the test faces.

    Args:
        trained: the network; it is moved to `device`.
        data: the data set.
        predictions: of the same network on test.
        images: how many faces a picture may show.
        device: such as `cpu` or `cuda`.

    Raises:
        InputError: the predictions are of other faces or classes.
    """
    units = data.faces("test")
    if set(units.frame["unit_id"]) != set(predictions["image_id"]) or classes_of(
        predictions
    ) != list(trained.classes):
        raise InputError(
            "predictions are not of this network on these test faces",
            where=data.pack.name,
            remedy="make them again: `dvc repro`",
        )
    trained.network.to(device).eval()
    kind = SceneDataset if task_of(trained.variant) == "detect" else FaceDataset
    dataset = kind(data.pack, units, trained.recipe, seed=0)
    return View(trained, answered(predictions), units, dataset, device, images)


def answered(predictions: pd.DataFrame) -> pd.DataFrame:
    """The faces that got an answer, as the table of a `View`; a miss explains nothing."""
    classes = classes_of(predictions)
    prob, _ = arrays(predictions)
    label = predicted(prob)
    table = pd.DataFrame(
        {
            "image_id": predictions["image_id"].astype(str),
            "true": predictions["target"],
            "said": np.array(classes, dtype=object)[label],
            "cls": label,
            "prob": prob[np.arange(len(prob)), label],
        }
    )
    return table[label != MISS].sort_values("image_id", kind="stable").reset_index(drop=True)


def spread(answers: pd.DataFrame, classes: Sequence[str], images: int) -> list[str]:
    """Ids of `images` faces, spread evenly over the true classes, by class.

    Within a class faces come in the order of their ids, right and wrong ones in turn as long as
    there are both. A class that runs out leaves its share to the others.
    """
    queues = []
    for word in classes:
        own = answers[answers["true"] == word]
        right, wrong = (
            own.loc[own["said"].eq(word) == is_right, "image_id"] for is_right in (True, False)
        )
        pairs = zip_longest(right, wrong)
        queues.append([unit for pair in pairs for unit in pair if unit is not None])
    rounds = [unit for turn in zip_longest(*queues) for unit in turn if unit is not None]
    taken = set(rounds[:images])
    return [unit for queue in queues for unit in queue if unit in taken]


# MERGED from ferbench.evaluation.views:
# The one number of a network's answer that is explained.


_SATURATED = 1e-6  # nearer to 0 and 1 float32 has no logit worth a gradient


class Scored(nn.Module):
    """A network that answers with the score of one class alone.

    Args:
        network: the whole one.
        cls: index of the class.
        place: of the detector's box that answers for the face; None for a classifier.

    Shape:
        (1, C, H, W) -> (1,), the logit; a detector's is that of the box's score, whose own
        gradient vanishes where the score is near 0 or 1
    """

    def __init__(self, network: nn.Module, cls: int, place: int | None) -> None:
        super().__init__()
        self.network, self.cls, self.place = network, cls, place

    def forward(self, x: Tensor) -> Tensor:
        """The logit."""
        said = self.network(x)
        if self.place is None:
            return said[:, self.cls].float()
        return torch.logit(said[0][:, 4 + self.cls, self.place].float(), eps=_SATURATED)


def score_of(view: View, face: Face) -> Scored:
    """The score of the class that the network answered a face with.

    A detector's is that of the box which answers for the face.
    """
    place = _place(view, face, view.dataset) if isinstance(view.dataset, SceneDataset) else None
    return Scored(view.trained.network, face.cls, place)


def _place(view: View, face: Face, dataset: SceneDataset) -> int:
    """The place, among all that a detector decodes, whose box answers for a face."""
    rows = view.units.frame
    row = rows.loc[rows["unit_id"] == face.unit_id].iloc[0]
    scene = rows[rows["image_id"] == row["image_id"]]
    with torch.no_grad():
        decoded = view.trained.network(view.input(face))[0].float().cpu()
    classes = len(view.trained.classes)
    boxes = kept_boxes(decoded, classes, MAX_BOXES)[0]
    corners = dataset.to_fractions(boxes.xyxy.double().numpy(), str(row["image_id"]))
    match = match_scene(boxes.score.double().numpy(), corners, scene)
    own = np.flatnonzero(match.chosen == list(scene["unit_id"]).index(face.unit_id))
    if not own.size:  # a box at the threshold of its overlap, on another device
        return int(decoded[0, 4 + face.cls].argmax())
    return int(boxes.place[own[0]])
