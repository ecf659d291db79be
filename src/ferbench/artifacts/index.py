"""The index: the first narrow waist, one row per image of a data set.

Everything before it makes it, everything after reads only it. Its columns:

| column | meaning |
|---|---|
| image_id | unique in the data set, safe as a file name: letters, digits, `_`, `.` |
| path | of the image, relative to the data set's raw folder, with `/` |
| md5 | of the file's bytes |
| dataset | name of the data set |
| emotion | the image's label: that of its first face |
| person | who is shown, if known |
| sequence | the video sequence the image is a frame of, if known |
| source_split | the split the data set's authors put it in: train, val, test, or none |
| width, height, channels | of the decoded image, in pixels |
| faces | list of {left, top, right, bottom, emotion}, boxes in pixels, inside the image |
| votes | number of raters per emotion in the order of `emotions.BASIC`, where raters are known |
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ferbench.files import whole_file

__all__ = ["FACE", "SCHEMA", "read_index", "write_index"]

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
    ]
)


def write_index(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write index rows as parquet, sorted by `image_id`, so that equal rows give equal bytes.

    Raises:
        ValueError: two rows share an `image_id`.
    """
    ordered = sorted(rows, key=lambda row: row["image_id"])
    for first, second in pairwise(ordered):
        if first["image_id"] == second["image_id"]:
            raise ValueError(f"two images have the id {first['image_id']!r}")
    with whole_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(ordered, schema=SCHEMA), temporary)


def read_index(path: Path) -> pd.DataFrame:
    """The index as a data frame with the columns of `SCHEMA`; `faces` holds lists of dicts."""
    table = pq.read_table(path, schema=SCHEMA)
    frame = table.drop_columns(["faces", "votes"]).to_pandas()
    frame["faces"] = table["faces"].to_pylist()
    frame["votes"] = table["votes"].to_pylist()
    return frame
