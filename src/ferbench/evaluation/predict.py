"""Run a trained network over one side of a split; only here do test images meet a network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.data.pack import Pack
from ferbench.data.sampler import EpochSampler
from ferbench.data.stored import Stored
from ferbench.data.units import Units
from ferbench.evaluation.matching import answers, overlaps
from ferbench.evaluation.predictions import no_boxes
from ferbench.models.boxes import Boxes, kept_boxes
from ferbench.models.build import task_of
from ferbench.models.pixels import as_fractions, logits_of
from ferbench.models.weights import Trained

__all__ = ["Predicted", "predict_faces", "predict_side"]

# One face has at most one right box a class; 300 are kept where it is the COCO definition that
# counts.
MAX_BOXES = 300
_BATCH = 64


@dataclass(frozen=True)
class Predicted:
    """What a network said of one side: the tables of `ferbench.evaluation.predictions`."""

    predictions: pd.DataFrame
    boxes: pd.DataFrame


def predict_side(trained: Trained, data: Stored, side: str, device: str) -> Predicted:
    """Probabilities of every labelled face on a side, and a detector's boxes.

    Args:
        trained: the network.
        data: the data set, with the network's own classes.
        side: val or test.
        device: where to compute, such as `cpu` or `cuda`.
    """
    return predict_faces(trained, Pack(data.pack), data.side(side), device)


def predict_faces(
    trained: Trained, pictures: Pack, faces: Units, device: str, batch: int = _BATCH
) -> Predicted:
    """Probabilities of given faces, and a detector's boxes in the images that show them.

    Args:
        trained: the network.
        pictures: the images.
        faces: in them, in the order of their images' ids.
        device: where to compute, such as `cpu` or `cuda`.
        batch: images a call; fewer where they are large.
    """
    network = trained.network.to(device).eval()
    predict = _classify if task_of(trained.variant) == "classify" else _detect
    with torch.inference_mode():
        return predict(network, trained, pictures, faces, batch)


def _batches(dataset: FaceDataset | SceneDataset, batch: int) -> Iterator[Any]:
    batches = loader(dataset, EpochSampler(len(dataset), None), batch)
    yield from tqdm(batches, desc="evaluate", unit="batch")


def _classify(
    network: nn.Module, trained: Trained, pictures: Pack, faces: Units, batch: int
) -> Predicted:
    dataset = FaceDataset(pictures.folder, faces, trained.recipe, seed=0)
    dataset.pack = pictures
    device = next(network.parameters()).device
    prob = [
        torch.softmax(logits_of(network, as_fractions(image, device)).double(), dim=1).cpu().numpy()
        for image, _, _ in _batches(dataset, batch)
    ]
    table = _predictions(faces, np.concatenate(prob), trained.classes)
    return Predicted(table, no_boxes(trained.classes))


def _predictions(faces: Units, prob: NDArray[np.float64], classes: tuple[str, ...]) -> pd.DataFrame:
    target = [classes[c] for c in faces.frame["cls"]]
    head = pd.DataFrame({"image_id": faces.frame["unit_id"], "target": target})
    return pd.concat([head, pd.DataFrame(prob, columns=list(classes))], axis=1)


def _detect(
    network: nn.Module, trained: Trained, pictures: Pack, faces: Units, batch: int
) -> Predicted:
    dataset = SceneDataset(pictures.folder, faces, trained.recipe, seed=0)
    dataset.pack = pictures
    device = next(network.parameters()).device
    prob, tables = [], []
    for scenes in _batches(dataset, batch):
        decoded = network(as_fractions(scenes["img"], device))[0].cpu()
        found = kept_boxes(decoded, len(trained.classes), MAX_BOXES)
        for index, boxes in zip(scenes["index"].tolist(), found, strict=True):
            image_id, rows = dataset.scenes[index]
            scene = _Scene(image_id, rows, trained.classes)
            corners = dataset.to_fractions(boxes.xyxy.double().numpy(), image_id)
            face_prob, table = scene.read(boxes, corners)
            prob.append(face_prob)
            tables.append(table)
    boxes_table = pd.concat([no_boxes(trained.classes), *tables], ignore_index=True)
    return Predicted(
        _predictions(faces, np.concatenate(prob), trained.classes),
        boxes_table.astype(no_boxes(trained.classes).dtypes.to_dict()),
    )


@dataclass(frozen=True)
class _Scene:
    """One image with its annotated faces."""

    image_id: str
    faces: pd.DataFrame
    classes: tuple[str, ...]

    def read(
        self, boxes: Boxes, corners: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], pd.DataFrame]:
        """Probabilities (F, K) of the faces, and the rows of annotated and predicted boxes."""
        centre, size = self.faces[["cx", "cy"]].to_numpy(), self.faces[["w", "h"]].to_numpy()
        truth = np.concatenate((centre - size / 2, centre + size / 2), axis=1)
        iou = overlaps(corners, truth)
        score, scores = boxes.score.double().numpy(), boxes.prob.double().numpy()
        chosen = answers(score, iou)
        prob = np.zeros((len(truth), len(self.classes)))
        hit = np.flatnonzero(chosen >= 0)
        prob[chosen[hit]] = scores[hit] / scores[hit].sum(axis=1, keepdims=True)
        own = np.eye(len(self.classes))[self.faces["cls"]]
        rows = pd.concat(
            [
                self._rows(truth, np.arange(len(truth)), np.ones(len(truth)), own, truth=True),
                self._rows(corners, chosen, score, scores, truth=False).assign(
                    iou=np.where(chosen >= 0, iou[np.arange(len(iou)), chosen], 0.0),
                    emotion=[self.classes[c] for c in boxes.cls],
                ),
            ]
        )
        return prob, rows

    def _rows(
        self,
        corners: NDArray[np.float64],
        face: NDArray[np.int64],
        score: NDArray[np.float64],
        scores: NDArray[np.float64],
        *,
        truth: bool,
    ) -> pd.DataFrame:
        columns = {
            "image_id": self.image_id,
            "truth": truth,
            "face": face,
            "iou": 1.0,
            **dict(zip(("left", "top", "right", "bottom"), corners.T, strict=True)),
            "emotion": [self.classes[c] for c in scores.argmax(axis=1)],
            "score": score,
            **dict(zip(self.classes, scores.T, strict=True)),
        }
        return pd.DataFrame(columns)
