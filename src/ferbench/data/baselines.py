"""Faces as vectors of pixels, and the nearest of them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

from ferbench.data.pack import Pack
from ferbench.data.split import by_image, draw_split, folds
from ferbench.data.yolo_labels import boxes_of

__all__ = ["NEIGHBOURS", "SIDE_PX", "Faces", "look", "measure_baselines", "right"]

SIDE_PX = 48  # of FER2013's and CK+48's own images


@dataclass(frozen=True)
class Faces:
    """Faces of a data set.

    Args:
        pixels: (faces, SIDE_PX squared), grey.
        cls: (faces,), class numbers.
        image_id: (faces,), of the image that each is on.
    """

    pixels: NDArray[np.uint8]
    cls: NDArray[np.int64]
    image_id: pd.Series

    def parts(self, of_image: pd.Series) -> NDArray[Any]:
        """The part of each face, which is its image's."""
        return self.image_id.map(of_image).to_numpy()


def look(boxes: pd.DataFrame, pack: Pack) -> Faces:
    """Faces cut out of packed images.

    Args:
        boxes: image_id, cls, cx, cy, w, h (fractions).
        pack: the images.
    """
    pixels = np.empty((len(boxes), SIDE_PX**2), np.uint8)
    corners = zip(boxes["image_id"], *_corners(boxes), strict=True)
    for row, (image_id, left, top, right, bottom) in zip(pixels, corners, strict=True):
        row[:] = _grey_crop(pack.image(image_id), left, top, right, bottom).ravel()
    return Faces(pixels, boxes["cls"].to_numpy(), boxes["image_id"])


def _corners(boxes: pd.DataFrame) -> list[pd.Series]:
    """Left, top, right, bottom of each box, as fractions."""
    cx, cy, w, h = (boxes[column] for column in ("cx", "cy", "w", "h"))
    return [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]


def _grey_crop(
    image: NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> NDArray[np.uint8]:
    """A box (fractions) of an image, at least a pixel wide and high, as SIDE_PX x SIDE_PX grey."""
    height, width = image.shape[:2]
    x, y = (min(round(left * width), width - 1), min(round(top * height), height - 1))
    crop = image[y : max(round(bottom * height), y + 1), x : max(round(right * width), x + 1)]
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.shape[2] == 3 else crop[:, :, 0]
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


def _raw(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pixels.astype(np.float32)


def _standardised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Each face with mean 0 and deviation 1, so that light and contrast have no say."""
    centred = pixels - pixels.mean(axis=1, keepdims=True, dtype=np.float32)
    scale = np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
    return np.asarray(centred / scale, np.float32)


# What is measured, and the pixels that its distances are taken between.
NEIGHBOURS = MappingProxyType(
    {"nearest_neighbour": _raw, "nearest_neighbour_standardised": _standardised}
)


def right(
    faces: Faces, name: str, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the nearest training face of each test face is of its class.

    Args:
        faces: all faces.
        name: a key of `NEIGHBOURS`.
        train: (faces,), those that are looked through.
        test: (faces,), those that are looked up.
    """
    see = NEIGHBOURS[name]
    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    model.fit(see(faces.pixels[train]), faces.cls[train])
    guessed = model.predict(see(faces.pixels[test]))
    return np.asarray(guessed == faces.cls[test])


# MERGED from ferbench.data.baselines:
# Naive baselines of a split: nearest neighbour on pixels, majority class.
#
# The nearest neighbour knows nothing of faces. Where it does well, evaluated images have near copies
# in train (frames of one sequence, pictures of one person), and a model may do well without having
# learnt expressions. Compare every accuracy with it, and with the same baseline under a protocol that
# keeps persons apart. Baselines are measured on test, for reports, and on val, for the promotion
# gates, which do not read test.


REDRAWS = 10
FOLDS = 10
# A search costs faces times faces. Above so many faces only the actual split is measured, with at
# most so many of its test faces and as many of its val faces looked up.
MAX_FACES = 6_000
MAX_TEST = 3_000
LEVEL = 0.95


def measure_baselines(
    index: pd.DataFrame, split: pd.DataFrame, description: dict[str, Any], pack: Pack
) -> dict[str, Any]:
    """The naive baselines of a split, with their spread over other draws of the same protocol.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        split: image_id and split.
        description: of the split: protocol, seed, classes.
        pack: the images.

    Returns:
        `split`: accuracies on test; nearest neighbours of `n_test` of the `test_faces`, the
        majority class of all of them. `val`: the same on val, with `n_val` of the `val_faces`.
        `redraws`: those on test over ten draws of the same images by the protocol, with 95 % t
        intervals. `ten_folds`: accuracies over all faces, each tested once, in random folds and in
        folds by person. What is not measured is null, its reason in `skipped`.
    """
    images = index[index["image_id"].isin(split["image_id"])].sort_values("image_id")
    side = split.set_index("image_id")["split"]
    boxes = boxes_of(images, description["classes"])
    small = len(boxes) <= MAX_FACES
    faces = look(boxes if small else _sample(boxes, side, description["seed"]), pack)
    sides, whole = faces.parts(side), boxes["image_id"].map(side).to_numpy()
    persons = bool(images["person"].notna().all()) and images["person"].nunique() > 1
    skipped = {} if small else {"redraws, ten_folds": f"{len(boxes)} faces, over {MAX_FACES}"}
    if small and not persons:
        skipped["ten_folds by_person"] = "persons are unknown"
    return {
        "protocol": description["protocol"],
        "seed": description["seed"],
        "features": f"faces as grey {SIDE_PX} x {SIDE_PX} pixels, Euclidean distance; "
        "standardised: each face with mean 0 and deviation 1",
        "test_faces": int((whole == "test").sum()),
        "val_faces": int((whole == "val").sum()),
        "split": _accuracies(faces, sides, "test") | _majority(boxes["cls"], whole, "test"),
        "val": _accuracies(faces, sides, "val") | _majority(boxes["cls"], whole, "val")
        if (whole == "val").any()
        else None,
        "redraws": _redraws(faces, images, description["protocol"]) if small else None,
        "ten_folds": _ten_folds(faces, images, persons) if small else None,
        "skipped": skipped,
    }


def _sample(boxes: pd.DataFrame, side: pd.Series, seed: int) -> pd.DataFrame:
    """All training faces and at most `MAX_TEST` faces each of test and val, drawn at random."""
    sides = boxes["image_id"].map(side)
    drawn = [
        np.random.default_rng(seed).permutation(np.flatnonzero(sides == name))[:MAX_TEST]
        for name in ("test", "val")
    ]
    return boxes.iloc[np.sort(np.concatenate([np.flatnonzero(sides == "train"), *drawn]))]


def _accuracies(faces: Faces, sides: NDArray[Any], split: str) -> dict[str, Any]:
    """Accuracies of the naive baselines on test or val."""
    train, evaluated = sides == "train", sides == split
    return {
        **{name: float(right(faces, name, train, evaluated).mean()) for name in NEIGHBOURS},
        **_majority(pd.Series(faces.cls), sides, split),
        "n_train": int(train.sum()),
        f"n_{split}": int(evaluated.sum()),
    }


def _majority(cls: pd.Series, sides: NDArray[Any], split: str) -> dict[str, float]:
    """Accuracy of always predicting the commonest class of train."""
    commonest = np.bincount(cls[sides == "train"]).argmax()
    return {"majority_class": float((cls[sides == split] == commonest).mean())}


def _redraws(faces: Faces, images: pd.DataFrame, protocol: str) -> dict[str, Any]:
    """Accuracies over splits of the same images by the same protocol, seeds 0 to `REDRAWS` - 1."""
    drawn = []
    for seed in range(REDRAWS):
        split, _ = draw_split(images, protocol, seed)
        sides = faces.parts(split.set_index("image_id")["split"])
        drawn.append(_accuracies(faces, sides, "test"))
    return {
        name: _spread([accuracies[name] for accuracies in drawn])
        for name in (*NEIGHBOURS, "majority_class")
    }


def _spread(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation and the mean's t interval."""
    mean, std, n = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * std / n**0.5
    return {
        "mean": mean,
        "std": std,
        "n": n,
        "low": mean - half,
        "high": mean + half,
        "level": LEVEL,
        "values": values,
    }


def _ten_folds(
    faces: Faces, images: pd.DataFrame, persons: bool
) -> dict[str, dict[str, float | None]]:
    """Accuracies by kind of folds, over all faces, each looked up in the other folds."""
    rng = np.random.default_rng(0)
    kinds = {"random": by_image(images, (1 / FOLDS,) * FOLDS, rng)}
    if persons:
        kinds["by_person"] = folds(images, FOLDS, rng)
    fold = {kind: faces.parts(part.set_axis(images["image_id"])) for kind, part in kinds.items()}
    return {
        name: {
            kind: _cross_validated(faces, name, fold[kind]) if kind in fold else None
            for kind in ("random", "by_person")
        }
        for name in NEIGHBOURS
    }


def _cross_validated(faces: Faces, name: str, fold: NDArray[np.int64]) -> float:
    hits = sum(right(faces, name, fold != k, fold == k).sum() for k in np.unique(fold))
    return float(hits / len(fold))
