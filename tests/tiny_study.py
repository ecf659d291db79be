"""Tiny packed data sets, noise with a mark per class, and a study that trains in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tests.example_study import example_params

from ferbench.artifacts.datasets import BOX, SplitSummary, write_split
from ferbench.artifacts.index import read_index, write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.data.pack import pack_images

CLASSES = ("neutral", "happiness", "surprise")

# (class index, cx, cy, w, h), the box as fractions of the image
Face = tuple[int, float, float, float, float]


def make_stored(root: Path, images: int = 30, px: int = 24) -> PackedDataset:
    """Grey images `tiny` with one face each: two thirds train, the rest val and test."""
    rng = np.random.default_rng(0)
    pictures, faces, splits = {}, {}, {}
    for i in range(images):
        name, cls = f"face_{i:03d}", i % len(CLASSES)
        picture = rng.integers(0, 90, (px, px), dtype=np.uint8)
        picture[4 + 6 * cls : 8 + 6 * cls] = 250
        pictures[name], faces[name] = picture, [(cls, 0.5, 0.5, 1.0, 1.0)]
        splits[name] = "train" if i % 6 < 4 else ("val" if i % 6 == 4 else "test")
    return store(root, "tiny", pictures, faces, splits)


def make_scenes(root: Path) -> PackedDataset:
    """Colour images `scenes` that are not square and show one to three faces."""
    rng = np.random.default_rng(1)
    boxes = [(0.25, 0.5, 0.3, 0.6), (0.75, 0.4, 0.2, 0.5), (0.5, 0.8, 0.1, 0.2)]
    pictures, faces, splits = {}, {}, {}
    for i in range(9):
        name, shape = f"scene_{i}", [(40, 60), (61, 33), (48, 48)][i // 3]
        pictures[name] = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
        faces[name] = [((i + k) % 3, *box) for k, box in enumerate(boxes[: 1 + i % 3])]
        splits[name] = ["train", "val", "test"][i // 3]
    return store(root, "scenes", pictures, faces, splits)


def store(
    root: Path,
    dataset: str,
    pictures: Mapping[str, np.ndarray[Any, Any]],
    faces: Mapping[str, Sequence[Face]],
    splits: Mapping[str, str],
    classes: Sequence[str] = CLASSES,
) -> PackedDataset:
    """Write what the data stages leave below a project's root; each image shows its own person."""
    paths = DatasetPaths(dataset, root)
    paths.raw.mkdir(parents=True)
    rows = []
    for number, (name, picture) in enumerate(pictures.items()):
        cv2.imwrite(str(paths.raw / f"{name}.png"), picture)
        rows.append(_index_row(number, dataset, name, picture, faces[name], classes))
    write_index(paths.interim / "index.parquet", rows)
    index = read_index(paths.interim / "index.parquet")
    pack_images(index, paths.raw, paths.pack, None)
    paths.yolo.mkdir(parents=True)
    boxes = [(n, k, f[0], classes[f[0]], *f[1:]) for n in pictures for k, f in enumerate(faces[n])]
    columns = ["image_id", "face", "cls", "emotion", *BOX]
    pd.DataFrame(boxes, columns=columns).to_parquet(paths.boxes)
    split = index[["image_id", "emotion", "person"]].assign(split=index["image_id"].map(splits))
    empty: dict[str, Any] = {}
    summary = SplitSummary(
        "person_70_10_20", 0, None, list(classes), empty, empty, empty, empty, empty, []
    )
    write_split(paths, split, summary)
    return open_dataset(dataset, 0, root)


def _index_row(
    number: int,
    dataset: str,
    name: str,
    picture: np.ndarray[Any, Any],
    faces: Sequence[Face],
    classes: Sequence[str],
) -> dict[str, Any]:
    height, width = picture.shape[:2]
    return {
        "image_id": name,
        "path": f"{name}.png",
        "md5": f"{number:032x}",
        "dataset": dataset,
        "emotion": classes[faces[0][0]],
        "person": f"p{number}",
        "sequence": None,
        "source_split": None,
        "width": width,
        "height": height,
        "channels": 1 if picture.ndim == 2 else 3,
        "faces": [
            {
                "left": (cx - w / 2) * width,
                "top": (cy - h / 2) * height,
                "right": (cx + w / 2) * width,
                "bottom": (cy + h / 2) * height,
                "emotion": classes[cls],
            }
            for cls, cx, cy, w, h in faces
        ],
        "votes": None,
    }


def small_params() -> Params:
    """The example study, reduced to seconds."""
    params = example_params()
    small = {"epochs": 3, "batch_size": 4, "augment": "light", "warmup_epochs": 0}
    sizes = {"p1": (16, 18), "p0": (32, 32)}
    recipes = {
        name: dataclasses.replace(
            recipe, **small, input_px=sizes[name][0], resize_px=sizes[name][1]
        )
        for name, recipe in params.recipes.items()
    }
    train = dataclasses.replace(params.train, accelerator="cpu", progress=False)
    return dataclasses.replace(params, recipes=recipes, train=train)
