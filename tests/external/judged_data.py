"""A data set without pictures, and predictions on it with a known number of errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ferbench.artifacts.datasets import SplitSummary
from ferbench.artifacts.index import read_index, write_index
from ferbench.external.predictions import JudgedFile, JudgedRun
from ferbench.external.truth import Truth

CLASSES = ["neutral", "happiness", "anger"]
TEST, TRAIN = 60, 120
PROTOCOL = "stratified_70_10_20"
BASELINES = {
    "nearest_neighbour": 0.5,
    "nearest_neighbour_standardised": 0.45,
    "majority_class": 1 / 3,
}


def image_row(number: int, persons: int | None, dataset: str) -> dict[str, object]:
    """An index row; image `i007` of class 7 % 3, in the folder of its class."""
    emotion = CLASSES[number % 3]
    face = {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": emotion}
    return {
        "image_id": f"i{number:03d}",
        "path": f"faces/{emotion}/{number:03d}.png",
        "md5": f"{number:032x}",
        "dataset": dataset,
        "emotion": emotion,
        "person": f"p{number % persons}" if persons else None,
        "width": 48,
        "height": 48,
        "channels": 1,
        "faces": [face],
    }


def make_truth(folder: Path, persons: int | None = None, dataset: str = "mine") -> Truth:
    """120 images of train and 60 of test, every fifth of which is leaked; one copy was dropped."""
    rows = [image_row(number, persons, dataset) for number in range(TRAIN + TEST)]
    copy = rows[TRAIN] | {"image_id": "copy", "path": "faces/copy.png"}
    rows.append(copy | {"dropped_reason": "duplicate", "duplicate_of": f"i{TRAIN}"})
    write_index(folder / "index.parquet", rows)
    index = read_index(folder / "index.parquet", dropped=True)
    ids = [f"i{number:03d}" for number in range(TRAIN + TEST)]
    split = pd.DataFrame({"image_id": ids, "split": ["train"] * TRAIN + ["test"] * TEST})
    images = {"train": TRAIN, "val": 0, "test": TEST}
    summary = SplitSummary(PROTOCOL, 0, None, CLASSES, images, {}, {}, {}, {}, [])
    leaked = pd.Series(np.arange(TEST) % 5 == 0, ids[TRAIN:])
    return Truth(dataset, PROTOCOL, summary, index, split, leaked, BASELINES, "a test")


def predictions(truth: Truth, errors: int, seed: int = 0, sure: float = 0.8) -> pd.DataFrame:
    """Probabilities for the test faces; so many, drawn by the seed, favour the next class."""
    faces = truth.faces(0)[["image_id", "face", "target"]].reset_index(drop=True)
    label = faces["target"].map({name: n for n, name in enumerate(CLASSES)}).to_numpy(copy=True)
    wrong = np.random.default_rng(seed).permutation(len(faces))[:errors]
    label[wrong] = (label[wrong] + 1) % len(CLASSES)
    prob = np.full((len(faces), len(CLASSES)), (1 - sure) / 2)
    prob[np.arange(len(faces)), label] = sure
    return faces.join(pd.DataFrame(prob, columns=CLASSES))


def make_run(truth: Truth, model: str, errors: int, seed: int = 0) -> JudgedRun:
    return JudgedRun(model, seed, predictions(truth, errors, seed))


def file_of(*runs: JudgedRun) -> JudgedFile:
    names = [(run.model, run.seed) for run in runs]
    return JudgedFile("a.csv", names, sum(len(run.table) for run in runs))
