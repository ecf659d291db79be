"""Paper P4's split of RAF-DB: train as published, the published test halved into val and test.

Source: P4 and its released code (12,271 train; 3,068 test images cut 50/50 by class). A score on
half of the test set is not comparable with one on all of it; `official` is the comparable protocol.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import by_image, require_images, require_sides

__all__ = ["p4_half_test"]

PERSON_DISJOINT = False
LEFT_OUT = "in neither the authors' train nor their test"


def p4_half_test(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image; None for those outside the published train and test.

    Raises:
        InputError: there is no train or no test, or a class has fewer than two test images.
    """
    require_sides(frame, ("train", "test"))
    given = frame["source_split"]
    split = given.astype(object).where(given == "train", None)
    test = frame[given == "test"]
    require_images(test, 2)
    split.loc[test.index] = by_image(test, (0.5, 0.5), rng).map({0: "val", 1: "test"})
    return split
