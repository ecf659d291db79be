"""Explanations of a trained network's predictions: what a method is given, and its figures.

A method, a part of `ferbench.evaluation.explanations`, is called with a `View`: a network together
with the test faces it has predictions for.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ferbench.artifacts.datasets import BOX
from ferbench.artifacts.paths import StudyPaths
from ferbench.artifacts.predictions import FACE_KEY, MISS, arrays, classes_of, predicted
from ferbench.config.params import Params
from ferbench.config.runs import Run, run_from_words
from ferbench.data.dataset import FaceTable, PackedDataset
from ferbench.data.loaders import FaceDataset, SceneDataset
from ferbench.detection.boxes import MAX_BOXES, kept_boxes
from ferbench.detection.matching import match_scene
from ferbench.errors import InputError, unknown
from ferbench.evaluation.gallery import Face, Gallery, draw_gallery
from ferbench.files import write_json
from ferbench.models.build import as_fractions, task_of
from ferbench.models.weights import Trained
from ferbench.plugins import load

__all__ = [
    "Scored",
    "View",
    "explain",
    "explain_folder",
    "explain_from_words",
    "open_view",
    "predicted_faces",
    "score_of",
    "spread",
]

_METHODS = "ferbench.evaluation.explanations"
_PLAIN = -1  # the epoch of an image as it is, without augmentation
_MIDDLE = 4  # of ten crops
_SATURATED = 1e-6  # nearer to 0 and 1 float32 has no logit worth a gradient


@dataclass(frozen=True)
class View:
    """A network and the test faces that are to be explained.

    Args:
        trained: the network, in evaluation mode on its device.
        table: of the faces with a prediction, as `predicted_faces` gives it.
        faces: all labelled test faces.
        dataset: their pictures.
        images: how many faces a figure of this view may show.
    """

    trained: Trained
    table: pd.DataFrame
    faces: FaceTable
    dataset: FaceDataset | SceneDataset
    images: int

    @property
    def detects(self) -> bool:
        """Whether the network is a detector."""
        return task_of(self.trained.variant) == "detect"

    def chosen(self, at_most: int | None = None) -> list[Face]:
        """Faces spread evenly over the true classes, `images` or fewer."""
        images = self.images if at_most is None else min(self.images, at_most)
        return self.shown(spread(self.table, self.trained.classes, images))

    def shown(self, rows: pd.DataFrame) -> list[Face]:
        """The faces of given rows of `table`, in their order."""
        return [self._face(row) for row in rows.to_dict("records")]

    def input(self, face: Face) -> Tensor:
        """A face as the network takes it: fractions (1, C, H, W) on its device."""
        network = self.trained.network
        return as_fractions(face.image[None], next(network.parameters()).device)

    def _face(self, row: Mapping[Hashable, Any]) -> Face:
        if isinstance(self.dataset, FaceDataset):
            image, outline = self.dataset[(_PLAIN, row["row"])][0], None
            if image.ndim == 4:
                image = image[_MIDDLE]
        else:
            image, outline = self._scene(self.dataset, row["row"])
        known = {name: row[name] for name in (*FACE_KEY, "true", "predicted", "cls", "prob")}
        return Face(**known, image=image, outline=outline)

    def _scene(
        self, dataset: SceneDataset, row: int
    ) -> tuple[Tensor, tuple[float, float, float, float] | None]:
        """The picture of a face, and where the face is in it, if it is one of several."""
        image_id = self.faces.frame["image_id"].iloc[row]
        index = [name for name, _ in dataset.scenes].index(image_id)
        faces = dataset.scenes[index][1]
        image, boxes, _, _ = dataset[(_PLAIN, index)]
        # The transform leaves out a face that it takes for invisible, so that numbers shift.
        if len(faces) == 1 or len(boxes) != len(faces):
            return image, None
        cx, cy, w, h = boxes[faces.index.get_loc(row)].tolist()
        height, width = image.shape[1:]
        corners = ((cx - w / 2) * width, (cy - h / 2) * height)
        return image, (*corners, (cx + w / 2) * width, (cy + h / 2) * height)


def open_view(
    trained: Trained, data: PackedDataset, predictions: pd.DataFrame, images: int, device: str
) -> View:
    """A network with its predictions on the test faces.

    Args:
        trained: the network; it is moved to `device`.
        data: the data set.
        predictions: of the same network on test.
        images: how many faces a figure may show.
        device: such as `cpu` or `cuda`.

    Raises:
        InputError: the predictions are of other faces or classes.
    """
    faces = data.faces("test")
    known, given = (set(map(tuple, t[FACE_KEY].to_numpy())) for t in (faces.frame, predictions))
    if known != given or classes_of(predictions) != list(trained.classes):
        raise InputError(
            "predictions are not of this network on these test faces",
            where=data.pack.name,
            remedy="make them again: `dvc repro`",
        )
    trained.network.to(device).eval()
    kind = SceneDataset if task_of(trained.variant) == "detect" else FaceDataset
    dataset = kind(data.pack, faces, trained.recipe, seed=0)
    return View(trained, predicted_faces(predictions, faces), faces, dataset, images)


def predicted_faces(predictions: pd.DataFrame, faces: FaceTable) -> pd.DataFrame:
    """The faces that are not missed, sorted; a miss cannot be explained.

    Args:
        predictions: rows of `predictions.parquet`.
        faces: the same faces.

    Returns:
        image_id, face, true, predicted, cls (index of the predicted class), prob (of that class),
        row (of the face in `faces`).
    """
    prob, _ = arrays(predictions)
    label = predicted(prob)
    table = predictions[FACE_KEY].assign(
        true=predictions["target"],
        predicted=np.array(classes_of(predictions), dtype=object)[label],
        cls=label,
        prob=prob[np.arange(len(prob)), label],
    )
    rows = faces.frame[FACE_KEY].assign(row=np.arange(len(faces.frame)))
    found = table[label != MISS].merge(rows, on=FACE_KEY)
    return found.sort_values(FACE_KEY, kind="stable").reset_index(drop=True)


def spread(table: pd.DataFrame, classes: Sequence[str], images: int) -> pd.DataFrame:
    """`images` rows of a view's table, spread evenly over the true classes, by class.

    Within a class faces come in their order, correct and wrong ones in turn as long as there are
    both. A class that runs out leaves its share to the others.
    """
    queues = []
    for word in classes:
        own = table[table["true"] == word]
        correct = own["predicted"].eq(word)
        pairs = zip_longest(own.index[correct], own.index[~correct])
        queues.append([row for pair in pairs for row in pair if row is not None])
    rounds = [row for turn in zip_longest(*queues) for row in turn if row is not None]
    taken = set(rounds[:images])
    return table.loc[[row for queue in queues for row in queue if row in taken]]


class Scored(nn.Module):
    """A network whose output is the score of one class.

    Args:
        network: the whole one.
        cls: index of the class.
        place: of the detector's box that is the prediction for the face; None for a classifier.

    Shape:
        (1, C, H, W) -> (1,), the logit; a detector's is that of the box's score, whose own
        gradient vanishes where the score is near 0 or 1
    """

    def __init__(self, network: nn.Module, cls: int, place: int | None) -> None:
        super().__init__()
        self.network, self.cls, self.place = network, cls, place

    def forward(self, x: Tensor) -> Tensor:
        """The logit."""
        output = self.network(x)
        if self.place is None:
            return output[:, self.cls].float()
        return torch.logit(output[0][:, 4 + self.cls, self.place].float(), eps=_SATURATED)


def score_of(view: View, face: Face) -> Scored:
    """The score of the class that the network predicts for a face.

    A detector's is that of the box that is the prediction for the face.
    """
    place = _place(view, face, view.dataset) if isinstance(view.dataset, SceneDataset) else None
    return Scored(view.trained.network, face.cls, place)


def _place(view: View, face: Face, dataset: SceneDataset) -> int:
    """The place of a face's box among all that a detector decodes."""
    rows = view.faces.frame
    scene = rows[rows["image_id"] == face.image_id]
    with torch.no_grad():
        decoded = view.trained.network(view.input(face))[0].float().cpu()
    boxes = kept_boxes(decoded, len(view.trained.classes), MAX_BOXES)[0]
    corners = dataset.to_fractions(boxes.xyxy.double().numpy(), face.image_id)
    match = match_scene(boxes.score.double().numpy(), corners, scene[BOX].to_numpy())
    own = np.flatnonzero(match.chosen == list(scene["face"]).index(face.face))
    if not own.size:  # a box at the threshold of its overlap, on another device
        return int(decoded[0, 4 + face.cls].argmax())
    return int(boxes.place[own[0]])


def explain(view: View, methods: Sequence[str], run: Run, folder: Path) -> None:
    """Write a PNG a method and `index.json` into `folder`.

    The index holds `variant`, `dataset` (the key), `seed`, `figures` (each with `method`, `title`,
    `file`, `caption` and `faces`, image_id and face of those shown) and `skipped`, the reason by
    method.

    Args:
        view: the network and the faces.
        methods: parts of `ferbench.evaluation.explanations`.
        run: whose network it is.
        folder: that exists.

    Raises:
        InputError: a method is unknown.
    """
    parts = {name: load(_METHODS, name) for name in methods}
    figures: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name, method in parts.items():
        found = "all test faces were missed" if view.table.empty else method(view)
        if isinstance(found, str):
            skipped[name] = found
            continue
        file = f"{name}.png"
        draw_gallery(found, folder / file)
        figures.append(
            {
                "method": name,
                "title": found.title,
                "file": file,
                "caption": _caption(found, view, run),
                "faces": [{"image_id": f.image_id, "face": f.face} for f in found.faces],
            }
        )
    about = {"variant": run.variant, "dataset": run.dataset, "seed": run.seed}
    write_json(folder / "index.json", {**about, "figures": figures, "skipped": skipped})


def _caption(found: Gallery, view: View, run: Run) -> str:
    """A method's caption, then what holds for all of them."""
    sentences = [found.caption]
    if view.trained.recipe.crops > 1:
        sentences.append("The network predicts from ten crops; the middle one is shown.")
    if any(face.outline for face in found.faces):
        sentences.append("Where a picture shows several faces, the outline marks the one meant.")
    shown, p = len(found.faces), "share of the scores" if view.detects else "softmax"
    sentences.append(
        f"Below each picture are its label, the predicted class and its {p}; n = {shown} "
        f"test face{'' if shown == 1 else 's'} of {run.dataset}, variant {run.variant}, "
        f"seed {run.seed}."
    )
    return " ".join(sentences)


def explain_from_words(params: Params, words: list[str]) -> tuple[str, Run]:
    """What a command line names: a row of `explain`, and the run of the first seed.

    Args:
        params: of the active study.
        words: row, variant and data set.

    Raises:
        InputError: there are not three words, or one is none of the active study's.
    """
    if len(words) != 3:
        raise InputError(
            "expected an explanation, a variant and a data set, "
            f"got {' '.join(words) or 'nothing'}",
            remedy=f"explanations are: {', '.join(params.explain) or 'none'}",
        )
    name, *rest = words
    if name not in params.explain:
        raise unknown("explanation", name, params.explain, where="params.yaml: explain")
    return name, run_from_words(params, [*rest, str(params.seeds[0])])


def explain_folder(name: str, run: Run) -> Path:
    """Where the figures of a row of `explain` are, relative to the project."""
    return StudyPaths(run.study).runs / "_explain" / name / run.variant / run.dataset
