"""Naive baselines of a split: nearest neighbour on pixels, majority class.

The nearest neighbour knows nothing of faces. Where it does well, evaluated images have near copies
in train (frames of one sequence, pictures of one person), and a model may do well without having
learnt expressions. Compare every accuracy with it, and with the same baseline under a protocol that
keeps persons apart. Baselines are measured on test, for reports, and on val, for the promotion
gates, which do not read test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

from ferbench.artifacts.datasets import BOX, Baselines, SplitSummary, boxes_of
from ferbench.artifacts.pack import Pack, Pixels
from ferbench.data.sampling import by_image, folds
from ferbench.data.split import draw_split

__all__ = [
    "NEIGHBOURS",
    "FacePixels",
    "crop_faces",
    "measure_baselines",
    "naive_accuracies",
    "nearest_is_right",
]

SIDE_PX = 48  # of FER2013's and CK+48's own images
NEIGHBOURS = ("nearest_neighbour", "nearest_neighbour_standardised")
REDRAWS = 10
FOLDS = 10
# A search costs faces times faces. Above so many faces only the actual split is measured, with at
# most so many of its test faces and as many of its val faces looked up.
MAX_FACES = 6_000
MAX_TEST = 3_000
LEVEL = 0.95


@dataclass(frozen=True)
class FacePixels:
    """Faces of a data set.

    Args:
        pixels: (faces, SIDE_PX squared), grey.
        cls: (faces,), class numbers.
        image_id: (faces,), of the image that each is on.
    """

    pixels: NDArray[np.uint8]
    cls: NDArray[np.int64]
    image_id: pd.Series

    def split_by(self, of_image: pd.Series) -> NDArray[Any]:
        """The split or fold of each face, which is its image's."""
        return self.image_id.map(of_image).to_numpy()


def crop_faces(boxes: pd.DataFrame, pack: Pack) -> FacePixels:
    """Cut faces out of packed images.

    Args:
        boxes: image_id, cls, cx, cy, w, h (fractions).
        pack: the images.
    """
    pixels = np.empty((len(boxes), SIDE_PX**2), np.uint8)
    cx, cy, w, h = boxes[BOX].to_numpy().T
    corners = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], axis=1).tolist()
    for row, image_id, box in zip(pixels, boxes["image_id"], corners, strict=True):
        row[:] = _grey_crop(pack.image(image_id), *box).ravel()
    return FacePixels(pixels, boxes["cls"].to_numpy(), boxes["image_id"])


def _grey_crop(image: Pixels, left: float, top: float, right: float, bottom: float) -> Pixels:
    """A box (fractions) of an image, at least a pixel wide and high, as SIDE_PX x SIDE_PX grey."""
    height, width = image.shape[:2]
    x, y = (min(round(left * width), width - 1), min(round(top * height), height - 1))
    crop = image[y : max(round(bottom * height), y + 1), x : max(round(right * width), x + 1)]
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.shape[2] == 3 else crop[:, :, 0]
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA))


def nearest_is_right(
    faces: FacePixels, name: str, train: NDArray[np.bool_], test: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether the nearest training face of each test face is of its class.

    Args:
        faces: all faces.
        name: one of `NEIGHBOURS`; standardised faces have mean 0 and deviation 1 each, so that
            brightness and contrast do not matter.
        train: (faces,), those that are searched.
        test: (faces,), those that are looked up.
    """

    def features(chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        pixels = faces.pixels[chosen].astype(np.float32)
        if name == "nearest_neighbour":
            return pixels
        centred = pixels - pixels.mean(axis=1, keepdims=True, dtype=np.float32)
        scale = np.maximum(centred.std(axis=1, keepdims=True), 1e-6)
        return np.asarray(centred / scale, np.float32)

    model = KNeighborsClassifier(n_neighbors=1, algorithm="brute")
    model.fit(features(train), faces.cls[train])
    return np.asarray(model.predict(features(test)) == faces.cls[test])


def measure_baselines(
    index: pd.DataFrame, split: pd.DataFrame, summary: SplitSummary, pack: Pack
) -> Baselines:
    """The naive baselines of a split, with their spread over other draws of the same protocol.

    Test and val faces are sampled in large data sets. Redraws split the same images by the same
    protocol, with seeds 0 to `REDRAWS` - 1; ten folds test every face once.

    Args:
        index: as `ferbench.artifacts.index.read_index` gives it.
        split: image_id and split.
        summary: of the split.
        pack: the images.
    """
    images = index[index["image_id"].isin(split["image_id"])].sort_values("image_id")
    split_of = split.set_index("image_id")["split"]
    boxes = boxes_of(images, summary.classes)
    every = boxes["image_id"].map(split_of).to_numpy()
    small = len(boxes) <= MAX_FACES
    faces = crop_faces(boxes if small else boxes.iloc[_sample(every, summary.seed)], pack)
    persons = bool(images["person"].notna().all()) and images["person"].nunique() > 1
    skipped = {} if small else {"redraws, ten_folds": f"{len(boxes)} faces, over {MAX_FACES}"}
    if small and not persons:
        skipped["ten_folds by_person"] = "persons are unknown"
    measured = {
        name: _accuracies(faces, faces.split_by(split_of), name)
        | _majority(boxes["cls"].to_numpy(), every, name)
        for name in ("test", "val")
        if name == "test" or (every == name).any()
    }
    return Baselines(
        protocol=summary.protocol,
        seed=summary.seed,
        features=f"faces as grey {SIDE_PX} x {SIDE_PX} pixels, Euclidean distance; "
        "standardised: each face with mean 0 and deviation 1",
        test_faces=int((every == "test").sum()),
        val_faces=int((every == "val").sum()),
        split=measured["test"],
        val=measured.get("val"),
        redraws=_redraws(faces, images, summary.protocol) if small else None,
        ten_folds=_ten_folds(faces, images, persons) if small else None,
        skipped=skipped,
    )


def _sample(split: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """All training faces and at most `MAX_TEST` faces each of test and val, drawn at random."""
    drawn = [
        np.random.default_rng(seed).permutation(np.flatnonzero(split == name))[:MAX_TEST]
        for name in ("test", "val")
    ]
    return np.sort(np.concatenate([np.flatnonzero(split == "train"), *drawn]))


def _accuracies(faces: FacePixels, split: NDArray[Any], name: str) -> dict[str, float]:
    """Accuracies of the naive baselines on test or val, and the numbers of faces."""
    sizes = {f"n_{part}": int((split == part).sum()) for part in ("train", name)}
    return naive_accuracies(faces, split, name) | sizes


def naive_accuracies(faces: FacePixels, split: NDArray[Any], name: str) -> dict[str, float]:
    """Accuracies of the naive baselines on one part of a split.

    Args:
        faces: N faces.
        split: (N,) the part of each, `train` among them.
        name: of the part that is predicted; it has faces, as train has.
    """
    train, evaluated = split == "train", split == name
    nearest = {
        kind: float(nearest_is_right(faces, kind, train, evaluated).mean()) for kind in NEIGHBOURS
    }
    return nearest | _majority(faces.cls, split, name)


def _majority(cls: NDArray[np.int64], split: NDArray[Any], name: str) -> dict[str, float]:
    """Accuracy of always predicting the commonest class of train."""
    commonest = np.bincount(cls[split == "train"]).argmax()
    return {"majority_class": float((cls[split == name] == commonest).mean())}


def _redraws(faces: FacePixels, images: pd.DataFrame, protocol: str) -> dict[str, dict[str, Any]]:
    drawn: dict[str, list[dict[str, float]]] = {"test": [], "val": []}
    for seed in range(REDRAWS):
        split, _ = draw_split(images, protocol, seed)
        of_face = faces.split_by(split.set_index("image_id")["split"])
        for name, found in drawn.items():
            found.append(_accuracies(faces, of_face, name))
    return {
        name: _spread([accuracies[name] for accuracies in drawn["test"]])
        | {"val_values": [accuracies[name] for accuracies in drawn["val"]]}
        for name in (*NEIGHBOURS, "majority_class")
    }


def _spread(values: list[float]) -> dict[str, Any]:
    """Mean, sample standard deviation and the mean's t interval."""
    mean, std, n = float(np.mean(values)), float(np.std(values, ddof=1)), len(values)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * std / n**0.5
    interval = {"low": mean - half, "high": mean + half, "level": LEVEL}
    return {"mean": mean, "std": std, "n": n, **interval, "values": values}


def _ten_folds(
    faces: FacePixels, images: pd.DataFrame, persons: bool
) -> dict[str, dict[str, float | None]]:
    rng = np.random.default_rng(0)
    kinds = {"random": by_image(images, (1 / FOLDS,) * FOLDS, rng)}
    if persons:
        kinds["by_person"] = folds(images, FOLDS, rng)
    fold = {kind: faces.split_by(part.set_axis(images["image_id"])) for kind, part in kinds.items()}
    return {
        name: {
            kind: _cross_validated(faces, name, fold[kind]) if kind in fold else None
            for kind in ("random", "by_person")
        }
        for name in NEIGHBOURS
    }


def _cross_validated(faces: FacePixels, name: str, fold: NDArray[np.int64]) -> float:
    hits = sum(nearest_is_right(faces, name, fold != k, fold == k).sum() for k in np.unique(fold))
    return float(hits / len(fold))
