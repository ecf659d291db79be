"""Every family overfits 32 faces, with the training and evaluation of the pipeline.

A network that cannot has a fault in its model, its loss or the training loop. Measured on one
thread of an AVX2 processor (AMD EPYC): accuracy (of a detector at a score of 0.5), mAP@0.5, and
CPU-seconds (* seconds of the test).

    row                  steps  accuracy  mAP@0.5  CPU-s
    vgg16                  192     1.000             102
    alexnet_osam           144     1.000             133
    vgg_improved           512     1.000            *177
    ivsa                   320     1.000              93
    resnet18               128     1.000              58
    resnet50_cbam_light    192     1.000             126
    efficientnet_lite0     192     1.000              37
    yolov3                 256     1.000    1.000    111
    yolov5n                256     1.000    1.000     37
    yolov6s                448     0.938    1.000    287
    yolov7t                192     1.000    1.000     56
    yolov8n                256     1.000    1.000    *47
    yolov10n               256     1.000    1.000     53
    yolo12n                256     1.000    1.000     51
    yolo_fer               256     1.000    1.000     68
    yolov5s4h              192     1.000    1.000     72
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.example_study import PROJECT
from tests.training.few_faces import few_faces

from ferbench.config.params import load_params
from ferbench.data.dataset import PackedDataset
from ferbench.evaluation.predict import predict_split
from ferbench.evaluation.scoring import Predictions, score_predictions
from ferbench.models.build import build_network, task_of
from ferbench.models.weights import Trained
from ferbench.training.fit import TrainingData, fit

STUDY = load_params(PROJECT / "studies" / "all_rows.yaml")
FACES, MOST_COPIES = 32, 96
pytestmark = pytest.mark.slow
PLAIN: dict[str, Any] = {
    "augment": "none",
    "mosaic": 0.0,
    "crops": 1,
    "nominal_batch": 0,
    "head_epochs": 0,
    "optimizer": "adam",
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "linear",
    "lr_final": 0.01,
    "warmup_epochs": 0,
    "ema_decay": 0.0,
    "bn_momentum": 0.1,
    "clip_norm": 10.0,
}


class Budget(NamedTuple):
    """A family's smallest row and what it is given.

    An epoch is `copies` of the 32 faces. A detector has one epoch, but YOLOv6: of several with an
    mAP of 1 the first is taken, whose scores are not yet above 0.5.
    """

    row: str
    input_px: int
    batch: int
    copies: int
    epochs: int
    lr: float


BUDGETS = [
    Budget("vgg16", 32, 8, 16, 3, 0.0005),
    Budget("alexnet_osam", 64, 32, 16, 9, 0.0003),
    Budget("vgg_improved", 32, 8, 16, 8, 0.001),
    Budget("ivsa", 32, 8, 16, 5, 0.001),
    Budget("resnet18", 24, 8, 16, 2, 0.001),
    Budget("resnet50_cbam_light", 64, 8, 16, 3, 0.0005),
    Budget("efficientnet_lite0", 64, 8, 16, 3, 0.002),
    Budget("yolov3", 64, 8, 64, 1, 0.001),
    Budget("yolov5n", 64, 8, 64, 1, 0.002),
    Budget("yolov6s", 32, 16, 56, 4, 0.001),
    Budget("yolov7t", 64, 8, 48, 1, 0.001),
    Budget("yolov8n", 64, 8, 64, 1, 0.001),
    Budget("yolov10n", 64, 8, 64, 1, 0.002),
    Budget("yolo12n", 64, 8, 64, 1, 0.002),
    Budget("yolo_fer", 64, 8, 96, 1, 0.002),
    Budget("yolov5s4h", 64, 8, 48, 1, 0.001),
]


def overfitted(
    stored: PackedDataset, folder: Path, budget: Budget, on_epoch: Any = None, **changes: Any
) -> dict[str, float]:
    """Metrics on the 32 faces that a row was trained on, at a score of 0.5 for a detector."""
    size = {"input_px": budget.input_px, "resize_px": budget.input_px}
    size["batch_size"] = budget.batch
    length = {"epochs": budget.epochs, "patience": budget.epochs, "lr": budget.lr}
    recipe = dataclasses.replace(STUDY.recipe_of(budget.row), **PLAIN | size | length | changes)
    row = STUDY.variants[budget.row]
    learn = stored.faces("train")
    learn = dataclasses.replace(learn, frame=learn.frame.head(FACES * budget.copies))
    data = TrainingData(stored.pack, learn, stored.faces("val"))
    train = dataclasses.replace(STUDY.train, accelerator="cpu", progress=False)
    fitted = fit((row, recipe, 0), data, train, folder, on_epoch)
    network = build_network(row, recipe, len(stored.classes), 0)
    network.load_state_dict(fitted.state)
    trained = Trained(network, row, recipe, stored.classes)
    predicted = predict_split(trained, stored, "val", "cpu")
    threshold = 0.5 if task_of(row) == "detect" else None
    answers = Predictions(predicted.predictions, predicted.boxes, threshold)
    return score_predictions(answers, ["accuracy", "map50"])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    return few_faces(tmp_path_factory.mktemp("faces"), MOST_COPIES)


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.row)
def test_family_overfits_its_training_faces(
    faces: PackedDataset, tmp_path: Path, budget: Budget
) -> None:
    scores = overfitted(faces, tmp_path, budget)
    if "map50" in scores:
        assert scores["map50"] >= 0.97
        assert scores["accuracy"] >= 0.9
    else:
        assert scores["accuracy"] >= 0.97
