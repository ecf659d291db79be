"""Naive baselines of splits that no stage has made, on a sample of the faces of large data sets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ferbench.artifacts.datasets import SPLITS
from ferbench.data.baselines import FacePixels, naive_accuracies

__all__ = ["NamedSplit", "naive_baselines", "sample_faces"]

_SEED = 0
# A nearest neighbour costs faces times faces.
_MOST_TRAIN, _MOST_TESTED = 30_000, 3_000


class NamedSplit(NamedTuple):
    """A split that baselines are measured on.

    Args:
        name: for people.
        protocol: that drew it; empty for the data's own.
        split: of each image, by its id; no entry for those in none.
    """

    name: str
    protocol: str
    split: pd.Series


def sample_faces(boxes: pd.DataFrame, splits: Iterable[NamedSplit]) -> pd.DataFrame:
    """The faces that baselines need: at most 30,000 of train, and 3,000 each of val and test.

    Args:
        boxes: as `ferbench.artifacts.datasets.boxes_of` gives them.
        splits: that baselines are measured on.
    """
    chosen = pd.Series(False, boxes.index)
    for one in splits:
        split = boxes["image_id"].map(one.split)
        for name in SPLITS:
            most = _MOST_TRAIN if name == "train" else _MOST_TESTED
            own = boxes.index[split == name].to_numpy(copy=True)
            chosen[np.random.default_rng(_SEED).permutation(own)[:most]] = True
    return boxes[chosen]


def naive_baselines(faces: FacePixels, of: NamedSplit) -> dict[str, Any]:
    """Accuracies on test and val, None where there is nothing to compare.

    Args:
        faces: as `ferbench.external.pixels.read_pixels` gives them.
        of: a split of their images.

    Returns:
        train_faces; for test and val `faces`, `nearest_neighbour`,
        `nearest_neighbour_standardised` and `majority_class`.
    """
    split = faces.split_by(of.split)
    train = split == "train"
    found: dict[str, Any] = {"train_faces": int(train.sum())}
    for name in ("test", "val"):
        tested = int((split == name).sum())
        if not train.any() or not tested:
            found[name] = None
            continue
        found[name] = {"faces": tested, **naive_accuracies(faces, split, name)}
    return found
