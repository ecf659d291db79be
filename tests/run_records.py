"""Records of runs for tests, whole unless a test changes a field."""

from __future__ import annotations

from typing import Any

from ferbench.artifacts.datasets import Baselines, SplitSummary
from ferbench.artifacts.runs import RunRecord, RunSetup

SETUP = {
    "study": "demo",
    "variant": "ivsa",
    "dataset": "tiny",
    "name": "tiny",
    "protocol": "person_70_10_20",
    "seed": 0,
    "task": "classify",
    "paper": "p1",
    "classes": ["neutral", "happiness", "anger"],
    "run_key": "a" * 64,
    "data_digest": "d" * 64,
    "select": "accuracy",
    "input_px": 40,
    "channels": 1,
    "hardware": {"cpu": "Imaginary 2-core", "gpu": None},
    "versions": {"python": "3.11.9", "torch": "2.14.1"},
    "commit": "0123456789abcdef",
    "started": "2025-01-01T00:00:00Z",
}
OUTCOME = {
    "best_epoch": 7,
    "epochs": 8,
    "val_score": 0.8,
    "val_loss": 0.5,
    "train_seconds": 20.0,
    "train_images": 300,
    "val_images": 45,
    "parameters": 1000,
    "precision": "32-true",
    "devices": "1 cpu",
    "resumed": False,
    "initial_weights": {},
}


_SPREAD = {"std": 0.01, "n": 10, "low": 0.48, "high": 0.53, "level": 0.95, "values": []}
BASELINES = {
    "protocol": "person_70_10_20",
    "seed": 0,
    "features": "grey pixels",
    "test_faces": 90,
    "val_faces": 45,
    "split": {
        "nearest_neighbour": 0.51,
        "nearest_neighbour_standardised": 0.55,
        "majority_class": 0.39,
        "n_train": 300,
        "n_test": 90,
    },
    "val": {"nearest_neighbour": 0.5, "majority_class": 0.36, "n_train": 300, "n_val": 45},
    "redraws": {
        name: {"mean": 0.5, **_SPREAD}
        for name in ("nearest_neighbour", "nearest_neighbour_standardised", "majority_class")
    },
    "ten_folds": {
        "nearest_neighbour": {"random": 0.83, "by_person": 0.5},
        "nearest_neighbour_standardised": {"random": 0.9, "by_person": None},
    },
    "skipped": {},
}


SUMMARY = {
    "protocol": "person_70_10_20",
    "seed": 0,
    "limit": None,
    "classes": ["neutral", "happiness", "anger"],
    "images": {"train": 300, "val": 45, "test": 90},
    "counts": {},
    "faces": {},
    "persons": {},
    "left_out": {},
    "expectations": [],
}


def split_summary(**changes: Any) -> SplitSummary:
    return SplitSummary(**SUMMARY | changes)


def naive_baselines(**changes: Any) -> Baselines:
    return Baselines(**BASELINES | changes)


def run_setup(**changes: Any) -> RunSetup:
    return RunSetup(**SETUP | changes)


def run_record(**changes: Any) -> RunRecord:
    return RunRecord(**SETUP | OUTCOME | changes)
