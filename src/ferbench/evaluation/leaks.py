"""Which images of a split the audit found again in train, and who is on them, as stages left it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.errors import InputError

__all__ = ["Images", "images_of", "read_images"]

_AGAIN = "`dvc repro` makes it"


@dataclass(frozen=True, eq=False)
class Images:
    """What is known of a data set's images.

    Args:
        person: by image id, null where unknown.
        leaked: by image id, whether train holds a copy, a near copy, the person or the sequence;
            None where every seed has a split of its own, which the audit does not describe.
        where: the audit's file.
    """

    person: pd.Series
    leaked: pd.Series | None
    where: Path

    def person_of(self, units: Iterable[str]) -> list[str | None]:
        """The person on each labelled face's image."""
        known = self.person.dropna().astype(str).to_dict()
        return [known.get(image) for image in images_of(units, set(self.person.index))]

    def leaked_of(self, units: Iterable[str]) -> NDArray[np.bool_] | None:
        """(N,) whether each labelled face's image is leaked.

        Raises:
            InputError: the audit does not know an image.
        """
        if self.leaked is None:
            return None
        found = self.leaked.reindex(images_of(units, set(self.leaked.index)))
        if found.isna().any():
            raise InputError(
                f"the audit knows no image {found.index[found.isna()][0]}",
                where=self.where,
                remedy="it is of another split; `dvc repro` audits again",
            )
        return found.to_numpy(dtype=bool)


def read_images(root: Path, key: str, *, resplit: bool) -> Images:
    """What `split` and `audit` wrote of a data set's images.

    Args:
        root: the project's folder.
        key: of the data set's row.
        resplit: whether every seed has a split of its own.

    Raises:
        InputError: a file is absent.
    """
    split, audit = root / "data" / "splits" / f"{key}.parquet", root / "data" / "audit" / key
    leaks = audit / "leaks.parquet"
    for path in (split, leaks):
        if not path.is_file():
            raise InputError("missing", where=path, remedy=_AGAIN)
    person = pd.read_parquet(split).set_index("image_id")["person"]
    leaked = None if resplit else pd.read_parquet(leaks).set_index("image_id")["leaked"]
    return Images(person, leaked, leaks)


def images_of(units: Iterable[str], known: set[str]) -> list[str]:
    """The image of each labelled face: its id itself, or what stands before the face's number.

    >>> images_of(["a", "b#0", "c#1"], {"a", "b", "c#1"})
    ['a', 'b', 'c#1']
    """
    return [unit if unit in known else unit.rpartition("#")[0] or unit for unit in units]
