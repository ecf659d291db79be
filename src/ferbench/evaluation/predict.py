"""Predictions of a trained network on one split; only here are test images shown to a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import CORNERS, FACE_KEY, no_boxes
from ferbench.data.dataset import FaceTable, PackedDataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.detection.boxes import MAX_BOXES, Boxes, kept_boxes
from ferbench.detection.matching import match_scene
from ferbench.models.build import as_fractions, logits_of, task_of
from ferbench.models.weights import Trained

__all__ = ["Predicted", "Reader", "predict_faces", "predict_split", "reader_of"]

_BATCH = 64


@dataclass(frozen=True)
class Predicted:
    """A network's predictions and boxes, as `ferbench.artifacts.predictions` describes them."""

    predictions: pd.DataFrame
    boxes: pd.DataFrame


def predict_split(trained: Trained, data: PackedDataset, split: str, device: str) -> Predicted:
    """Probabilities of every labelled face of a split, and a detector's boxes.

    Args:
        trained: the network.
        data: the data set, with the network's own classes.
        split: val or test.
        device: where to compute, such as `cpu` or `cuda`.
    """
    return predict_faces(trained, Pack(data.pack), data.faces(split), device)


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
    place = next(network.parameters()).device
    classify = task_of(trained.variant) == "classify"
    kind = FaceDataset if classify else SceneDataset
    dataset = kind(pictures.folder, faces, trained.recipe, seed=0)
    dataset.pack = pictures
    reader = reader_of(dataset, trained.classes)
    batches = loader(dataset, EpochSampler(len(dataset), None), batch)
    with torch.inference_mode():
        for content in tqdm(batches, desc="evaluate", unit="batch", disable=None):
            if classify:
                image, _, index = content
                output = logits_of(network, as_fractions(image, place))
            else:
                index = content["index"]
                output = network(as_fractions(content["img"], place))[0]
            reader.add(output, index)
    return reader.tables()


def reader_of(dataset: FaceDataset | SceneDataset, classes: tuple[str, ...]) -> Reader:
    """The reader that turns a network's outputs on a data set into tables, batch by batch.

    Evaluation and the validation during training read outputs by it, so that a checkpoint is
    selected by the number that is reported.
    """
    if isinstance(dataset, SceneDataset):
        return SceneReader(dataset, classes)
    return FaceReader(dataset, classes)


class FaceReader:
    """Reads a classifier's outputs.

    Args:
        dataset: whose items the network is shown, in their order.
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
        dataset: whose items the network is shown, in their order.
        classes: in model order.
    """

    def __init__(self, dataset: SceneDataset, classes: tuple[str, ...]) -> None:
        self._dataset, self._classes = dataset, classes
        self._prob: list[NDArray[np.float64]] = []
        self._boxes: list[dict[str, NDArray[Any]]] = []

    def add(self, output: Tensor, index: Tensor) -> None:
        """Read a batch.

        Args:
            output: decoded boxes (N, 4 + K, A): cx cy w h in pixels of the input, scores.
            index: of the images in the data set, (N,).
        """
        found = kept_boxes(output.cpu(), len(self._classes), MAX_BOXES)
        for number, boxes in zip(index.tolist(), found, strict=True):
            self._read(number, boxes)

    def tables(self) -> Predicted:
        """All that was read."""
        empty = no_boxes(self._classes)
        columns = {name: np.concatenate([b[name] for b in self._boxes]) for name in empty.columns}
        return Predicted(
            _predictions(self._dataset.faces, np.concatenate(self._prob), self._classes),
            pd.DataFrame(columns).astype(empty.dtypes.to_dict()),
        )

    def _read(self, number: int, boxes: Boxes) -> None:
        """Add the probabilities of one image's faces, and its annotated and predicted boxes."""
        image_id, _ = self._dataset.scenes[number]
        cls = self._dataset.targets[number].astype(int)
        corners = self._dataset.to_fractions(boxes.xyxy.double().numpy(), image_id)
        score, scores = boxes.score.double().numpy(), boxes.prob.double().numpy()
        match = match_scene(score, corners, self._dataset.boxes[number])
        chosen = match.chosen
        prob = np.zeros((len(cls), len(self._classes)))
        hit = np.flatnonzero(chosen >= 0)
        prob[chosen[hit]] = scores[hit] / scores[hit].sum(axis=1, keepdims=True)
        self._prob.append(prob)
        truth = self._columns(image_id, match.faces, cls, np.eye(len(self._classes))[cls])
        predicted = self._columns(image_id, corners, boxes.cls.numpy(), scores)
        own = np.where(chosen >= 0, match.iou[np.arange(len(chosen)), chosen], 0.0)
        predicted |= {"truth": np.zeros(len(score), bool), "iou": own, "score": score}
        predicted["face"] = chosen
        self._boxes += [truth, predicted]

    def _columns(
        self, image_id: str, corners: NDArray[np.float64], cls: NDArray[Any], prob: NDArray[Any]
    ) -> dict[str, NDArray[Any]]:
        """The columns of boxes, with the values of annotated ones where there are no others."""
        count = len(corners)
        return {
            "image_id": np.full(count, image_id, dtype=object),
            "picture": np.zeros(count, np.int64),
            "face": np.arange(count),
            "truth": np.ones(count, bool),
            "iou": np.ones(count),
            **dict(zip(CORNERS, corners.T, strict=True)),
            "emotion": np.array([self._classes[c] for c in cls], dtype=object),
            "score": np.ones(count),
            **dict(zip(self._classes, prob.T, strict=True)),
        }


Reader = FaceReader | SceneReader


def _predictions(
    faces: FaceTable, prob: NDArray[np.float64], classes: tuple[str, ...]
) -> pd.DataFrame:
    table = faces.frame[FACE_KEY].assign(target=[classes[c] for c in faces.frame["cls"]])
    return pd.concat([table, pd.DataFrame(prob, columns=list(classes))], axis=1)
