"""One detector, trained by our LightningModule and by ultralytics' trainer.

Both train the same graph from scratch on the same synthetic faces with the same recipe (SGD 0.01,
warm-up, moving average, mirror only) and the same seeds; each one's best epoch on val is read by
the same code: mAP@0.5 by the COCO definition on test. A difference of means beyond two standard
errors is a fault of ours; a smaller one shows no more than that no larger difference was found.

    python benchmarks/detector_loop.py run --folder /tmp/loop --seeds 5 --epochs 40 --jobs 2
    python benchmarks/detector_loop.py report --folder /tmp/loop

A cell that is done is not run again. `report` prints the table and writes
benchmarks/results/detector_loop.json.
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
import torch

from ferbench.data.dedup import deduplicate, list_images, write_cleaned
from ferbench.data.fetch import fetch
from ferbench.data.index import read_index
from ferbench.data.pack import pack_images
from ferbench.data.split import draw_split
from ferbench.data.stored import Stored, open_stored
from ferbench.data.yolo_labels import write_yolo
from ferbench.evaluation.detections import Detections
from ferbench.evaluation.metrics.map50 import map50
from ferbench.evaluation.predict import predict_side
from ferbench.files import write_json
from ferbench.models.build import build_network
from ferbench.models.weights import Trained
from ferbench.params import Params, Recipe, Variant, load_params
from ferbench.plugins import load
from ferbench.training.fit import fit
from ferbench.training.outcome import Sides
from ferbench.training.provenance import commit, hardware, versions

PROJECT = Path(__file__).parents[1]
NAME = "synthetic"
PX = 64
OPTIONS = {"form": "crops", "persons": 60, "images_per_person": 10, "min_intensity": 0.8}


def recipe_of(params: Params, epochs: int) -> Recipe:
    """The library's own detection recipe, without what the two do not share."""
    return dataclasses.replace(
        next(iter(params.recipes.values())),
        input_px=PX,
        resize_px=PX,
        channels=3,
        normalize="none",
        augment="mirror",
        mosaic=0.0,
        plain_epochs=0,
        crops=1,
        batch_size=16,
        nominal_batch=16,
        head_epochs=0,
        epochs=epochs,
        patience=epochs,
        optimizer="sgd",
        lr=0.01,
        momentum=0.937,
        nesterov=True,
        weight_decay=0.0005,
        schedule="linear",
        lr_final=0.01,
        warmup_epochs=3,
        warmup_bias_lr=0.1,
        warmup_momentum=0.8,
        ema_decay=0.9999,
        ema_steps=2000,
        clip_norm=10.0,
        bn_momentum=0.03,
    )


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


def make_data(root: Path) -> Stored:
    """Synthetic faces, split by person, in our form and in the library's."""
    raw, clean, pack = root / "raw" / NAME, root / "interim" / NAME, root / "pack" / NAME
    if not (root / "yolo" / NAME).is_dir():
        source = load("ferbench.data.sources", "synthetic")({**OPTIONS, "seed": 0})
        fetch(source, "synthetic", None, raw)
        write_cleaned(clean, deduplicate(list_images(source, raw), raw, NAME, "drop_all", 16))
        index = read_index(clean / "index.parquet")
        split, about = draw_split(index, "person_70_10_20", 0, None)
        (root / "splits").mkdir(parents=True, exist_ok=True)
        split.to_parquet(root / "splits" / f"{NAME}.parquet", index=False)
        write_json(root / "splits" / f"{NAME}.json", about)
        pack_images(index, raw, pack, None)
        write_yolo(index, split, about["classes"], raw, root / "yolo" / NAME)
    return open_stored(NAME, 0, root)


def by_ours(data: Stored, variant: Variant, recipe: Recipe, seed: int, folder: Path) -> Any:
    """State of our best epoch."""
    train = dataclasses.replace(load_params(PROJECT / "params.yaml").train, progress=False)
    train = dataclasses.replace(train, accelerator="cpu", precision="32-true", threads=1)
    sides = Sides(data.pack, data.side("train"), data.side("val"))
    return fit((variant, recipe, seed), sides, train, folder / "checkpoints", print).state


def by_library(root: Path, word: str, recipe: Recipe, seed: int, folder: Path) -> Any:
    """State of the library's best epoch, its moving average."""
    from ultralytics.models.yolo.detect import DetectionTrainer
    from ultralytics.utils.callbacks import get_default_callbacks

    off = ("hsv_h", "hsv_s", "hsv_v", "translate", "scale", "mosaic", "erasing", "close_mosaic")
    trainer = _at_one_size(DetectionTrainer)(
        overrides={
            **dict.fromkeys(off, 0),
            **{"model": f"{word}.yaml", "data": str(root / "yolo" / NAME / "dataset.yaml")},
            **{"epochs": recipe.epochs, "patience": recipe.epochs, "imgsz": PX, "seed": seed},
            **{"batch": recipe.batch_size, "nbs": recipe.nominal_batch, "optimizer": "SGD"},
            **{"lr0": recipe.lr, "lrf": recipe.lr_final, "momentum": recipe.momentum},
            **{"weight_decay": recipe.weight_decay, "warmup_epochs": recipe.warmup_epochs},
            **{"warmup_momentum": recipe.warmup_momentum, "fliplr": 0.5, "pretrained": False},
            **{"warmup_bias_lr": recipe.warmup_bias_lr, "device": "cpu", "workers": 0},
            **{"amp": False, "plots": False, "project": str(folder), "name": "library"},
            **{"exist_ok": True, "deterministic": True, "cos_lr": False, "verbose": False},
        }
    )
    trainer.callbacks = get_default_callbacks()  # none of its links to trackers
    trainer.train()
    # Our own file, written a moment ago: it may be unpickled.
    content = torch.load(trainer.best, map_location="cpu", weights_only=False)
    return (content["ema"] or content["model"]).float().state_dict()


def _at_one_size(base: Any) -> Any:
    """The library's trainer, which sees val at the size that it trains at.

    By itself it pads each picture of val by half a stride on every side: of 64 px to 96. Faces that
    fill their picture never look like that in training, and its choice of an epoch means little.
    """

    class Trainer(base):
        def build_dataset(self, img_path: str, mode: str = "train", batch: Any = None) -> Any:
            from ultralytics.data import build_yolo_dataset

            return build_yolo_dataset(
                self.args, img_path, batch, self.data, mode=mode, rect=False, stride=32
            )

    return Trainer


def run_cell(args: argparse.Namespace) -> None:
    """Train one cell and write its score."""
    torch.set_num_threads(1)
    root, folder = args.folder / "data", args.folder / f"{args.trainer}-{args.seed}"
    data, variant = open_stored(NAME, 0, root), variant_of(args.model)
    recipe = recipe_of(load_params(PROJECT / "params.yaml"), args.epochs)
    start = time.monotonic()
    if args.trainer == "ours":
        state = by_ours(data, variant, recipe, args.seed, folder)
    else:
        state = by_library(root, args.model, recipe, args.seed, folder)
    seconds = time.monotonic() - start
    network = build_network(variant, recipe, len(data.classes), 0)
    network.load_state_dict(state)
    said = predict_side(Trained(network.eval(), variant, recipe, data.classes), data, "test", "cpu")
    score = map50(Detections(said.boxes, list(data.classes), threshold=0.5))
    record = {"trainer": args.trainer, "seed": args.seed, "map50": score, "seconds": seconds}
    about = {"n_test": len(said.predictions), "epochs": args.epochs, "model": args.model}
    write_json(folder / "score.json", record | about)


def run_all(args: argparse.Namespace) -> None:
    """Every cell that is not there yet, some at once."""
    make_data(args.folder / "data")
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
            command = [sys.executable, __file__, "cell", *map(str, words)]
            running.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        time.sleep(1)


def report(args: argparse.Namespace) -> None:
    """Both means with standard deviation and n, their difference in standard errors."""
    rows = [json.loads(path.read_text()) for path in sorted(args.folder.glob("*/score.json"))]
    by = {t: np.array([r["map50"] for r in rows if r["trainer"] == t]) for t in ("ours", "library")}
    took = {t: np.median([r["seconds"] for r in rows if r["trainer"] == t]) for t in by}
    error = float(np.sqrt(sum(v.var(ddof=1) / len(v) for v in by.values())))
    difference = float(by["ours"].mean() - by["library"].mean())
    for trainer, values in by.items():
        print(
            f"{trainer:8} mAP@0.5 {values.mean():.4f} +- {values.std(ddof=1):.4f} (n = "
            f"{len(values)} seeds), {took[trainer]:.0f} s a run"
        )
    print(f"difference {difference:+.4f}, standard error {error:.4f}: {difference / error:+.2f}")
    print(f"time, library / ours: {took['library'] / took['ours']:.2f}")
    summary = {
        "difference": difference,
        "standard_error": error,
        "within_two": bool(abs(difference) <= 2 * error),
    }
    about = {
        "commit": commit(),
        "hardware": hardware(),
        "versions": versions(),
        "protocol": "person_70_10_20",
    }
    write_json(
        PROJECT / "benchmarks" / "results" / "detector_loop.json", summary | about | {"runs": rows}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("run", "cell", "report"))
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--model", default="yolov8n")
    parser.add_argument("--trainer", choices=("ours", "library"), default="ours")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"run": run_all, "cell": run_cell, "report": report}[args.do](args)


if __name__ == "__main__":
    main()
