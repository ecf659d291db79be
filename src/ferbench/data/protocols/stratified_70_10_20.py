"""The papers' split: 70 % train, 10 % val, 20 % test, image by image, by class.

Source: P0 ("70/10/20"). Frames of one video sequence, and pictures of one person, fall on several
sides; read its results against the floor and beside `person_70_10_20`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import by_image, require_images

__all__ = ["stratified_70_10_20"]

PERSON_DISJOINT = False
LEFT_OUT = ""


def stratified_70_10_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image, stratified by emotion.

    Raises:
        InputError: a class has fewer than three images.
    """
    require_images(frame, 3)
    return by_image(frame, (0.7, 0.1, 0.2), rng).map({0: "train", 1: "val", 2: "test"})
