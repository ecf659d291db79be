"""A data set audited under its protocol: a report, a row an image, a sheet of samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from ferbench.artifacts.datasets import SPLITS
from ferbench.artifacts.index import read_index
from ferbench.artifacts.pack import Pack
from ferbench.config.params import Audit
from ferbench.data.dedup import list_images
from ferbench.data.leakage.leaks import Leaks, find_leaks
from ferbench.data.leakage.perceptual_hash import look_at
from ferbench.data.leakage.released import across_splits, list_released, read_dropped, without_dedup
from ferbench.data.leakage.samples import choose_samples, draw_sheet
from ferbench.data.source import Reading, Source
from ferbench.emotions import BASIC
from ferbench.errors import InputError
from ferbench.files import fresh_folder, read_json, write_json

__all__ = ["Audited", "audit_data_set", "write_audited"]

SIZES = 10
# Why the rules of a source with raters leave out what is no face; its words are in `dropped.csv`.
_NO_FACE = r"^excluded: .*(?:said NF$|call no face$)"


@dataclass(frozen=True)
class Audited:
    """What stage `audit` found.

    Args:
        report: `<dataset>.audit.json`. Sizes and channels are those of the files. `not_faces`
            and `votes` are there only if the data set has raters; agreement is the mean share of
            an image's votes for an emotion that went to its label.
        leaks: `leaks.parquet`, see `leaks.Leaks`.
        samples: `samples.json`: of every class, the images on the sheet.
        sheet: `samples.png`.
    """

    report: dict[str, Any]
    leaks: pd.DataFrame
    samples: list[dict[str, Any]]
    sheet: Image.Image


def audit_data_set(key: str, source: Source, rules: Audit, root: Path = Path("data")) -> Audited:
    """Audit what the data stages left of a data set.

    Where every seed draws a split of its own, the one by the seed of section `split` is audited.

    Args:
        key: of its row.
        source: that reads it.
        rules: what counts as near and as flat.
        root: folder of all data.

    Raises:
        InputError: a file of an earlier stage is missing.
    """
    index = read_index(root / "interim" / key / "index.parquet")
    dropped = read_dropped(root / "interim" / key / "dropped.csv")
    split = pd.read_parquet(root / "splits" / f"{key}.parquet")
    described = read_json(root / "splits" / f"{key}.json")
    pack = Pack(root / "pack" / key)
    shown = index.merge(split[["image_id", "split"]], on="image_id", validate="one_to_one")
    shown = shown.sort_values("image_id", ignore_index=True)
    looks = look_at(pack, shown["image_id"].tolist())
    leaks = find_leaks(shown.merge(looks, on="image_id", validate="one_to_one"), rules)
    samples = choose_samples(split, described["seed"])
    reading = list_images(source, root / "raw" / key)
    report = {
        "protocol": described["protocol"],
        "rules": {"near_bits": rules.near_bits, "flat_deviation": rules.flat_deviation},
        **_leak_counts(leaks),
        **_raters(index, dropped),
        **_before_dedup(reading, index, dropped, described),
        **_forms(shown),
    }
    return Audited(report, leaks.table, samples, draw_sheet(samples, pack))


def _leak_counts(leaks: Leaks) -> dict[str, Any]:
    table = leaks.table
    leaked = table.loc[table["split"] == "test", "leaked"]
    return {
        "images": {side: int((table["split"] == side).sum()) for side in SPLITS},
        "leaks": leaks.summary,
        "leaked_test_images": int(leaked.sum()),
        "clean_test_images": int((~leaked).sum()),
        "flat_images": int(table["flat"].sum()),
    }


def _raters(index: pd.DataFrame, dropped: pd.DataFrame) -> dict[str, Any]:
    """What raters called no face, and how far they agree on the rest; nothing without raters."""
    rated = index[index["votes"].notna()]
    if rated.empty:
        return {}
    shares = [
        votes[BASIC.index(emotion)] / sum(votes)
        for votes, emotion in zip(rated["votes"], rated["emotion"], strict=True)
    ]
    return {
        "not_faces": int(dropped["reason"].str.contains(_NO_FACE).sum()),
        "votes": {"images": len(rated), "agreement": sum(shares) / len(shares)},
    }


def _before_dedup(
    reading: Reading, index: pd.DataFrame, dropped: pd.DataFrame, described: dict[str, Any]
) -> dict[str, Any]:
    released = list_released(reading, index, dropped)
    found: dict[str, Any] = {"as_released": across_splits(released)}
    rules = (described["protocol"], described["seed"], described["limit"])
    try:
        found["without_dedup"] = without_dedup(released, *rules)
    except InputError as error:
        found |= {"without_dedup": None, "without_dedup_skipped": error.what}
    return found


def _forms(shown: pd.DataFrame) -> dict[str, Any]:
    """The most frequent sizes of the files, and how many are grey."""
    sizes = shown.groupby(["width", "height"]).size().reset_index(name="images")
    sizes = sizes.sort_values(["images", "width", "height"], ascending=[False, True, True])
    grey = int((shown["channels"] == 1).sum())
    return {
        "sizes": [
            {name: int(value) for name, value in row.items()}
            for row in sizes.head(SIZES).to_dict("records")
        ],
        "channels": {"grey": grey, "colour": len(shown) - grey},
    }


def write_audited(audited: Audited, folder: Path, report: Path) -> None:
    """Write leaks.parquet, samples.png and samples.json into `folder`, and the report."""
    with fresh_folder(folder) as place:
        audited.leaks.to_parquet(place / "leaks.parquet", index=False)
        audited.sheet.save(place / "samples.png")
        write_json(place / "samples.json", {"rows": audited.samples})
    write_json(report, audited.report)
