"""The index of a data set: one row per image that it lists, kept or dropped.

Stage `dedup` writes it, and all later stages read it. `read_index` returns the kept images.

| column | meaning |
|---|---|
| image_id | unique in the data set, safe as a file name: letters, digits, `_`, `.` |
| path | of the image, relative to the data set's raw folder, with `/` |
| md5 | of the file's bytes |
| dataset | name of the data set |
| emotion | label of the image: that of its first face |
| person | who is shown, if known |
| sequence | the video sequence the image is a frame of, if known |
| source_split | split assigned by the data set's authors: train, val, test, or none |
| width, height, channels | of the decoded image, in pixels |
| faces | list of {left, top, right, bottom, emotion}, xyxy boxes in pixels, inside the image |
| votes | number of raters per emotion in the order of `emotions.BASIC`, where raters are known |
| dropped_reason | null for kept images, else one of `DROPPED` |
| detail | why it was dropped, in words; of a kept image, faces that were left out |
| duplicate_of | image_id of the copy that was kept |

Boxes are in pixels, not fractions: the boxes of training are computed from them, and rounding them
twice would change their last bits. Images dropped as `excluded`, `no_face` or `quarantined` have no
md5, size or faces; a row for an unreadable line of a label file has no image_id either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ferbench.errors import InputError
from ferbench.files import whole_file

__all__ = ["DROPPED", "FACE", "SCHEMA", "image_label", "read_index", "write_index"]

# A copy of a kept image; equal images with different labels; left out by the data set's own rules;
# called no face by its raters; unusable.
DROPPED = ("duplicate", "conflict", "excluded", "no_face", "quarantined")
_OF_DROPPED = ["dropped_reason", "detail", "duplicate_of"]

FACE = pa.struct(
    [
        ("left", pa.float64()),
        ("top", pa.float64()),
        ("right", pa.float64()),
        ("bottom", pa.float64()),
        ("emotion", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("path", pa.string()),
        ("md5", pa.string()),
        ("dataset", pa.string()),
        ("emotion", pa.string()),
        ("person", pa.string()),
        ("sequence", pa.string()),
        ("source_split", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("channels", pa.int8()),
        ("faces", pa.list_(FACE)),
        ("votes", pa.list_(pa.int16())),
        *((name, pa.string()) for name in _OF_DROPPED),
    ]
)


def write_index(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write index rows as parquet, sorted by `image_id`, so that equal rows give equal bytes.

    Args:
        path: of the file.
        rows: columns that a row lacks are null.

    Raises:
        ValueError: two rows share an `image_id`, or a `dropped_reason` is unknown.
    """
    ordered = sorted(
        rows, key=lambda r: (r.get("image_id") or "", r["path"], r.get("dropped_reason") or "")
    )
    ids = [row["image_id"] for row in ordered if row.get("image_id") is not None]
    for first, second in pairwise(ids):
        if first == second:
            raise ValueError(f"two images have the id {first!r}")
    if unknown := {row.get("dropped_reason") for row in ordered} - {None, *DROPPED}:
        raise ValueError(f"unknown dropped_reason: {unknown}")
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(ordered, schema=SCHEMA), temporary)


def read_index(path: Path, *, dropped: bool = False) -> pd.DataFrame:
    """The index as a data frame; `faces` holds lists of dicts.

    Args:
        path: of the file.
        dropped: return the dropped images too, and the columns that say why; otherwise only the
            kept images, without these columns.

    Raises:
        InputError: there is no index.
    """
    if not path.is_file():
        raise InputError("missing", where=path, remedy="run stage dedup first (`dvc repro dedup`)")
    table = pq.read_table(path, schema=SCHEMA)
    if not dropped:
        table = table.filter(pc.is_null(table["dropped_reason"])).drop_columns(_OF_DROPPED)
    frame = table.drop_columns(["faces", "votes"]).to_pandas()
    place = SCHEMA.names.index("faces")
    for offset, column in enumerate(("faces", "votes")):
        frame.insert(place + offset, column, table[column].to_pylist())
    return frame


def image_label(faces: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Emotions of an image's faces from left to right, repeated ones merged.

    Equal images with different labels are a conflict. Annotators may outline a face twice, or only
    some of several faces with one emotion; neither makes another label.

    >>> image_label([{"left": 9, "top": 0, "emotion": "fear"}] * 2)
    ('fear',)
    """
    ordered = sorted(faces, key=lambda face: (face["left"], face["top"]))
    return tuple(emotion for emotion, _ in groupby(face["emotion"] for face in ordered))
