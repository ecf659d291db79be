"""Embedded faces for benchmarks, as the data stages leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.data.dedup import deduplicate, list_images, write_cleaned
from ferbench.data.ingest.fetch import fetch
from ferbench.data.pack import pack_images
from ferbench.data.split import draw_split
from ferbench.data.yolo_labels import write_yolo
from ferbench.plugins import load

__all__ = ["NAME", "make_data"]

NAME = "synthetic"


def make_data(
    root: Path, options: Mapping[str, Any], emotions: Sequence[str] | None = None
) -> PackedDataset:
    """Synthetic faces, split by person, in our form and in the library's; made once.

    Args:
        root: folder that takes the place of the project's root.
        options: of the source `synthetic`.
        emotions: that are kept; None keeps all.
    """
    paths = DatasetPaths(NAME, root)
    raw, clean = paths.raw, paths.interim
    if not paths.yolo.is_dir():
        source = load("ferbench.data.sources", "synthetic")({**options, "seed": 0})
        fetch(source, "synthetic", None, raw)
        cleaned = deduplicate(list_images(source, raw), raw, NAME, "drop_all", 16)
        write_cleaned(clean, cleaned, source.metadata, {})
        index = read_index(clean / "index.parquet")
        if emotions is not None:
            index = index[index["emotion"].isin(emotions)].reset_index(drop=True)
        split, summary = draw_split(index, "person_70_10_20", 0, None)
        write_split(paths, split, summary)
        pack_images(index, raw, paths.pack, None)
        write_yolo(index, split, summary.classes, raw, paths.yolo)
    return open_dataset(NAME, 0, root)
