"""A finished run as a model folder, with ONNX files and what they cost on val."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import classes_of, read_boxes, read_predictions
from ferbench.artifacts.runs import RunRecord
from ferbench.data.dataset import FaceTable, PackedDataset, open_dataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.data.sampling import draw_evenly
from ferbench.errors import InputError
from ferbench.evaluation.predict import Predicted, reader_of
from ferbench.evaluation.scoring import Predictions, score_predictions
from ferbench.files import read_json
from ferbench.models.build import task_of
from ferbench.models.weights import Trained, load_trained
from ferbench.serving.card import model_card
from ferbench.serving.engines import Engine, OnnxEngine
from ferbench.serving.model_folder import (
    INT8,
    ONNX,
    ModelRecord,
    describe_model,
    write_folder,
)
from ferbench.serving.onnx_export import export_onnx, quantize_onnx

__all__ = ["export_run", "predict_by"]

METRICS = ("accuracy", "balanced_accuracy", "f1_macro")
_BATCH = 64
_CALIBRATION_FACES = 256


def export_run(
    run: Path, folder: Path, score_threshold: float, *, onnx: bool = True, root: Path = Path()
) -> ModelRecord:
    """Write the model folder of a finished and evaluated run.

    Args:
        run: folder of the run, `runs/<study>/<variant>/<dataset>/<seed>`.
        folder: to be written; must not exist.
        score_threshold: least score of a detector's box that is shown as a face.
        onnx: whether to export ONNX files as well; their accuracy is measured on val, and 8 bits
            are calibrated on training images, so the packed data set is needed.
        root: of the project, where the data set and its report are.

    Raises:
        InputError: a file is missing, or the data set is not the one that the run was trained on.
    """
    record = RunRecord.read(run / "run.json")
    trained = load_trained(run / "model.pt")
    stored = _stored(run, record, score_threshold)
    val = score_predictions(stored, METRICS)
    val = {name: val[name] for name in METRICS}
    report = DatasetPaths(record.dataset, root).report
    if not report.is_file():
        raise InputError("missing", where=report, remedy="`dvc repro` writes it")
    description = describe_model(record, trained, score_threshold, val)
    # Beside the target, so that large files are renamed and not copied.
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".partial-export-") as place:
        files: dict[str, Path] = {}
        if onnx:
            data = _training_data(record, root)
            files, exports = _onnx_files(Path(place), trained, data, stored)
            description = description.model_copy(update={"exports": exports})
        card = model_card(record, val, {}, read_json(report), description.exports)
        return write_folder(folder, trained, description, card, files)


def _stored(run: Path, record: RunRecord, score_threshold: float) -> Predictions:
    """Evaluation's predictions on val."""
    return Predictions(
        read_predictions(run / "val" / "predictions.parquet"),
        read_boxes(run / "val" / "boxes.parquet"),
        score_threshold if record.task == "detect" else None,
    )


def _training_data(record: RunRecord, root: Path) -> PackedDataset:
    data = open_dataset(record.dataset, record.seed, root)
    if data.digest != record.data_digest:
        raise InputError(
            "is not the data that the run was trained on",
            where=data.paths.pack,
            remedy="`dvc repro` of the run's study restores it; or export without ONNX files",
        )
    return data


def _onnx_files(
    place: Path, trained: Trained, data: PackedDataset, stored: Predictions
) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """Exported files by name, and the accuracy of each on val."""
    export_onnx(trained, place / ONNX)
    quantize_onnx(place / ONNX, place / INT8, _calibration(trained, data))
    files = {name: place / name for name in (ONNX, INT8)}
    exports = {}
    for name, path in files.items():
        found = predict_by(OnnxEngine(path), trained, data, "val")
        own = Predictions(found.predictions, found.boxes, stored.threshold)
        exports[name] = {
            "accuracy": score_predictions(own, ["accuracy"])["accuracy"],
            "largest_difference": _largest_difference(own, stored),
        }
    return files, exports


def _largest_difference(found: Predictions, stored: Predictions) -> float:
    """Of any probability of any face; both tables have the same faces."""
    keys = ["image_id", "face"]
    names = classes_of(stored.table)
    a, b = (p.table.sort_values(keys)[names].to_numpy() for p in (found, stored))
    return float(abs(a - b).max())


def _calibration(trained: Trained, data: PackedDataset) -> Tensor:
    """Inputs (N, C, S, S) of training faces, drawn evenly over classes; never of val or test."""
    train = data.faces("train")
    each = train.frame.drop_duplicates("image_id")
    table = each[["image_id"]].assign(emotion=each["cls"])
    drawn = draw_evenly(table, _CALIBRATION_FACES, np.random.default_rng(0))["image_id"]
    faces = train.frame[train.frame["image_id"].isin(drawn)].reset_index(drop=True)
    dataset = _dataset(trained, data, FaceTable(faces, train.classes))
    inputs = torch.stack([dataset[-1, index][0] for index in range(len(dataset))])
    return inputs if inputs.ndim == 4 else inputs.flatten(0, 1)


def predict_by(engine: Engine, trained: Trained, data: PackedDataset, split: str) -> Predicted:
    """Predictions of a split by an engine, read as stage `evaluate` reads them.

    Args:
        engine: that runs the network.
        trained: the network's row, recipe and classes.
        data: the data set.
        split: val, or train.
    """
    dataset = _dataset(trained, data, data.faces(split))
    reader = reader_of(dataset, trained.classes)
    for content in loader(dataset, EpochSampler(len(dataset), None), _BATCH):
        if isinstance(content, dict):
            reader.add(engine(content["img"]), content["index"])
        else:
            reader.add(engine(content[0]), content[2])
    return reader.tables()


def _dataset(trained: Trained, data: PackedDataset, faces: FaceTable) -> FaceDataset | SceneDataset:
    kind = SceneDataset if task_of(trained.variant) == "detect" else FaceDataset
    dataset = kind(data.pack, faces, trained.recipe, seed=0)
    dataset.pack = Pack(data.pack)
    return dataset
