"""What networks are shown in training: sixteen augmented samples of every recipe, as one picture.

Samples are drawn by the loaders that training uses, from embedded synthetic faces; annotated boxes
are drawn over a detector's. Beside P0's recipe stand sixteen samples of the library's own pipeline
with the same settings.

    python benchmarks/augmentation_grids.py --folder /tmp/grids

Writes docs/pages/pictures/augmentation.jpg.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from synthetic_data import make_data  # beside this script

from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.catalogue import Catalogue
from ferbench.config.params import Recipe
from ferbench.config.records import build_record
from ferbench.data.dataset import PackedDataset
from ferbench.data.loaders import FaceDataset, SceneDataset

PROJECT = Path(__file__).parents[1]
TILE_PX = 96
COUNT = 16
CROPS = {"form": "crops", "persons": 40, "images_per_person": 7, "min_intensity": 1.0}
SCENES = {"form": "scenes", "persons": 40, "images_per_person": 4, "min_intensity": 1.0}
DETECTORS = ("p0_paper", "p2_cpu", "p3_cpu", "p3_large_cpu")
CLASSIFIERS = ("p0_classify_cpu", "p1_paper", "p1_cpu", "p4_cpu")

Picture = NDArray[np.uint8]


def recipe_of(name: str) -> Recipe:
    """A recipe of the catalogue."""
    return build_record(Recipe, Catalogue(PROJECT / "params.yaml").recipes[name], where=name)


def tile(image: Any, boxes: Any = ()) -> Picture:
    """A sample (C, H, W) with its boxes (M, 4), cx cy w h fractions, as a square of `TILE_PX`."""
    picture = np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    picture = cv2.resize(picture, (TILE_PX, TILE_PX), interpolation=cv2.INTER_NEAREST)
    for cx, cy, w, h in np.asarray(boxes, float).reshape(-1, 4) * TILE_PX:
        near = round(cx - w / 2), round(cy - h / 2)
        far = round(cx + w / 2) - 1, round(cy + h / 2) - 1
        cv2.rectangle(picture, near, far, (255, 210, 0), 1)
    return picture.astype(np.uint8)


def by_ours(data: PackedDataset, recipe: Recipe, *, detects: bool) -> list[Picture]:
    """Samples of the first epoch, as training draws them."""
    faces = data.faces("train")
    if detects:
        scenes = SceneDataset(data.pack, faces, recipe, seed=0)
        drawn = [scenes[0, index] for index in range(COUNT)]
        return [tile(image, boxes) for image, boxes, _, _ in drawn]
    dataset = FaceDataset(data.pack, faces, recipe, seed=0)
    images = [dataset[0, index][0] for index in range(COUNT)]
    # Of ten crops one is shown for each face.
    return [tile(image if image.ndim == 3 else image[i % 10]) for i, image in enumerate(images)]


def by_library(root: Path, name: str, recipe: Recipe) -> list[Picture]:
    """Samples of the library's training pipeline with a recipe's settings."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset
    from ultralytics.utils import DEFAULT_CFG

    settings = {
        **{"mosaic": recipe.mosaic, "scale": recipe.scale_gain, "translate": 0.1, "fliplr": 0.5},
        **{"hsv_h": 0.015, "hsv_s": 0.7, "hsv_v": 0.4},
    }
    folder = DatasetPaths(name, root).yolo / "images" / "train"
    theirs = YOLODataset(
        img_path=str(folder),
        data={"names": dict(enumerate("abcdefgh")), "channels": 3},
        imgsz=recipe.input_px,
        augment=True,
        hyp=get_cfg(DEFAULT_CFG, settings),
    )
    random.seed(0)
    np.random.seed(0)
    drawn = [theirs[index] for index in range(COUNT)]
    return [tile(sample["img"].numpy(), sample["bboxes"].numpy()) for sample in drawn]


def panel(title: str, tiles: list[Picture]) -> Picture:
    """Sixteen tiles, four by four, under a title."""
    spaced = [
        cv2.copyMakeBorder(t, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=(255,) * 3) for t in tiles
    ]
    grid = np.vstack([np.hstack(spaced[row : row + 4]) for row in range(0, COUNT, 4)])
    head = np.full((26, grid.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (4, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.pad(np.vstack([head, grid]), ((4, 4), (6, 6), (0, 0)), constant_values=255)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), required=True)
    folder = parser.parse_args().folder
    crops = make_data(folder / "crops", CROPS)
    scenes = make_data(folder / "scenes", SCENES)
    p0 = recipe_of("p0_paper")
    panels = [
        panel("p0_paper", by_ours(crops, p0, detects=True)),
        panel("p0_paper, by ultralytics", by_library(folder / "crops", "synthetic", p0)),
    ]
    for name in DETECTORS[1:]:
        panels.append(panel(f"{name}, scenes", by_ours(scenes, recipe_of(name), detects=True)))
    for name in CLASSIFIERS:
        panels.append(panel(name, by_ours(crops, recipe_of(name), detects=False)))
    blank = np.full_like(panels[0], 255)
    rows = [panels[i : i + 3] for i in range(0, len(panels), 3)]
    picture = np.vstack([np.hstack(row + [blank] * (3 - len(row))) for row in rows])
    cv2.imwrite(
        str(PROJECT / "docs" / "pages" / "pictures" / "augmentation.jpg"), picture[:, :, ::-1]
    )


if __name__ == "__main__":
    main()
