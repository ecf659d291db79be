"""`results.csv`: its columns, how values are stored, and how they are read back exactly.

The file has `DECIMALS` decimals. A share of n faces, such as 1/3, is therefore not what was
computed: read as it stands it may be above or below the same share in another file. It is restored
on reading, from the number of faces in the same file, so that equal counts of correct faces compare
as equal.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.errors import InputError

__all__ = ["COLUMNS", "DECIMALS", "FACES", "exact_share", "exceeds", "read_results"]

_RUN = ["study", "dataset", "protocol", "variant", "seed", "subset"]
# `robustness` is a row of `robustness` in params.yaml and `condition` one of its conditions, or
# `mean` (over them) or `plain` (the drawn faces, unaltered); both are empty for other subsets.
COLUMNS = [*_RUN, "metric", "value", "robustness", "condition"]
# Of every value in the file.
DECIMALS = 6
# Row with the number of faces that the other metrics of a run on a subset are measured on.
FACES = "faces"
# Sums and means of exact shares differ by rounding of floats, which is far below one face.
_TOLERANCE = 1e-9


def read_results(path: Path) -> pd.DataFrame:
    """Rows of a `results.csv`, with exact shares of faces.

    Raises:
        InputError: there is no such file, or its columns are others.
    """
    remedy = "`dvc repro score` computes them"
    if not path.is_file():
        raise InputError("no results", where=path, remedy=remedy)
    table = pd.read_csv(path, dtype={"robustness": "str", "condition": "str"})
    if list(table.columns) != COLUMNS:
        raise InputError(
            f"columns are {list(table.columns)}, not {COLUMNS}", where=path, remedy=remedy
        )
    table = table.fillna({"robustness": "", "condition": ""})
    faces = table[table["metric"] == FACES].set_index(_RUN)["value"].rename("faces")
    counted = table.join(faces, on=_RUN)["faces"].to_numpy(float, na_value=np.nan)
    return table.assign(value=exact_share(table["value"].to_numpy(float), counted))


def exact_share(
    value: NDArray[np.float64] | float, faces: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Values with k / faces in place of what is k / faces to `DECIMALS` decimals.

    All other values stay as they are. A metric that is no share of faces changes by no more than it
    was rounded by, so metrics need not be distinguished.

    Args:
        value: as stored.
        faces: they were measured on; NaN where that is not known.

    >>> float(exact_share(0.333333, 3.0)) == 1 / 3
    True
    >>> float(exact_share(0.4, 3.0))
    0.4
    """
    stored, n = np.asarray(value, dtype=float), np.asarray(faces, dtype=float)
    share = np.divide(np.rint(stored * n), n, out=stored.copy(), where=n > 0)
    return np.where(np.round(share, DECIMALS) == np.round(stored, DECIMALS), share, stored)


def exceeds(value: float, reference: float) -> bool:
    """Whether a value is above a reference by more than rounding of floats; false for NaN.

    >>> exceeds((0.1 + 0.1 + 0.1) / 3, 0.1), exceeds(0.2, 0.1)
    (False, True)
    """
    return value - reference > _TOLERANCE
