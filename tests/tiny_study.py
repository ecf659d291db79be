"""Tiny packed data sets, made of noise with a mark a class, and a study that learns in seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ferbench.artifacts.index import read_index, write_index
from ferbench.config.params import Params, load_params
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.data.pack import pack_images
from ferbench.files import write_json

CLASSES = ("neutral", "happiness", "surprise")
PROJECT = Path(__file__).parents[1]

# (class index, cx, cy, w, h), the box as fractions of the image
Face = tuple[int, float, float, float, float]


def make_stored(root: Path, images: int = 30, px: int = 24) -> PackedDataset:
    """Grey faces `tiny` under `root`, one an image: two thirds train, the rest val and test."""
    rng = np.random.default_rng(0)
    pictures, faces, sides = {}, {}, {}
    for i in range(images):
        name, cls = f"face_{i:03d}", i % len(CLASSES)
        picture = rng.integers(0, 90, (px, px), dtype=np.uint8)
        picture[4 + 6 * cls : 8 + 6 * cls] = 250
        pictures[name], faces[name] = picture, [(cls, 0.5, 0.5, 1.0, 1.0)]
        sides[name] = "train" if i % 6 < 4 else ("val" if i % 6 == 4 else "test")
    return store(root, "tiny", pictures, faces, sides)


def make_scenes(root: Path) -> PackedDataset:
    """Colour images `scenes` under `root` that are not square and show one to three faces."""
    rng = np.random.default_rng(1)
    boxes = [(0.25, 0.5, 0.3, 0.6), (0.75, 0.4, 0.2, 0.5), (0.5, 0.8, 0.1, 0.2)]
    pictures, faces, sides = {}, {}, {}
    for i in range(9):
        name, shape = f"scene_{i}", [(40, 60), (61, 33), (48, 48)][i // 3]
        pictures[name] = rng.integers(0, 255, (*shape, 3), dtype=np.uint8)
        faces[name] = [((i + k) % 3, *box) for k, box in enumerate(boxes[: 1 + i % 3])]
        sides[name] = ["train", "val", "test"][i // 3]
    return store(root, "scenes", pictures, faces, sides)


def store(
    root: Path,
    dataset: str,
    pictures: Mapping[str, np.ndarray[Any, Any]],
    faces: Mapping[str, Sequence[Face]],
    sides: Mapping[str, str],
    classes: Sequence[str] = CLASSES,
) -> PackedDataset:
    """What the data stages leave for pictures with boxes, each a person of its own."""
    raw = root / "raw" / dataset
    raw.mkdir(parents=True)
    rows = []
    for number, (name, picture) in enumerate(pictures.items()):
        cv2.imwrite(str(raw / f"{name}.png"), picture)
        own = [(classes[face[0]], *face[1:]) for face in faces[name]]
        rows.append(_index_row(number, dataset, name, picture, own))
    write_index(root / "interim" / dataset / "index.parquet", rows)
    index = read_index(root / "interim" / dataset / "index.parquet")
    pack_images(index, raw, root / "pack" / dataset, None)
    boxes = pd.DataFrame(
        [(n, k, f[0], classes[f[0]], *f[1:]) for n in pictures for k, f in enumerate(faces[n])],
        columns=["image_id", "face", "cls", "emotion", "cx", "cy", "w", "h"],
    )
    (root / "yolo" / dataset).mkdir(parents=True)
    boxes.to_parquet(root / "yolo" / dataset / "boxes.parquet")
    (root / "splits").mkdir(exist_ok=True)
    split = index[["image_id", "emotion", "person"]].assign(split=index["image_id"].map(sides))
    split.to_parquet(root / "splits" / f"{dataset}.parquet")
    write_json(
        root / "splits" / f"{dataset}.json",
        {"classes": list(classes), "protocol": "person_70_10_20", "seed": 0},
    )
    return open_dataset(dataset, 0, root)


def _index_row(
    number: int,
    dataset: str,
    name: str,
    picture: np.ndarray[Any, Any],
    faces: Sequence[tuple[str, float, float, float, float]],
) -> dict[str, Any]:
    height, width = picture.shape[:2]
    return {
        "image_id": name,
        "path": f"{name}.png",
        "md5": f"{number:032x}",
        "dataset": dataset,
        "emotion": faces[0][0],
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
                "emotion": emotion,
            }
            for emotion, cx, cy, w, h in faces
        ],
        "votes": None,
    }


def small_params() -> Params:
    """The demo study, cut down to seconds."""
    params = load_params(PROJECT / "studies" / "demo.yaml")
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
