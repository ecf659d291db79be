"""Run a trained network over one side of a split; only here do test images meet a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import no_boxes
from ferbench.data.dataset import FaceTable, PackedDataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.detection.boxes import MAX_BOXES, Boxes, kept_boxes
from ferbench.detection.matching import match_scene
from ferbench.models.build import as_fractions, logits_of, task_of
from ferbench.models.weights import Trained

__all__ = ["Predicted", "Reader", "predict_faces", "predict_side", "reader_of"]

_BATCH = 64


@dataclass(frozen=True)
class Predicted:
    """What a network said of one side: the tables of `ferbench.artifacts.predictions`."""

    predictions: pd.DataFrame
    boxes: pd.DataFrame


def predict_side(trained: Trained, data: PackedDataset, side: str, device: str) -> Predicted:
    """Probabilities of every labelled face on a side, and a detector's boxes.

    Args:
        trained: the network.
        data: the data set, with the network's own classes.
        side: val or test.
        device: where to compute, such as `cpu` or `cuda`.
    """
    return predict_faces(trained, Pack(data.pack), data.faces(side), device)


def predict_faces(
    trained: Trained, pictures: Pack, faces: FaceTable, device: str, batch: int = _BATCH
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
    with torch.inference_mode():
        return _predict(network, trained, pictures, faces, batch)


def reader_of(dataset: FaceDataset | SceneDataset, classes: tuple[str, ...]) -> Reader:
    """What turns a network's outputs on a data set into tables, batch by batch.

    Evaluation and the validation of a training read outputs by it, so that a checkpoint is picked
    by the number that is reported.
    """
    if isinstance(dataset, SceneDataset):
        return SceneReader(dataset, classes)
    return FaceReader(dataset, classes)


class FaceReader:
    """Reads a classifier's outputs.

    Args:
        dataset: whose items, in their natural order, the network is shown.
        classes: in model order.
    """

    def __init__(self, dataset: FaceDataset, classes: tuple[str, ...]) -> None:
        self._faces, self._classes = dataset.faces, classes
        self._prob: list[NDArray[np.float64]] = []

    def add(self, output: Tensor, index: Tensor) -> None:
        """Read a batch.

        Args:
            output: logits (N, K), averaged over crops.
            index: not used: faces come in their order.
        """
        del index
        self._prob.append(torch.softmax(output.double(), dim=1).cpu().numpy())

    def tables(self) -> Predicted:
        """All that was read."""
        table = _predictions(self._faces, np.concatenate(self._prob), self._classes)
        return Predicted(table, no_boxes(self._classes))


class SceneReader:
    """Reads a detector's outputs.

    Args:
        dataset: whose items, in their natural order, the network is shown.
        classes: in model order.
    """

    def __init__(self, dataset: SceneDataset, classes: tuple[str, ...]) -> None:
        self._dataset, self._classes = dataset, classes
        self._prob: list[NDArray[np.float64]] = []
        self._rows: list[dict[str, NDArray[Any]]] = []

    def add(self, output: Tensor, index: Tensor) -> None:
        """Read a batch.

        Args:
            output: decoded boxes (N, 4 + K, A): cx cy w h in pixels of the input, scores.
            index: of the images in the data set, (N,).
        """
        found = kept_boxes(output.cpu(), len(self._classes), MAX_BOXES)
        for number, boxes in zip(index.tolist(), found, strict=True):
            image_id, faces = self._dataset.scenes[number]
            corners = self._dataset.to_fractions(boxes.xyxy.double().numpy(), image_id)
            scene = _Scene(image_id, faces, self._classes)
            prob, rows = scene.read(boxes, corners)
            self._prob.append(prob)
            self._rows += rows

    def tables(self) -> Predicted:
        """All that was read."""
        empty = no_boxes(self._classes)
        columns = {name: np.concatenate([r[name] for r in self._rows]) for name in empty.columns}
        return Predicted(
            _predictions(self._dataset.faces, np.concatenate(self._prob), self._classes),
            pd.DataFrame(columns).astype(empty.dtypes.to_dict()),
        )


Reader = FaceReader | SceneReader


def _predict(
    network: nn.Module, trained: Trained, pictures: Pack, faces: FaceTable, batch: int
) -> Predicted:
    device = next(network.parameters()).device
    classify = task_of(trained.variant) == "classify"
    kind = FaceDataset if classify else SceneDataset
    dataset = kind(pictures.folder, faces, trained.recipe, seed=0)
    dataset.pack = pictures
    reader = reader_of(dataset, trained.classes)
    batches = loader(dataset, EpochSampler(len(dataset), None), batch)
    for content in tqdm(batches, desc="evaluate", unit="batch"):
        if classify:
            image, _, index = content
            output = logits_of(network, as_fractions(image, device))
        else:
            index = content["index"]
            output = network(as_fractions(content["img"], device))[0]
        reader.add(output, index)
    return reader.tables()


def _predictions(
    faces: FaceTable, prob: NDArray[np.float64], classes: tuple[str, ...]
) -> pd.DataFrame:
    target = [classes[c] for c in faces.frame["cls"]]
    head = pd.DataFrame({"image_id": faces.frame["unit_id"], "target": target})
    return pd.concat([head, pd.DataFrame(prob, columns=list(classes))], axis=1)


@dataclass(frozen=True)
class _Scene:
    """One image with its annotated faces."""

    image_id: str
    faces: pd.DataFrame
    classes: tuple[str, ...]

    def read(
        self, boxes: Boxes, corners: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], list[dict[str, NDArray[Any]]]]:
        """Probabilities (F, K) of the faces, and columns of annotated and of predicted boxes."""
        score, scores = boxes.score.double().numpy(), boxes.prob.double().numpy()
        match = match_scene(score, corners, self.faces)
        iou, chosen = match.iou, match.chosen
        prob = np.zeros((len(match.faces), len(self.classes)))
        hit = np.flatnonzero(chosen >= 0)
        prob[chosen[hit]] = scores[hit] / scores[hit].sum(axis=1, keepdims=True)
        cls = self.faces["cls"].to_numpy()
        annotated = self._columns(match.faces, cls, np.eye(len(self.classes))[cls])
        predicted = self._columns(corners, boxes.cls.numpy(), scores)
        own = np.where(chosen >= 0, iou[np.arange(len(iou)), chosen], 0.0)
        predicted |= {"truth": np.zeros(len(score), bool), "face": chosen, "iou": own}
        return prob, [annotated, predicted | {"score": score}]

    def _columns(
        self, corners: NDArray[np.float64], cls: NDArray[Any], scores: NDArray[np.float64]
    ) -> dict[str, NDArray[Any]]:
        """The columns of boxes; as annotated ones have them where nothing else is known."""
        count = len(corners)
        return {
            "image_id": np.full(count, self.image_id, dtype=object),
            "truth": np.ones(count, bool),
            "face": np.arange(count),
            "iou": np.ones(count),
            **dict(zip(("left", "top", "right", "bottom"), corners.T, strict=True)),
            "emotion": np.array([self.classes[c] for c in cls], dtype=object),
            "score": np.ones(count),
            **dict(zip(self.classes, scores.T, strict=True)),
        }
