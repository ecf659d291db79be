"""The honest counterpart of the papers' split: 70/10/20 with no person on two sides.

Source: the shares are the papers'; CK+ was published with a protocol that keeps persons apart
(Lucey et al., CVPR Workshops 2010, leave one subject out).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import by_person, require_persons

__all__ = ["person_70_10_20"]

PERSON_DISJOINT = True
LEFT_OUT = ""


def person_70_10_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image: persons stay together, class and image shares are near 70/10/20.

    Raises:
        InputError: a person is unknown, or a class has fewer than three persons.
    """
    require_persons(frame, 3)
    return by_person(frame, (0.7, 0.1, 0.2), rng).map({0: "train", 1: "val", 2: "test"})
