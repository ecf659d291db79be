"""A tiny packed data set, made of noise with a mark a class."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from ferbench.data.index import read_index, write_index
from ferbench.data.pack import pack_images
from ferbench.data.stored import Stored, open_stored
from ferbench.files import write_json
from ferbench.params import Params, load_params

CLASSES = ("neutral", "happiness", "surprise")
PROJECT = Path(__file__).parents[2]


def make_stored(root: Path, images: int = 30, px: int = 24) -> Stored:
    """A data set `tiny` under `root`: two thirds train, the rest val and test."""
    rng = np.random.default_rng(0)
    raw = root / "raw" / "tiny"
    raw.mkdir(parents=True)
    rows, boxes = [], []
    for i in range(images):
        cls = i % len(CLASSES)
        picture = rng.integers(0, 90, (px, px), dtype=np.uint8)
        picture[4 + 6 * cls : 8 + 6 * cls] = 250
        name = f"face_{i:03d}.png"
        cv2.imwrite(str(raw / name), picture)
        emotion = CLASSES[cls]
        face = {"left": 0.0, "top": 0.0, "right": px, "bottom": px, "emotion": emotion}
        rows.append(
            {"image_id": f"face_{i:03d}", "path": name, "md5": f"{i:032x}", "dataset": "tiny"}
            | {"emotion": emotion, "person": f"p{i}", "sequence": None, "source_split": None}
            | {"width": px, "height": px, "channels": 1, "faces": [face], "votes": None}
        )
        boxes.append((f"face_{i:03d}", 0, cls, emotion, 0.5, 0.5, 1.0, 1.0))
    write_index(root / "interim" / "tiny" / "index.parquet", rows)
    index = read_index(root / "interim" / "tiny" / "index.parquet")
    pack_images(index, raw, root / "pack" / "tiny", None)
    (root / "yolo" / "tiny").mkdir(parents=True)
    columns = ["image_id", "face", "cls", "emotion", "cx", "cy", "w", "h"]
    pd.DataFrame(boxes, columns=columns).to_parquet(root / "yolo" / "tiny" / "boxes.parquet")
    side = ["train" if i % 6 < 4 else ("val" if i % 6 == 4 else "test") for i in range(images)]
    (root / "splits").mkdir()
    split = index[["image_id", "emotion", "person"]].assign(split=side)
    split.to_parquet(root / "splits" / "tiny.parquet")
    write_json(
        root / "splits" / "tiny.json",
        {"classes": list(CLASSES), "protocol": "person_70_10_20", "seed": 0},
    )
    return open_stored("tiny", root)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return make_stored(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def params() -> Params:
    """The demo study, cut down to seconds."""
    params = load_params(PROJECT / "studies" / "demo.yaml")
    small = {"epochs": 3, "batch_size": 4, "augment": "light", "warmup_epochs": 0}
    sizes = {"p1_cpu": (16, 18), "p0_cpu": (32, 32)}
    recipes = {
        name: dataclasses.replace(
            recipe, **small, input_px=sizes[name][0], resize_px=sizes[name][1]
        )
        for name, recipe in params.recipes.items()
    }
    train = dataclasses.replace(params.train, accelerator="cpu", progress=False)
    return dataclasses.replace(params, recipes=recipes, train=train)
