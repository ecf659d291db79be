"""Test images degraded at random: how far predictions survive a bad camera.

Source: the idea from a paper's table of RAF-DB before and after "random degradation" (P2-T13).
Differs: the paper names neither operations nor strengths; those below are ours. Each image gets one
to three of six operations, all different, in a random order, parameters uniform in their ranges:

- `low_resolution`: downscaled by `factor`, areas averaged, and upscaled again, bilinear;
- `low_light`: fractions v become gain * v ** gamma;
- `blur`: Gaussian, of `sigma` pixels in an image whose longer side has 100, scaled with that side;
- `noise`: Gaussian, `sigma` in grey values of 255, each channel for itself;
- `occlusion`: one black rectangle of a share `area` of the image and of width / height `aspect`;
- `jpeg`: written and read again at `quality`.

Shape: (H, W, C) uint8, C 1 or 3, -> same, before a recipe's own resizing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ferbench.artifacts.pack import Pack
from ferbench.data.dataset import PackedDataset
from ferbench.evaluation.predict import predict_faces
from ferbench.evaluation.robustness_test import (
    Altered,
    Draw,
    RobustnessResult,
    check_least,
    draw_faces,
    generator_of,
)
from ferbench.models.weights import Trained

__all__ = ["Degraded"]

Pixels = NDArray[np.uint8]
Plan = list[tuple[str, dict[str, float]]]

_MOST = 3
# Lowest and highest value; whole numbers are drawn between whole numbers.
_RANGES: dict[str, dict[str, dict[str, tuple[float, float]]]] = {
    "medium": {
        "low_resolution": {"factor": (2.0, 4.0)},
        "low_light": {"gamma": (1.5, 3.0), "gain": (0.5, 0.9)},
        "blur": {"sigma": (0.5, 2.0)},
        # The noise of the pixels follows from a seed, so that the table of draws is complete.
        "noise": {"sigma": (5.0, 25.0), "seed": (0, 2**31 - 1)},
        # left and top are shares of the room beside the rectangle
        "occlusion": {
            "area": (0.05, 0.2),
            "aspect": (0.5, 2.0),
            "left": (0.0, 1.0),
            "top": (0.0, 1.0),
        },
        "jpeg": {"quality": (20, 60)},
    }
}


@dataclass(frozen=True)
class Degraded:
    """Every test image once, degraded by draws from (seed, image) alone.

    Args:
        severity: of the operations, which is also the name of the one condition.
        seed: of all draws.
        limit: at most so many images, drawn evenly over the classes of their first faces; None for
            all.
    """

    severity: Literal["medium"] = "medium"
    seed: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        check_least("seed", self.seed, 0)
        check_least("limit", self.limit, 1)

    def run(self, trained: Trained, data: PackedDataset, device: str) -> RobustnessResult:
        """Predictions of any network, under one condition."""
        test = data.faces("test")
        faces = draw_faces(test, test.frame["image_id"], self.limit, self.seed)
        plans = {i: _plan(self.severity, self.seed, i) for i in faces.frame["image_id"].unique()}
        source = Pack(data.pack)
        pictures = Altered(data.pack, lambda i: _degrade(source.image(i), plans[i]))
        draws = tuple(
            Draw(image, None, order, name, numbers)
            for image, plan in plans.items()
            for order, (name, numbers) in enumerate(plan)
        )
        predicted = predict_faces(trained, pictures, faces, device)
        return RobustnessResult({self.severity: predicted}, draws)


def _plan(severity: str, seed: int, image_id: str) -> Plan:
    """The operations of one image, in their order, with their parameters."""
    rng, ranges = generator_of(seed, image_id), _RANGES[severity]
    names = rng.choice(sorted(ranges), size=rng.integers(1, _MOST + 1), replace=False)
    return [(str(n), {k: _draw(rng, *ends) for k, ends in ranges[n].items()}) for n in names]


def _draw(rng: np.random.Generator, low: float, high: float) -> float:
    if isinstance(low, int) and isinstance(high, int):
        return int(rng.integers(low, high, endpoint=True))
    # As many digits as the table of draws shows.
    return round(float(rng.uniform(low, high)), 4)


def _degrade(image: Pixels, plan: Plan) -> Pixels:
    for name, numbers in plan:
        # OpenCV drops a single channel.
        image = _OPERATIONS[name](image, **numbers).reshape(image.shape)
    return image


def _low_resolution(image: Pixels, factor: float) -> Pixels:
    height, width = image.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def _low_light(image: Pixels, gamma: float, gain: float) -> Pixels:
    levels = gain * (np.arange(256) / 255) ** gamma
    return cv2.LUT(image, np.rint(255 * levels).astype(np.uint8))


def _blur(image: Pixels, sigma: float) -> Pixels:
    pixels = sigma * max(image.shape[:2]) / 100
    return cv2.GaussianBlur(image, (0, 0), pixels)


def _noise(image: Pixels, sigma: float, seed: int) -> Pixels:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    return np.rint(image + noise).clip(0, 255).astype(np.uint8)


def _occlusion(image: Pixels, area: float, aspect: float, left: float, top: float) -> Pixels:
    height, width = image.shape[:2]
    # Only an image more than 2.5 times as long as wide cuts a rectangle.
    w = min(round(math.sqrt(area * height * width * aspect)), width)
    h = min(round(math.sqrt(area * height * width / aspect)), height)
    x, y = round(left * (width - w)), round(top * (height - h))
    image = image.copy()
    image[y : y + h, x : x + w] = 0
    return image


def _jpeg(image: Pixels, quality: int) -> Pixels:
    # OpenCV takes colours as blue, green, red.
    _, code = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_UNCHANGED), dtype=np.uint8)
    return pixels.reshape(image.shape)[:, :, ::-1]


_OPERATIONS: Mapping[str, Callable[..., Pixels]] = {
    "low_resolution": _low_resolution,
    "low_light": _low_light,
    "blur": _blur,
    "noise": _noise,
    "occlusion": _occlusion,
    "jpeg": _jpeg,
}
