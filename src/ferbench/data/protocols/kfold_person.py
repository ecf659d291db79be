"""One turn of ten-fold cross-validation by person: fold 0 is test, fold 1 val, the others train.

Source: the field's customary form of the leave-one-subject-out protocol of CK+ (Lucey et al., CVPR
Workshops 2010). Another seed draws other folds; `ferbench.data.split.folds` gives all ten.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.split import folds, require_persons

__all__ = ["kfold_person"]

PERSON_DISJOINT = True
LEFT_OUT = ""
FOLDS = 10


def kfold_person(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split of every image: persons stay together, each fold is a tenth of every class.

    Raises:
        InputError: a person is unknown, or a class has fewer than ten persons.
    """
    require_persons(frame, FOLDS)
    return folds(frame, FOLDS, rng).map(lambda fold: {0: "test", 1: "val"}.get(fold, "train"))
