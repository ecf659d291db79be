"""Paper P1's split of CK+: 60 % train, 20 % val, 20 % test, image by image, by class.

Source: P1 ("6:2:2"). The paper says nothing of persons, so images are drawn whoever they show.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import by_image, require_images

__all__ = ["p1_60_20_20"]

PERSON_DISJOINT = False
LEFT_OUT = ""


def p1_60_20_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image, stratified by emotion.

    Raises:
        InputError: a class has fewer than three images.
    """
    require_images(frame, 3)
    return by_image(frame, (0.6, 0.2, 0.2), rng).map({0: "train", 1: "val", 2: "test"})
