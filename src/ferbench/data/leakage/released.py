"""A data set as released: copies across its authors' splits, and what deduplication removes.

The index holds every readable image of the release, kept or dropped, with its MD5, label and split.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.artifacts.datasets import SPLITS
from ferbench.artifacts.index import image_label
from ferbench.data.sampling import draw_evenly
from ferbench.data.split import PROTOCOLS
from ferbench.errors import InputError

__all__ = ["across_splits", "readable", "without_dedup"]

# Draws of the protocol that the mean share is taken over.
DRAWS = 10


def readable(index: pd.DataFrame) -> pd.DataFrame:
    """All readable images of a release: kept images, their copies, and conflicting ones.

    Args:
        index: with the dropped images, as `read_index` returns it.
    """
    return index[index["md5"].notna()].reset_index(drop=True)


def across_splits(released: pd.DataFrame) -> list[dict[str, Any]]:
    """Pictures that are in two of the authors' own splits, as byte-equal files.

    Args:
        released: as `readable` returns it.

    Returns:
        For every pair of splits that share one: left, right, shared_pictures, images_left,
        images_right (files of those pictures), label_disagreements (number of those pictures whose
        files have more than one label).
    """
    released = released.assign(label=["+".join(image_label(faces)) for faces in released["faces"]])
    found = []
    for names in combinations(SPLITS, 2):
        left, right = (released[released["source_split"] == name] for name in names)
        shared = set(left["md5"]) & set(right["md5"])
        if not shared:
            continue
        left, right = (images[images["md5"].isin(shared)] for images in (left, right))
        labels = pd.concat([left, right]).groupby("md5")["label"].nunique()
        found.append(
            {
                "left": names[0],
                "right": names[1],
                "shared_pictures": len(shared),
                "images_left": len(left),
                "images_right": len(right),
                "label_disagreements": int((labels > 1).sum()),
            }
        )
    return found


def without_dedup(
    released: pd.DataFrame, protocol: str, seed: int, limit: int | None
) -> dict[str, Any]:
    """Number of test images that would have a byte-equal file in train without deduplication.

    The protocol splits all released images as stage `split` splits the kept ones: once by the seed
    of the split, and by seeds 0 to `DRAWS` - 1 for a mean.

    Args:
        released: as `readable` returns it.
        protocol: of the split.
        seed: of the split.
        limit: of the row.

    Returns:
        Counts and shares; null with the reason in `skipped` if the protocol refuses the copies, for
        example because a person then is in two of the authors' splits.
    """
    frame = released.sort_values("image_id", ignore_index=True)
    try:
        copied = _copied(frame, protocol, seed, limit)
        shares = [_copied(frame, protocol, other, limit).mean() for other in range(DRAWS)]
    except InputError as error:
        return {"without_dedup": None, "without_dedup_skipped": error.what}
    return {
        "without_dedup": {
            "test_images": len(copied),
            "test_images_with_copy_in_train": int(copied.sum()),
            "share": float(copied.mean()),
            "draws": DRAWS,
            "mean_share": float(np.mean(shares)),
        }
    }


def _copied(frame: pd.DataFrame, protocol: str, seed: int, limit: int | None) -> pd.Series:
    """Whether train has an equal image, for every image drawn for test."""
    rng = np.random.default_rng(seed)
    if limit is not None and limit < len(frame):
        frame = draw_evenly(frame, limit, rng)
    split = plugins.load(PROTOCOLS, protocol)(frame, rng)
    return frame.loc[split == "test", "md5"].isin(frame.loc[split == "train", "md5"])
