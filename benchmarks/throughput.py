"""How much of a training's time is the network's? Side by side in one run, on one thread.

- `bare`: our Lightning path against a plain PyTorch loop over the same batches of the same network,
  with the same loss, optimizer and precision, and one pass over val an epoch. Lightning, metrics,
  checkpoints, the moving average and the history are what ours has besides.
- `library`: our path against ultralytics' own trainer, on the same detector, data, size and batch,
  by P0's recipe (`benchmarks/trainer_equivalence.py` compares what they reach).
- `pair`: two runs of ours at once, a core each, against one alone.

    python benchmarks/throughput.py --repeats 3
    python benchmarks/throughput.py --parts pair

Both sides of a comparison take turns. Times are CPU seconds of the process, but those of `pair`,
which are wall-clock seconds and need a quiet machine; the load before each part is recorded. Writes
benchmarks/results/throughput.json, in which parts that do not run stay: some ten minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from conditions import conditions
from synthetic_data import make_data
from trainer_equivalence import by_library, by_ours, recipe_of, variant_of

from ferbench.config.params import Params, Recipe, Variant, load_params
from ferbench.data.dataset import PackedDataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.files import read_json, write_json
from ferbench.models.build import task_of
from ferbench.training.arithmetic import FORMATS, arithmetic_of
from ferbench.training.fit import TrainingData, fit
from ferbench.training.modules import ClassifierModule, DetectorModule, SelectionMetric
from ferbench.training.optimizers import build_optimizer, build_schedule

PROJECT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "throughput.json"
OPTIONS = {"form": "crops", "persons": 40, "images_per_person": 12, "min_intensity": 0.8}
STUDY = PROJECT / "studies" / "ckplus_claims_small.yaml"
ROWS = ("vgg_improved", "yolov5s")
LIBRARY = "yolov8n"
PARTS = ("bare", "library", "pair")
METRIC = SelectionMetric("accuracy", 0.5)

Row = tuple[Variant, Recipe, int]


def through_lightning(params: Params, row: Row, data: PackedDataset) -> None:
    """Train as stage `train` does."""
    sides = TrainingData(data.pack, data.faces("train"), data.faces("val"), METRIC)
    settings = dataclasses.replace(params.train, accelerator="cpu", threads=1, progress=False)
    with TemporaryDirectory() as folder:
        fit(row, sides, settings, Path(folder), None)


def bare(row: Row, data: PackedDataset) -> None:
    """Train by a plain loop."""
    variant, recipe, seed = row
    detects = task_of(variant) == "detect"
    dataset = SceneDataset if detects else FaceDataset
    kind = DetectorModule if detects else ClassifierModule
    train, val = (dataset(data.pack, data.faces(side), recipe, seed) for side in ("train", "val"))
    counts = torch.ones(len(data.classes))
    module = kind(variant, recipe, counts, seed, METRIC)
    layout = arithmetic_of(recipe.precision, "cpu", 1).memory_format
    module.network.to(memory_format=FORMATS[layout])
    batches = loader(train, EpochSampler(len(train), seed), recipe.batch_size)
    every = loader(val, EpochSampler(len(val), None), recipe.batch_size)
    optimizer = build_optimizer(module.network, recipe)
    schedule = build_schedule(optimizer, recipe, len(batches))
    for epoch in range(recipe.epochs):
        module.train()
        batches.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for batch in batches:
            loss, size = module.batch_loss(batch)
            total = loss * size if detects else loss  # detectors differentiate the sum
            total.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        module.eval()
        with torch.no_grad():
            for batch in every:
                module.network(module.pixels(batch["img"] if detects else batch[0]))


def cpu_seconds(act: Callable[[], object]) -> float:
    """CPU seconds of the process for an act."""
    start = time.process_time()
    act()
    return time.process_time() - start


def in_turns(repeats: int, **acts: Callable[[], object]) -> dict[str, Any]:
    """Median CPU seconds of acts that take turns; the first round warms up and does not count."""
    times: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(repeats + 1):
        for name, act in acts.items():
            spent = cpu_seconds(act)
            if number:
                times[name].append(round(spent, 3))
    medians = {name: statistics.median(spent) for name, spent in times.items()}
    ours, other = medians.values()
    return {"cpu_seconds": times, "ratio": round(other / ours, 3)}


def against_bare(params: Params, data: PackedDataset, args: argparse.Namespace) -> dict[str, Any]:
    """Throughput of ours divided by that of a bare loop, by row."""
    found = {}
    for name in ROWS:
        recipe = dataclasses.replace(params.recipe_of(name), epochs=args.epochs)
        row = (params.variants[name], recipe, 0)
        found[name] = in_turns(
            args.repeats,
            ours=lambda row=row: through_lightning(params, row, data),  # type: ignore[misc]
            bare=lambda row=row: bare(row, data),  # type: ignore[misc]
        )
        print(f"{name}: ours has {found[name]['ratio']:.3f} x the throughput of a bare loop")
    return found


def against_library(root: Path, data: PackedDataset, args: argparse.Namespace) -> dict[str, Any]:
    """Throughput of ours divided by the library's."""
    recipe, variant = recipe_of(args.epochs), variant_of(LIBRARY)
    with TemporaryDirectory() as folder:
        place = itertools.count()

        def new() -> Path:
            return Path(folder, str(next(place)))

        found = in_turns(
            args.repeats,
            ours=lambda: by_ours(data, variant, recipe, 0, new()),
            library=lambda: by_library(root, LIBRARY, recipe, 0, new()),
        )
    print(f"{LIBRARY}: ours has {found['ratio']:.3f} x the library's throughput")
    return found


def of_pairs(args: argparse.Namespace) -> dict[str, Any]:
    """Throughput of two runs at once divided by that of one."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return {"skipped": "one core"}
    command = [sys.executable, __file__, "--one", "--epochs", str(args.epochs)]
    command += ["--folder", str(args.folder)]

    def seconds(number: int) -> float:
        start = time.monotonic()
        runs = [
            subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL)
            for core in cores[:number]
        ]
        if any(run.wait() for run in runs):
            raise RuntimeError("a run failed")
        return round(time.monotonic() - start, 2)

    times = [(seconds(1), seconds(2)) for _ in range(args.repeats)]
    ratio = round(statistics.median(2 * one / two for one, two in times), 3)
    print(f"two runs at once have {ratio:.3f} x the throughput of one")
    return {"wall_seconds_of_one_and_two": times, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=PROJECT / ".cache" / "throughput")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--one", action="store_true", help="train one run, for `pair`")
    args = parser.parse_args()
    torch.set_num_threads(1)
    params, root = load_params(STUDY), args.folder / "data"
    data = make_data(root, OPTIONS)
    if args.one:
        recipe = dataclasses.replace(params.recipe_of(ROWS[0]), epochs=args.epochs)
        through_lightning(params, (params.variants[ROWS[0]], recipe, 0), data)
        return
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "bare": lambda: against_bare(params, data, args),
        "library": lambda: against_library(root, data, args),
        "pair": lambda: of_pairs(args),
    }
    record = read_json(RESULT) if RESULT.is_file() else {}
    for name in args.parts:
        load = round(os.getloadavg()[0], 1)
        record[name] = parts[name]() | {
            "load_before": load,
            "epochs": args.epochs,
            "images": {side: len(data.faces(side).frame) for side in ("train", "val")},
            **conditions(),
        }
        write_json(RESULT, record)
    print(f"-> {RESULT}")


if __name__ == "__main__":
    main()
