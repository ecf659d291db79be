"""Images of val and test that train holds again: as a copy, a near copy, a person, a sequence.

Near copies have perceptual hashes that differ in few bits. That misses mirrored and shifted copies,
and at small sizes it now and then takes two persons in one pose for one picture: the count is an
estimate. Flat images look like each other and like nothing else, so they are nobody's near copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ferbench.config.params import Audit
from ferbench.data.leakage.perceptual_hash import near_pairs

__all__ = ["Leaks", "find_leaks"]

Rows = NDArray[np.int64]

# What leaks, and the column that two images then have in common.
_SHARED = {"exact": "pixels", "person": "person", "sequence": "sequence"}
_KINDS = ("exact", "near", "person", "sequence")


@dataclass(frozen=True)
class Leaks:
    """What a split leaks.

    Args:
        table: rows of `leaks.parquet`, sorted by image: image_id, split; exact, near, person,
            sequence, whether an image of train shares it (False in train itself); flat; leaked,
            any of the four.
        summary: by kind, val_images and test_images that leak, the latter's share, and in how many
            groups (what both sides share) or pairs of train and test. pairs_of_other_persons are
            near, but their known persons differ: mistakes of the hash. Null where nothing is known
            of persons or sequences.
    """

    table: pd.DataFrame
    summary: dict[str, dict[str, Any]]


def find_leaks(images: pd.DataFrame, rules: Audit) -> Leaks:
    """What train shares with val and test.

    Args:
        images: image_id, split, person and sequence (null where unknown), and the columns of
            `looks.look_at`.
        rules: what counts as near and as flat.
    """
    images = images.sort_values("image_id", ignore_index=True)
    train, test = images["split"] == "train", images["split"] == "test"
    table = images[["image_id", "split"]].assign(flat=images["deviation"] < rules.flat_deviation)
    summary: dict[str, dict[str, Any]] = {}
    for kind, column in _SHARED.items():
        value = images[column]
        # isin() would take one unknown person for another.
        table[kind] = ~train & value.notna() & value.isin(value[train].dropna())
        groups = value[test & table[kind]].nunique()
        known = bool(value[train].notna().any() and value[test].notna().any())
        summary[kind] = _summary(table, kind, {"groups": int(groups)}, known=known)
    clear = ~table["flat"]
    tested, trained = _near(images, ~train & clear, train & clear, rules.near_bits)
    table["near"] = images.index.isin(tested)
    of_test = test[tested].to_numpy()
    pairs = _pairs(images["person"], tested[of_test], trained[of_test])
    summary["near"] = _summary(table, "near", pairs, known=True)
    table["leaked"] = table[list(_KINDS)].any(axis=1)
    columns = ["image_id", "split", *_KINDS, "flat", "leaked"]
    return Leaks(table[columns], {kind: summary[kind] for kind in _KINDS})


def _near(images: pd.DataFrame, tested: pd.Series, trained: pd.Series, bits: int) -> list[Rows]:
    """Rows of near pairs: images among those tested, and among those trained on."""
    rows = [np.flatnonzero(tested), np.flatnonzero(trained)]
    look = images["look"].to_numpy()
    pairs = near_pairs(look[rows[0]], look[rows[1]], bits)
    return [rows[side][pairs[:, side]] for side in (0, 1)]


def _pairs(person: pd.Series, tested: Rows, trained: Rows) -> dict[str, int | None]:
    """How many pairs there are, and in how many of them two known persons differ."""
    one, other = person.to_numpy(dtype=object)[tested], person.to_numpy(dtype=object)[trained]
    differ = pd.notna(one) & pd.notna(other) & (one != other)
    known = bool(person.notna().any())
    return {
        "pairs": len(tested),
        "pairs_of_other_persons": int(differ.sum()) if known else None,
    }


def _summary(
    table: pd.DataFrame, kind: str, more: Mapping[str, int | None], *, known: bool
) -> dict[str, Any]:
    side = table["split"]
    counts: dict[str, Any] = {
        "val_images": int(table.loc[side == "val", kind].sum()),
        "test_images": int(table.loc[side == "test", kind].sum()),
        "share": float(table.loc[side == "test", kind].mean()),
        **more,
    }
    return counts if known else dict.fromkeys(counts)
