"""A data set as its authors gave it out: copies across their splits, and what dedup spares a test.

Stage `dedup` keeps one of each and notes the others with their MD5; where an image stood, and whom
it shows, the source says once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ferbench import plugins
from ferbench.artifacts.datasets import SPLITS
from ferbench.data.dedup import resolve
from ferbench.data.sampling import draw_evenly
from ferbench.data.source import Reading, Record
from ferbench.data.split import PROTOCOLS
from ferbench.errors import InputError

__all__ = ["across_splits", "list_released", "read_dropped", "without_dedup"]

Row = dict[str, Any]

# Draws of the protocol that the mean share is taken over.
DRAWS = 10


def read_dropped(path: Path) -> pd.DataFrame:
    """Rows of `dropped.csv`, every cell a text, empty where there is none.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError("missing", where=path, remedy="`dvc repro dedup` makes it")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def list_released(reading: Reading, index: pd.DataFrame, dropped: pd.DataFrame) -> list[Row]:
    """All readable images before dedup: those kept, their copies, and those of conflicting labels.

    Args:
        reading: of the source.
        index: the images kept, as `ferbench.artifacts.index.read_index` gives it.
        dropped: as `read_dropped` gives it.

    Returns:
        Rows with image_id, path, md5, dataset, emotion, person, source_split and faces.
    """
    copies = dropped[dropped["md5"] != ""]
    md5 = dict(zip(index["image_id"], index["md5"], strict=True))
    md5 |= dict(zip(copies["image_id"], copies["md5"], strict=True))
    dataset = index["dataset"].iloc[0]
    return [
        _row(record, md5[record.image_id], dataset)
        for record in reading.records
        if record.image_id in md5
    ]


def _row(record: Record, md5: str, dataset: str) -> Row:
    faces = [{"left": face.left, "top": face.top, "emotion": face.emotion} for face in record.faces]
    return {
        "image_id": record.image_id,
        "path": record.path,
        "md5": md5,
        "dataset": dataset,
        "emotion": record.emotion,
        "person": record.person,
        "source_split": record.source_split,
        "faces": faces or [{"left": 0.0, "top": 0.0, "emotion": record.emotion}],
    }


def across_splits(released: Sequence[Row]) -> list[Row]:
    """Pictures that stand in two of the authors' own splits, as byte-equal files.

    Args:
        released: as `list_released` gives it.

    Returns:
        For every pair of splits that share one: left, right, shared_pictures, images_left,
        images_right (files of those pictures), label_disagreements (of those pictures, those whose
        files on the two sides have more than one label).
    """
    sides = {side: [row for row in released if row["source_split"] == side] for side in SPLITS}
    found = []
    for left, right in combinations(SPLITS, 2):
        shared = {row["md5"] for row in sides[left]} & {row["md5"] for row in sides[right]}
        if not shared:
            continue
        held = {side: [r for r in sides[side] if r["md5"] in shared] for side in (left, right)}
        # What is one label and what two is dedup's to say.
        counts = resolve(held[left] + held[right], "drop_all").counts
        found.append(
            {
                "left": left,
                "right": right,
                "shared_pictures": len(shared),
                "images_left": len(held[left]),
                "images_right": len(held[right]),
                "label_disagreements": counts["conflict_groups"],
            }
        )
    return found


def without_dedup(
    released: Sequence[Row], protocol: str, seed: int, limit: int | None
) -> dict[str, Any]:
    """How many test images had a byte-equal file in train, had the copies stayed in.

    The protocol is drawn on all released images, as stage `split` draws it on those kept: once by
    the split's own seed, and by seeds 0 to `DRAWS` - 1 for a mean that is no matter of luck.

    Args:
        released: as `list_released` gives it.
        protocol: of the split.
        seed: of the split.
        limit: of the row.

    Raises:
        InputError: the protocol cannot split this list, although it can split its deduplicated
            form (a person's picture has a copy in another of the authors' splits, say).
    """
    frame = pd.DataFrame(released).sort_values("image_id", ignore_index=True)
    copied = _copied(frame, protocol, seed, limit)
    shares = [_copied(frame, protocol, other, limit).mean() for other in range(DRAWS)]
    return {
        "test_images": len(copied),
        "test_images_with_copy_in_train": int(copied.sum()),
        "share": float(copied.mean()),
        "draws": DRAWS,
        "mean_share": float(np.mean(shares)),
    }


def _copied(frame: pd.DataFrame, protocol: str, seed: int, limit: int | None) -> pd.Series:
    """Of every image drawn for test, whether train holds an equal one."""
    rng = np.random.default_rng(seed)
    if limit is not None and limit < len(frame):
        frame = draw_evenly(frame, limit, rng)
    split = plugins.load(PROTOCOLS, protocol)(frame, rng)
    return frame.loc[split == "test", "md5"].isin(frame.loc[split == "train", "md5"])
