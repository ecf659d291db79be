"""What predictions are judged by: the test part of a data set, its labels, leaks and baselines.

It is read from the files of a checkout that has the data set, or made from the data itself.

Somebody else's model was trained on the data as released. Under the authors' own split a test image
is therefore leaked if their train, copies included, holds an equal image, a near copy, its person
or its sequence; under a split that ferbench draws, if train of that split does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench import plugins
from ferbench.artifacts.baselines import baselines_of_seeds
from ferbench.artifacts.datasets import (
    Baselines,
    SplitSummary,
    boxes_of,
    read_baselines,
    read_split,
    read_split_summary,
    split_column,
)
from ferbench.artifacts.index import read_index, write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Audit
from ferbench.data.dedup import deduplicate
from ferbench.data.leakage.leaks import find_leaks
from ferbench.data.leakage.released import readable
from ferbench.data.split import PROTOCOLS, draw_split
from ferbench.errors import InputError, unknown
from ferbench.external.naive import NamedSplit, naive_baselines, sample_faces
from ferbench.external.opening import SOURCES, Form, Opened, open_data
from ferbench.external.pixels import read_pixels
from ferbench.files import whole_file

__all__ = ["Truth", "truth_of_checkout", "truth_of_data"]

_RULES = Audit(near_bits=4, flat_deviation=4.0)  # of studies/defaults.yaml
_MIN_SIDE_PX = 16
_ANY_FORM = "folder"  # the data set of one's own: a folder per class, or a list


@dataclass(frozen=True, eq=False)
class Truth:
    """A data set as predictions on it are judged.

    Args:
        dataset: its name in tables.
        protocol: that split it.
        summary: of the split.
        index: all images, kept and dropped, see `ferbench.artifacts.index`.
        split: image_id and split; where every seed has a split of its own, a column for each.
        leaked: by image id of test; None where it is not known.
        baselines: accuracy on test of the naive baselines, by name; empty where not known.
        origin: where all this is from, in words.
        measured: the baselines of a checkout, for seeds with splits of their own.
    """

    dataset: str
    protocol: str
    summary: SplitSummary
    index: pd.DataFrame
    split: pd.DataFrame
    leaked: pd.Series | None
    baselines: dict[str, float]
    origin: str
    measured: Baselines | None = None

    @property
    def classes(self) -> list[str]:
        """The classes, in canonical order."""
        return self.summary.classes

    @property
    def test_share(self) -> float:
        """Test images divided by training images."""
        return self.summary.images["test"] / self.summary.images["train"]

    def faces(self, seed: int) -> pd.DataFrame:
        """image_id, face, target, person and sequence of the test faces of a seed.

        Raises:
            InputError: every seed has a split of its own, and this one has none.
        """
        column = split_column(seed) if self.summary.redrawn else "split"
        if column not in self.split:
            columns = map(str, self.split.columns)
            known = [name.rpartition("_")[2] for name in columns if name.startswith("split_")]
            raise unknown("seed", seed, known, where=f"{self.dataset}, split anew by every seed")
        images = self.split.loc[self.split[column] == "test", "image_id"]
        own = self.index[self.index["image_id"].isin(images)]
        faces = boxes_of(own, self.classes)[["image_id", "face", "emotion"]]
        owners = own.set_index("image_id")[["person", "sequence"]]
        return faces.rename(columns={"emotion": "target"}).join(owners, on="image_id")

    def write_split(self, path: Path) -> None:
        """Write a CSV list of all images of the split: to train by, and to fill in predictions.

        Columns: image_id, path, md5, split (or a column for each seed), label, person.
        """
        columns = [str(name) for name in self.split if str(name).startswith("split")]
        images = self.index[["image_id", "path", "md5", "emotion", "person"]]
        listed = self.split[["image_id", *columns]].merge(images, on="image_id")
        listed = listed.rename(columns={"emotion": "label"})
        with whole_file(path) as temporary:
            order = ["image_id", "path", "md5", *columns, "label", "person"]
            listed[order].to_csv(temporary, index=False, lineterminator="\n")

    def baselines_of(self, seeds: Sequence[int]) -> dict[str, float]:
        """The naive baselines of the splits of some seeds."""
        if self.measured is None:
            return self.baselines
        return baselines_of_seeds(self.measured, self.summary.redrawn, seeds)


def truth_of_checkout(key: str, root: Path) -> Truth | None:
    """What the stages `dedup`, `split`, `audit` and `baselines` wrote; None without a split.

    Args:
        key: of the data set's row.
        root: of the project.
    """
    paths = DatasetPaths(key, root)
    if not (paths.split_summary.is_file() and paths.split.is_file() and paths.index.is_file()):
        return None
    index, summary = read_index(paths.index, dropped=True), read_split_summary(paths)
    split = read_split(paths)
    measured = read_baselines(paths) if paths.baselines.is_file() else None
    return Truth(
        dataset=str(index["dataset"].iloc[0]),
        protocol=summary.protocol,
        summary=summary,
        index=index,
        split=split,
        leaked=_leaked_in_checkout(paths, index, split, summary),
        baselines={},
        origin=f"data/ of this checkout, row {key}",
        measured=measured,
    )


def _leaked_in_checkout(
    paths: DatasetPaths, index: pd.DataFrame, split: pd.DataFrame, summary: SplitSummary
) -> pd.Series | None:
    leaks = paths.audit / "leaks.parquet"
    if summary.redrawn or not leaks.is_file():
        return None
    leaked = pd.read_parquet(leaks).set_index("image_id")["leaked"]
    if _is_official(summary.protocol):
        # The audit describes the images that were kept; the release has their copies in train.
        copies = index.loc[index["source_split"] == "train", "md5"].dropna()
        md5 = index.dropna(subset="image_id").set_index("image_id")["md5"]
        leaked = leaked | leaked.index.to_series().map(md5).isin(copies)
    return leaked[leaked.index.isin(split.loc[split["split"] == "test", "image_id"])]


def truth_of_data(
    path: Path, dataset: str, protocol: str | None = None, seed: int = 0, name: str | None = None
) -> Truth:
    """The same, made from a folder, list or archive; minutes for 30,000 images.

    Args:
        path: of the data.
        dataset: a part of `ferbench.data.sources`; `folder` for data of one's own in any form.
        protocol: a part of `ferbench.data.protocols`; None for the authors' split, else by person,
            else by image.
        seed: of the draw.
        name: of the data set in tables; `dataset` if None.

    Raises:
        InputError: the data cannot be read, or not be split by the protocol.
    """
    if dataset not in plugins.names(SOURCES):
        raise unknown("data set", dataset, plugins.names(SOURCES))
    form = Form(None if dataset == _ANY_FORM else dataset)
    with open_data(path, form) as opened, tempfile.TemporaryDirectory(prefix="ferbench-") as folder:
        return _made(opened, Path(folder), name or dataset, (protocol, seed), path.resolve().name)


def _made(
    opened: Opened, scratch: Path, name: str, how: tuple[str | None, int], origin: str
) -> Truth:
    cleaned = deduplicate(opened.reading, opened.root, name, "drop_all", _MIN_SIDE_PX)
    write_index(scratch / "index.parquet", cleaned.rows)
    index = read_index(scratch / "index.parquet", dropped=True)
    kept = index[index["dropped_reason"].isna()]
    protocol, seed = how
    split, summary = _drawn(kept, protocol, seed)
    of_image = split.set_index("image_id")["split"]
    named = NamedSplit("test", summary.protocol, of_image)
    released = readable(index)
    boxes = sample_faces(boxes_of(kept, summary.classes), [named])
    hashes, faces = read_pixels(released, opened.root, boxes, scratch)
    placed = released.assign(split=released["image_id"].map(_roles(released, of_image, summary)))
    leaks = find_leaks(placed.dropna(subset="split").merge(hashes, on="image_id"), _RULES).table
    tested = set(of_image.index[of_image == "test"])
    baselines = naive_baselines(faces, named)["test"] or {}
    return Truth(
        dataset=name,
        protocol=summary.protocol,
        summary=summary,
        index=index,
        split=split,
        leaked=leaks[leaks["image_id"].isin(tested)].set_index("image_id")["leaked"],
        baselines={kind: value for kind, value in baselines.items() if kind != "faces"},
        origin=f"{origin}, {summary.protocol}"
        + ("" if _is_official(summary.protocol) else f", seed {seed}"),
    )


def _is_official(protocol: str) -> bool:
    return not plugins.load(PROTOCOLS, protocol).draws_test


def _roles(released: pd.DataFrame, drawn: pd.Series, summary: SplitSummary) -> pd.Series:
    """By image id, the split that somebody who trains on the release takes an image for."""
    roles = released.set_index("image_id")["source_split"].astype(object)
    if not _is_official(summary.protocol):
        return drawn
    # Protocols may halve the authors' test; the half that is not test is val.
    return roles.where(roles == "train", drawn.reindex(roles.index))


def _drawn(kept: pd.DataFrame, protocol: str | None, seed: int) -> tuple[pd.DataFrame, Any]:
    if protocol is not None:
        return draw_split(kept, protocol, seed)
    if {"train", "test"} <= set(kept["source_split"].dropna()):
        try:
            return draw_split(kept, "official", seed)
        except InputError as error:
            if "PublicTest" not in error.what:
                raise
            return draw_split(kept, "official_public", seed)
    known = bool(kept["person"].notna().all()) and len(kept) > 0
    return draw_split(kept, "person_70_10_20" if known else "stratified_70_10_20", seed)
