"""How fast does a GPU train on small faces, and how long does an image take?

Training: P1's networks by P1's recipe with one crop, on 48 px faces of noise. Batches are made by
albumentations in the training process, by albumentations in 4 processes, or in the device's memory,
there also with forward and backward pass as CUDA graphs.
A step is the recipe's: forward, backward, optimizer. Images a second are of an epoch that runs
freely. Waiting is the share of a second epoch in which the next batch is fetched; it stops after
every batch to tell. Latency: the detectors of P2-T7 and P2-T8 at 640 px, batch 1, as the stage
`latency` measures it.

    python benchmarks/gpu.py

Writes benchmarks/results/gpu.json. Needs a GPU; `--device cpu` tries the code without one.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from conditions import conditions
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ferbench.artifacts.datasets import BOX
from ferbench.artifacts.pack import write_pack
from ferbench.config.params import Latency, Params, load_params
from ferbench.data.batched import ResidentFaces, ResidentLoader
from ferbench.data.dataset import FaceTable
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, loader
from ferbench.emotions import EMOTIONS
from ferbench.evaluation.latency import measure_latency
from ferbench.files import write_json
from ferbench.models.build import as_fractions, build_network, logits_of
from ferbench.training.cuda_graphs import GraphedClassifier
from ferbench.training.optimizers import build_optimizer

PROJECT = Path(__file__).parents[1]
CLASSIFIERS = ("vgg_improved", "vgg_improved_cbam", "ivsa", "resnet18")
DETECTORS = ("yolov8n", "yolo12n", "yolo12n_star", "yolo12n_mca", "yolo_fer")
SOURCES = ("0 processes", "4 processes", "device memory", "device memory, graphs")
WARM_UP = 10  # batches that are not counted


def faces_of_noise(folder: Path, count: int) -> FaceTable:
    """A pack of 48 px faces and their table."""
    rng = np.random.default_rng(0)
    ids = [f"face_{i:05d}" for i in range(count)]
    write_pack(folder, ((i, rng.integers(0, 256, (48, 48, 1), dtype=np.uint8)) for i in ids))
    box = dict(zip(BOX, (0.5, 0.5, 1.0, 1.0), strict=True))
    classes = EMOTIONS[:7]
    frame = pd.DataFrame({"image_id": ids, "face": 0, "cls": rng.integers(7, size=count)})
    return FaceTable(frame.assign(**box), tuple(classes))


def training(
    params: Params, variant: str, data: tuple[Path, FaceTable], source: str, device: torch.device
) -> dict[str, Any]:
    """Images a second of one epoch, and the share of another that waits for batches."""
    pack, faces = data
    row = params.variants[variant]
    recipe = dataclasses.replace(params.recipe_of(variant), crops=1)
    dataset, order = FaceDataset(pack, faces, recipe, 0), EpochSampler(len(faces.frame), 0)
    batches = _batches(dataset, order, source, device)
    network = build_network(row, recipe, 7, seed=0).to(device=device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(network, recipe)
    shape = (recipe.batch_size, recipe.channels, recipe.input_px, recipe.input_px)
    like = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
    graphed = source.endswith("graphs") and device.type == "cuda"
    logits = GraphedClassifier(network, like) if graphed else partial(logits_of, network)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    images, seconds, _ = epoch(batches, logits, optimizer, device, stop=False)
    _, stopped, waited = epoch(batches, logits, optimizer, device, stop=True)
    peak = torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None
    return {
        "variant": variant,
        "batches": source,
        "images_per_second": round(images / seconds, 1),
        "waiting_share": round(waited / stopped, 3),
        "peak_mib": None if peak is None else round(peak, 1),
        "images": images,
    }


def epoch(
    batches: DataLoader[Any] | ResidentLoader,
    logits: Callable[[Tensor], Tensor],
    optimizer: Optimizer,
    device: torch.device,
    *,
    stop: bool,
) -> tuple[int, float, float]:
    """Images, seconds, and seconds of waiting for batches if the device is waited for."""
    waited, images, start = 0.0, 0, 0.0
    iterator = iter(batches)
    for number in range(len(batches)):
        if number == WARM_UP:
            _wait(device)
            waited, images, start = 0.0, 0, time.perf_counter()
        before = time.perf_counter()
        image, target, _ = next(iterator)
        if stop:
            _wait(device)
        waited += time.perf_counter() - before
        target = target.to(device, non_blocking=True)
        loss = cross_entropy(logits(as_fractions(image, device)), target)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        images += len(image)
        if stop:
            _wait(device)
    _wait(device)
    return images, time.perf_counter() - start, waited


def _batches(
    dataset: FaceDataset, order: EpochSampler, source: str, device: torch.device
) -> DataLoader[Any] | ResidentLoader:
    if source.startswith("device memory"):
        return ResidentLoader(ResidentFaces(dataset, device), order, dataset.recipe.batch_size)
    return loader(dataset, order, dataset.recipe.batch_size, int(source.split()[0]))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def latencies(params: Params, device: str, iterations: int) -> list[dict[str, Any]]:
    """Milliseconds of one image through each detector."""
    rows = []
    for variant in DETECTORS:
        for precision in ("float32", "float16") if device == "cuda" else ("float32",):
            how = Latency(
                batch=1, precision=precision, threads=1, warm_up=5, iterations=iterations, repeats=5
            )
            row, recipe = params.variants[variant], params.recipe_of(variant)
            found = measure_latency(row, recipe, 7, how, device)
            rows.append({"variant": variant, "precision": precision, **found})
            print(
                variant,
                precision,
                found.get("forward_ms"),
                found.get("end_to_end_ms"),
                found.get("skipped"),
                flush=True,
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--faces", type=int, default=9600)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--out", type=Path, default=PROJECT / "benchmarks" / "results" / "gpu.json")
    args = parser.parse_args()
    device = torch.device(args.device)
    p1 = load_params(PROJECT / "studies" / "claims_fer2013.yaml")
    p2 = load_params(PROJECT / "studies" / "all_rows.yaml")
    rows = []
    with TemporaryDirectory() as folder:
        pack = Path(folder, "pack")
        faces = faces_of_noise(pack, args.faces)
        for variant in CLASSIFIERS:
            for source in SOURCES:
                rows.append(training(p1, variant, (pack, faces), source, device))
                print(*rows[-1].values(), flush=True)
    about = conditions()
    timed = latencies(p2, args.device, args.iterations)
    write_json(args.out, {**about, "training": rows, "latency": timed})


if __name__ == "__main__":
    main()
