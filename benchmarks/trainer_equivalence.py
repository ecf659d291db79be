"""Does our trainer learn what the library's does? One detector, by both, at the full P0 recipe.

Both train YOLOv8n from scratch on the same synthetic faces by the recipe of P0's released code:
mosaic, isotropic scale, translation, HSV, mirror, warm-up, moving average, gradient accumulation,
Adam, linear schedule, clipping; only epochs and batches are smaller. The best epoch on
val of each is read by the same code: mAP@0.5 and mAP@0.5:0.95 by the COCO definition on test.

Equivalence is tested by two one-sided Welch tests over seeds with a margin of 5 points, at 5 %: the
90 % interval of the difference of means must lie within the margin.

    python benchmarks/trainer_equivalence.py run --folder /tmp/loop --seeds 8 --jobs 2
    python benchmarks/trainer_equivalence.py report --folder /tmp/loop

A run that is done is not repeated. `report` prints the table and writes
benchmarks/results/trainer_equivalence.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import ttest_ind
from synthetic_data import NAME, make_data  # beside this script

from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.catalogue import Catalogue
from ferbench.config.params import Recipe, Variant, load_params
from ferbench.config.records import build_record
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.detection.metrics import Detections
from ferbench.evaluation.metrics.boxes import map50, map50_95
from ferbench.evaluation.predict import predict_split
from ferbench.files import write_json
from ferbench.models.build import build_network
from ferbench.models.weights import Trained
from ferbench.training.fit import TrainingData, fit
from ferbench.training.modules import SelectionMetric
from ferbench.training.provenance import commit, hardware, versions

PROJECT = Path(__file__).parents[1]
MARGIN = 0.05
EPOCHS_SHOWN = (10, 20, 40, 80)
METRICS = ("map50", "map50_95")
# Three classes that both trainers tell apart within few epochs. With all seven, both stay near
# chance for as long, and equivalence says nothing.
EMOTIONS = ("happiness", "surprise", "anger")
OPTIONS = {"form": "crops", "persons": 150, "images_per_person": 10, "min_intensity": 1.0}


def recipe_of(epochs: int) -> Recipe:
    """P0's recipe of the catalogue, for fewer epochs and smaller batches.

    A quarter of the batch, of single ones and of those accumulated to a step, takes four times the
    steps of the same images.
    """
    rows = Catalogue(PROJECT / "params.yaml").recipes
    row = {**rows["p0_paper"], "epochs": epochs, "patience": epochs}
    row |= {"batch_size": 8, "nominal_batch": 16}
    return build_record(Recipe, row, where="recipes: p0_paper")


def variant_of(word: str) -> Variant:
    """A detector of the library as a row."""
    return Variant(
        paper="p0",
        backbone="yolo",
        conv="native",
        attention="none",
        location="none",
        head="detect",
        loss="yolo",
        recipe="benchmark",
        options={"backbone": {"model": word}},
        weights="none",
    )


def by_ours(data: PackedDataset, variant: Variant, recipe: Recipe, seed: int, folder: Path) -> Any:
    """State of our best epoch."""
    train = dataclasses.replace(load_params(PROJECT / "params.yaml").train, progress=False)
    train = dataclasses.replace(train, accelerator="cpu", threads=1)
    sides = TrainingData(
        data.pack, data.faces("train"), data.faces("val"), SelectionMetric("map50", 0.5)
    )
    return fit((variant, recipe, seed), sides, train, folder / "checkpoints", print).state


def by_library(root: Path, word: str, recipe: Recipe, seed: int, folder: Path) -> Any:
    """State of the library's best epoch, its moving average."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.callbacks import get_default_callbacks

    trainer = _at_one_size(DetectionTrainer)(
        overrides={
            **{
                "model": f"{word}.yaml",
                "data": str(DatasetPaths(NAME, root).yolo / "dataset.yaml"),
            },
            **{"epochs": recipe.epochs, "patience": recipe.epochs, "imgsz": recipe.input_px},
            **{"seed": seed, "batch": recipe.batch_size, "nbs": recipe.nominal_batch},
            **{"optimizer": "Adam", "lr0": recipe.lr, "lrf": recipe.lr_final, "cos_lr": False},
            **{"momentum": recipe.momentum, "weight_decay": recipe.weight_decay},
            **{"warmup_epochs": recipe.warmup_epochs, "warmup_momentum": recipe.warmup_momentum},
            **{"warmup_bias_lr": recipe.warmup_bias_lr, "pretrained": False},
            **{"mosaic": recipe.mosaic, "close_mosaic": recipe.plain_epochs, "mixup": 0.0},
            **{"scale": recipe.scale_gain, "translate": 0.1, "degrees": 0.0, "shear": 0.0},
            **{"fliplr": 0.5, "hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4, "erasing": 0.0},
            **{"device": "cpu", "workers": 0, "amp": False, "plots": False, "verbose": False},
            **{"project": str(folder), "name": "library", "exist_ok": True, "deterministic": True},
        }
    )
    trainer.callbacks = get_default_callbacks()  # none of its links to trackers
    trainer.train()
    # Our own file, written a moment ago: it may be unpickled.
    content = torch.load(trainer.best, map_location="cpu", weights_only=False)
    return (content["ema"] or content["model"]).float().state_dict()


def _at_one_size(base: Any) -> Any:
    """The library's trainer, which sees val at the size that it trains at, and selects by mAP@0.5.

    By itself it pads each picture of val by half a stride on every side: of 64 px to 96. Faces that
    fill their picture never look like that in training, and its choice of an epoch means little.
    """

    class Trainer(base):
        best_fitness: float | None

        def build_dataset(self, img_path: str, mode: str = "train", batch: Any = None) -> Any:
            from ultralytics.data import build_yolo_dataset

            return build_yolo_dataset(
                self.args, img_path, batch, self.data, mode=mode, rect=False, stride=32
            )

        def validate(self) -> Any:
            best = self.best_fitness
            metrics, fitness = super().validate()
            if metrics is not None:
                # By itself the library selects by mAP@0.5:0.95, alone or mostly.
                fitness = metrics["metrics/mAP50(B)"]
                self.best_fitness = fitness if best is None else max(best, fitness)
            return metrics, fitness

    return Trainer


def run_one(args: argparse.Namespace) -> None:
    """Train one run and write its score."""
    torch.set_num_threads(1)
    root, folder = args.folder / "data", args.folder / f"{args.trainer}-{args.seed}"
    data, variant = open_dataset(NAME, 0, root), variant_of(args.model)
    recipe = recipe_of(args.epochs)
    start, start_cpu = time.monotonic(), time.process_time()
    if args.trainer == "ours":
        state = by_ours(data, variant, recipe, args.seed, folder)
    else:
        state = by_library(root, args.model, recipe, args.seed, folder)
    seconds, cpu = time.monotonic() - start, time.process_time() - start_cpu
    network = build_network(variant, recipe, len(data.classes), 0)
    network.load_state_dict(state)
    predicted = predict_split(
        Trained(network.eval(), variant, recipe, data.classes), data, "test", "cpu"
    )
    detections = Detections(predicted.boxes, list(data.classes), threshold=0.5)
    record = {"trainer": args.trainer, "seed": args.seed, "map50": map50(detections)}
    record |= {"map50_95": map50_95(detections), "seconds": seconds, "cpu_seconds": cpu}
    record |= {"commit": commit(), "recipe": recipe.settings()}
    about = {"n_test": len(predicted.predictions), "epochs": args.epochs, "model": args.model}
    write_json(folder / "score.json", record | about)


def run_all(args: argparse.Namespace) -> None:
    """Every run that is not finished yet, several in parallel."""
    make_data(args.folder / "data", OPTIONS, EMOTIONS)
    todo = [(t, s) for s in range(args.seeds) for t in ("ours", "library")]
    todo = [(t, s) for t, s in todo if not (args.folder / f"{t}-{s}" / "score.json").is_file()]
    running: list[subprocess.Popen[bytes]] = []
    while todo or running:
        running = [process for process in running if process.poll() is None]
        while todo and len(running) < args.jobs:
            trainer, seed = todo.pop(0)
            words = ["--folder", args.folder, "--epochs", args.epochs, "--model", args.model]
            words += ["--trainer", trainer, "--seed", seed]
            log = (args.folder / f"{trainer}-{seed}.log").open("wb")
            command = [sys.executable, __file__, "one", *map(str, words)]
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        time.sleep(1)


def report(args: argparse.Namespace) -> None:
    """Means, their difference with its intervals, and the two one-sided tests, of each metric."""
    rows = [json.loads(path.read_text()) for path in sorted(args.folder.glob("*/score.json"))]
    took = {
        t: np.median([r["cpu_seconds"] for r in rows if r["trainer"] == t])
        for t in ("ours", "library")
    }
    about = {
        "commit": rows[0]["commit"],
        "hardware": hardware(),
        "versions": versions(),
        "protocol": "person_70_10_20",
        "recipe": rows[0]["recipe"],
        "margin": MARGIN,
        "cpu_time_ratio": float(took["ours"] / took["library"]),
    }
    print(f"CPU time, ours / library: {took['ours']:.0f} s / {took['library']:.0f} s")
    metrics = {metric: _compared(rows, metric) for metric in METRICS}
    about["val_map50"] = _curves(args.folder)
    path = PROJECT / "benchmarks" / "results" / "trainer_equivalence.json"
    write_json(path, about | {"metrics": metrics, "runs": [_short(row) for row in rows]})


def _curves(folder: Path) -> dict[str, dict[str, list[float]]]:
    """mAP@0.5 on val after some epochs, each trainer's by its own validation: values by seed.

    At the end both are near the ceiling; on the way they are not.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for path in sorted(folder.glob("*/score.json")):
        trainer = path.parent.name.split("-")[0]
        if trainer == "ours":
            last = torch.load(path.parent / "checkpoints" / "last.ckpt", weights_only=True)
            values = [row["val_score"] for row in last["callbacks"]["History"]["rows"]]
        else:
            table = pd.read_csv(path.parent / "library" / "results.csv", skipinitialspace=True)
            values = table["metrics/mAP50(B)"].tolist()
        for epoch in EPOCHS_SHOWN:
            if epoch <= len(values):
                found.setdefault(str(epoch), {}).setdefault(trainer, []).append(values[epoch - 1])
    for after, by in found.items():
        means = {t: f"{np.mean(v):.3f} +- {np.std(v, ddof=1):.3f}" for t, v in by.items()}
        print(f"mAP@0.5 on val after {after} epochs: {means}")
    return found


def _compared(rows: list[dict[str, Any]], metric: str) -> dict[str, Any]:
    """The two trainers by one metric."""
    by = {t: np.array([r[metric] for r in rows if r["trainer"] == t]) for t in ("ours", "library")}
    for trainer, values in by.items():
        mean, std = values.mean(), values.std(ddof=1)
        print(f"{metric} {trainer}: {mean:.4f} +- {std:.4f}, {values.size} seeds")
    test = ttest_ind(by["ours"], by["library"], equal_var=False)
    wide, narrow = (test.confidence_interval(level) for level in (0.95, 0.90))
    above = ttest_ind(by["ours"] + MARGIN, by["library"], equal_var=False, alternative="greater")
    below = ttest_ind(by["ours"] - MARGIN, by["library"], equal_var=False, alternative="less")
    p_value = float(max(above.pvalue, below.pvalue))
    difference = float(by["ours"].mean() - by["library"].mean())
    print(f"  difference {difference:+.4f}, 95 % interval {wide.low:+.4f} to {wide.high:+.4f}")
    print(
        f"  two one-sided tests, margin {MARGIN}: p = {p_value:.4g}; equivalent: {p_value < 0.05}"
    )
    return {
        **{f"{t}_mean": float(values.mean()) for t, values in by.items()},
        **{f"{t}_std": float(values.std(ddof=1)) for t, values in by.items()},
        "seeds": {t: int(values.size) for t, values in by.items()},
        "difference": difference,
        "interval_95": [float(wide.low), float(wide.high)],
        "interval_90": [float(narrow.low), float(narrow.high)],
        "tost_p_value": p_value,
        "equivalent": p_value < 0.05,
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("recipe", "commit")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("run", "one", "report"))
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--model", default="yolov8n")
    parser.add_argument("--trainer", choices=("ours", "library"), default="ours")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"run": run_all, "one": run_one, "report": report}[args.do](args)


if __name__ == "__main__":
    main()
