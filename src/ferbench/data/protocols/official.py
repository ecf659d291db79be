"""The split that the data set's authors give.

Where they give no val, a tenth of train becomes it: whole persons where persons are known, else
image by image, by class. Source: `source_split` of the index.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import by_image, by_person, require_sides, require_whole_persons

__all__ = ["official"]

PERSON_DISJOINT = True
LEFT_OUT = "in none of the authors' splits"


def official(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image as published; None where its authors put it in no split.

    Raises:
        InputError: there is no train or no test, one lacks a class, or a person is in two splits.
    """
    split = frame["source_split"].astype(object)
    require_sides(frame, ("train", "test"))
    require_whole_persons(frame)
    if (split == "val").any():
        require_sides(frame, ("val",))
        return split
    train = frame[split == "train"]
    draw = by_person if train["person"].notna().any() else by_image
    part = draw(train, (0.9, 0.1), rng)
    split.loc[train.index] = part.map({0: "train", 1: "val"})
    return split
