"""Time of one image through a variant's deployed network: forward alone, and end to end.

Weights do not change how long a network computes, so they are random. A detector's would decide
how many places pass the least score, and so how long non-maximum suppression takes: there every
network gets the same scores, 100 places an image above the least score.
"""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import pandas as pd
import psutil
import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer

from ferbench.config.params import Latency, Recipe, Variant
from ferbench.data.dataset import FaceTable
from ferbench.data.loaders import FaceDataset, SceneDataset
from ferbench.data.pack import pack_images
from ferbench.detection.boxes import MAX_BOXES, kept_boxes
from ferbench.emotions import EMOTIONS
from ferbench.models.build import as_fractions, build_network, logits_of, task_of
from ferbench.models.deploy import deployed

__all__ = ["measure_latency"]

# Side of the square picture that the end-to-end time begins with.
_PICTURE_PX = 100
_CANDIDATES = 100
_LIBRARIES = ("torch", "torchvision", "timm", "ultralytics", "albumentations")
_PROTOCOL = (
    "deployed network in evaluation mode, random weights; median, lowest and highest of {repeats} "
    "repeats of {iterations} calls after {warm_up} that are not counted, device synchronised; "
    "forward: from the batch on the device to the network's output; end to end: from square uint8 "
    "pictures of {picture} px in memory, resized and scaled one by one as in evaluation, to "
    "probabilities, or to boxes after non-maximum suppression of {candidates} places an image"
)


def measure_latency(
    variant: Variant, recipe: Recipe, classes: int, how: Latency, device: str
) -> dict[str, Any]:
    """Milliseconds an image, images a second and what they were measured with, ready for JSON.

    Args:
        variant: the row.
        recipe: gives the input's size and channels.
        classes: K.
        how: batch, precision, threads and number of calls.
        device: `cpu` or `cuda`.

    Returns:
        Without times, but with `skipped`, the reason, if the device lacks the precision.
    """
    about = _about(recipe, how, device)
    with TemporaryDirectory() as folder, torch.inference_mode():
        timed = _timed(variant, recipe, classes, how, device)
        pictures = _pictures(Path(folder), variant, recipe)
        try:
            calls = {
                "forward": _forward(timed, recipe),
                "end_to_end": _end_to_end(timed, pictures),
            }
            times = {name: _times(call, how) for name, call in calls.items()}
        except RuntimeError as error:
            if how.precision == "float32":
                raise
            reason = str(error).partition("\n")[0]
            return {**about, "skipped": f"no {how.precision} on {device}: {reason}"}
    return {**about, **_summary("forward", times), **_summary("end_to_end", times)}


@dataclass(frozen=True)
class _Timed:
    """A deployed network and what it is called with."""

    network: nn.Module
    task: str
    classes: int
    batch: int
    device: torch.device
    dtype: torch.dtype

    def input(self, images: Tensor) -> Tensor:
        """Bytes as the network takes them."""
        return as_fractions(images, self.device).to(self.dtype)


def _timed(variant: Variant, recipe: Recipe, classes: int, how: Latency, device: str) -> _Timed:
    dtype: torch.dtype = getattr(torch, how.precision)
    network = deployed(build_network(variant, recipe, classes, seed=0)).to(device, dtype)
    return _Timed(network, task_of(variant), classes, how.batch, torch.device(device), dtype)


def _forward(timed: _Timed, recipe: Recipe) -> Callable[[], object]:
    shape = (timed.batch, recipe.channels, recipe.input_px, recipe.input_px)
    rng = torch.Generator().manual_seed(0)
    x = timed.input(torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8))
    return lambda: timed.network(x)


def _end_to_end(timed: _Timed, pictures: FaceDataset | SceneDataset) -> Callable[[], object]:
    def batch() -> Tensor:
        return timed.input(torch.stack([pictures[-1, 0][0] for _ in range(timed.batch)]))

    if timed.task == "classify":
        return lambda: torch.softmax(logits_of(timed.network, batch()).double(), dim=1).cpu()
    scores = _scores(timed.network(batch())[0].shape, timed.classes)

    def boxes() -> object:
        decoded = timed.network(batch())[0].float().cpu()
        return kept_boxes(torch.cat([decoded[:, :4], scores], dim=1), timed.classes, MAX_BOXES)

    return boxes


def _scores(shape: torch.Size, classes: int) -> Tensor:
    """Scores (N, K, A) for decoded boxes; at most 100 places an image are above the least score."""
    images, _, places = shape
    rng = torch.Generator().manual_seed(0)
    chosen = torch.rand(images, places, generator=rng).argsort(dim=1)[:, :_CANDIDATES]
    cls = torch.randint(classes, chosen.shape, generator=rng)
    scores = torch.zeros(images, classes, places)
    height = torch.rand(chosen.shape, generator=rng).clamp(min=0.01)
    scores[torch.arange(images)[:, None], cls, chosen] = height
    return scores


def _pictures(folder: Path, variant: Variant, recipe: Recipe) -> FaceDataset | SceneDataset:
    """A data set of one packed picture, a face as a whole, prepared as evaluation does."""
    shape = (_PICTURE_PX, _PICTURE_PX, recipe.channels)
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    cv2.imwrite(str(folder / "picture.png"), pixels)
    index = {"image_id": "picture", "path": "picture.png", "height": shape[0], "width": shape[1]}
    pack_images(pd.DataFrame([index]), folder, folder / "pack")
    face = {"image_id": "picture", "face": 0, "cls": 0, "cx": 0.5, "cy": 0.5, "w": 1.0, "h": 1.0}
    faces = FaceTable(pd.DataFrame([face]), EMOTIONS[:1])
    dataset = FaceDataset if task_of(variant) == "classify" else SceneDataset
    return dataset(folder / "pack", faces, recipe, seed=0)


def _times(call: Callable[[], object], how: Latency) -> list[float]:
    """Milliseconds an image in each repeat."""
    timer = Timer("call()", globals={"call": call}, num_threads=how.threads)
    timer.timeit(max(1, how.warm_up))
    seconds = [timer.timeit(how.iterations).mean for _ in range(how.repeats)]
    return [1000 * value / how.batch for value in seconds]


def _summary(name: str, times: dict[str, list[float]]) -> dict[str, float]:
    middle = median(times[name])
    return {
        f"{name}_ms": middle,
        f"{name}_ms_low": min(times[name]),
        f"{name}_ms_high": max(times[name]),
        f"fps_{name}": 1000 / middle,
    }


def _about(recipe: Recipe, how: Latency, device: str) -> dict[str, Any]:
    calls = asdict(how)
    words = {**calls, "picture": _PICTURE_PX, "candidates": _CANDIDATES}
    return {
        **calls,
        "device": device,
        "input_px": recipe.input_px,
        "channels": recipe.channels,
        "crops": recipe.crops,
        "picture_px": _PICTURE_PX,
        "hardware": _hardware(device),
        "versions": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "protocol": _PROTOCOL.format(**words),
    }


def _hardware(device: str) -> dict[str, Any]:
    if device == "cpu":
        name = torch.cpu.get_capabilities().get("cpu_name", platform.processor())
        return {"name": name, "cores": psutil.cpu_count(logical=True)}
    return {
        "name": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }


def _driver() -> str:
    """Version of the GPU's driver, as its own tool reports it."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.partition("\n")[0].strip()
