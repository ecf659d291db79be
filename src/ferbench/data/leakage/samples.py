"""A sheet of training images, a row for every class, to see what a network is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ferbench.artifacts.pack import Pack
from ferbench.data.leakage.perceptual_hash import picture
from ferbench.emotions import in_order

__all__ = ["choose_samples", "draw_sheet"]

COLUMNS = 8
CELL_PX, GAP_PX, TEXT_PX, FONT_PX = 96, 4, 176, 15


def choose_samples(split: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    """At most `COLUMNS` training images of every class, drawn at random.

    Args:
        split: image_id, split and emotion; the order of rows has no say.
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
    """The samples side by side, each class with its name to the left.

    Args:
        rows: as `choose_samples` gives them.
        pack: the images.
    """
    step = CELL_PX + GAP_PX
    size = (TEXT_PX + COLUMNS * step + GAP_PX, len(rows) * step + GAP_PX)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=FONT_PX)
    for line, row in enumerate(rows):
        top = GAP_PX + line * step
        words = row["emotion"].replace("_", " ")
        pen.text((2 * GAP_PX, top + CELL_PX / 2), words, fill="black", font=font, anchor="lm")
        for column, image_id in enumerate(row["images"]):
            image = picture(pack.image(image_id)).convert("RGB")
            cell = ImageOps.pad(image, (CELL_PX, CELL_PX), color="white")
            sheet.paste(cell, (TEXT_PX + column * step, top))
    return sheet
