"""The leak audit of a data set: a report, a table with a row per image, and a sheet of samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ferbench.artifacts.datasets import SPLITS, read_split, read_split_summary
from ferbench.artifacts.index import read_index
from ferbench.artifacts.pack import Pack
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Audit
from ferbench.data.leakage.leaks import Leaks, find_leaks, hash_images, to_image
from ferbench.data.leakage.released import across_splits, readable, without_dedup
from ferbench.emotions import BASIC, in_order
from ferbench.files import fresh_folder, write_json

__all__ = ["Audited", "audit_dataset", "choose_samples", "draw_sheet", "write_audited"]

SIZES = 10
COLUMNS = 8
TILE_PX, GAP_PX, TEXT_PX, FONT_PX = 96, 4, 176, 15


@dataclass(frozen=True)
class Audited:
    """Results of stage `audit`.

    Args:
        report: `<dataset>.audit.json`. Sizes and channels are those of the files. `not_faces`
            and `votes` exist only if the data set has raters; agreement is the mean share of an
            image's votes for emotions that its label got.
        leaks: `leaks.parquet`, see `leaks.Leaks`.
        samples: `samples.json`: the images on the sheet, by class.
        sheet: `samples.png`.
    """

    report: dict[str, Any]
    leaks: pd.DataFrame
    samples: list[dict[str, Any]]
    sheet: Image.Image


def audit_dataset(paths: DatasetPaths, rules: Audit) -> Audited:
    """Audit a data set under its protocol.

    Where every seed has its own split, the one by the seed of section `split` is audited.

    Args:
        paths: of the data set.
        rules: thresholds for near copies and flat images.

    Raises:
        InputError: a file of an earlier stage is missing.
    """
    index = read_index(paths.index, dropped=True)
    split = read_split(paths)
    summary = read_split_summary(paths)
    pack = Pack(paths.pack)
    kept = index[index["dropped_reason"].isna()]
    images = kept.merge(split[["image_id", "split"]], on="image_id", validate="one_to_one")
    images = images.sort_values("image_id", ignore_index=True)
    hashes = hash_images(pack, images["image_id"].tolist())
    leaks = find_leaks(images.merge(hashes, on="image_id", validate="one_to_one"), rules)
    samples = choose_samples(split, summary.seed)
    released = readable(index)
    report = {
        "protocol": summary.protocol,
        "rules": {"near_bits": rules.near_bits, "flat_deviation": rules.flat_deviation},
        **_leak_counts(leaks),
        **_raters(index),
        "as_released": across_splits(released),
        **without_dedup(released, summary.protocol, summary.seed, summary.limit),
        **_forms(images),
    }
    return Audited(report, leaks.table, samples, draw_sheet(samples, pack))


def _leak_counts(leaks: Leaks) -> dict[str, Any]:
    table = leaks.table
    leaked = table.loc[table["split"] == "test", "leaked"]
    return {
        "images": {split: int((table["split"] == split).sum()) for split in SPLITS},
        "leaks": leaks.summary,
        "leaked_test_images": int(leaked.sum()),
        "clean_test_images": int((~leaked).sum()),
        "flat_images": int(table["flat"].sum()),
    }


def _raters(index: pd.DataFrame) -> dict[str, Any]:
    """Number of images called no face, and agreement on the kept ones; empty without raters."""
    rated = index[index["dropped_reason"].isna() & index["votes"].notna()]
    if rated.empty:
        return {}
    shares = [
        votes[BASIC.index(emotion)] / sum(votes)
        for votes, emotion in zip(rated["votes"], rated["emotion"], strict=True)
    ]
    return {
        "not_faces": int((index["dropped_reason"] == "no_face").sum()),
        "votes": {"images": len(rated), "agreement": sum(shares) / len(shares)},
    }


def _forms(images: pd.DataFrame) -> dict[str, Any]:
    """The most frequent sizes of the files, and the number of grey ones."""
    sizes = images.groupby(["width", "height"]).size().reset_index(name="images")
    sizes = sizes.sort_values(["images", "width", "height"], ascending=[False, True, True])
    grey = int((images["channels"] == 1).sum())
    return {
        "sizes": [
            {name: int(value) for name, value in row.items()}
            for row in sizes.head(SIZES).to_dict("records")
        ],
        "channels": {"grey": grey, "colour": len(images) - grey},
    }


def choose_samples(split: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """At most `COLUMNS` training images of every class, drawn at random.

    Args:
        split: image_id, split and emotion; the order of rows does not matter.
        seed: of the draw.

    Returns:
        For every class in canonical order, emotion and images, sorted.
    """
    rng = np.random.default_rng(seed)
    train = split[split["split"] == "train"].sort_values("image_id")
    rows = []
    for emotion in in_order(train["emotion"]):
        images = train.loc[train["emotion"] == emotion, "image_id"].to_numpy(dtype=object)
        chosen = sorted(rng.permutation(images)[:COLUMNS])
        rows.append({"emotion": emotion, "images": chosen})
    return rows


def draw_sheet(rows: list[dict[str, Any]], pack: Pack) -> Image.Image:
    """The samples side by side, a row per class with its name to the left.

    Args:
        rows: as `choose_samples` returns them.
        pack: the images.
    """
    step = TILE_PX + GAP_PX
    size = (TEXT_PX + COLUMNS * step + GAP_PX, len(rows) * step + GAP_PX)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=FONT_PX)
    for line, row in enumerate(rows):
        top = GAP_PX + line * step
        words = row["emotion"].replace("_", " ")
        pen.text((2 * GAP_PX, top + TILE_PX / 2), words, fill="black", font=font, anchor="lm")
        for column, image_id in enumerate(row["images"]):
            image = to_image(pack.image(image_id)).convert("RGB")
            tile = ImageOps.pad(image, (TILE_PX, TILE_PX), color="white")
            sheet.paste(tile, (TEXT_PX + column * step, top))
    return sheet


def write_audited(audited: Audited, paths: DatasetPaths) -> None:
    """Write leaks.parquet, samples.png, samples.json and the report."""
    with fresh_folder(paths.audit) as folder:
        audited.leaks.to_parquet(folder / "leaks.parquet", index=False)
        audited.sheet.save(folder / "samples.png")
        write_json(folder / "samples.json", {"rows": audited.samples})
    write_json(paths.audit_report, audited.report)
