"""What every index promises: Great Expectations of its columns and of some computed from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from great_expectations import expectations as gxe

from ferbench.data.index import SCHEMA
from ferbench.params import Validate

__all__ = ["Promise", "examine", "promises"]

_RERUN = "run stage download, then dedup, again"


@dataclass(frozen=True)
class Promise:
    """One promise.

    Args:
        text: what is promised.
        expectation: the Great Expectations object that tests it.
        remedy: what to do if it is broken.
        example: the column whose values name the offenders.
        critical: a broken promise stops the pipeline; otherwise it is only reported.
    """

    text: str
    expectation: Any
    remedy: str = _RERUN
    example: str = "image_id"
    critical: bool = True


def examine(index: pd.DataFrame, raw: Path, quarantined_share: float) -> pd.DataFrame:
    """The index without lists, with what has to be computed before it can be expected.

    Args:
        index: as `read_index` gives it.
        raw: folder that its paths start from.
        quarantined_share: of the listed images.
    """
    frame = index.drop(columns=["faces", "votes"])
    frame["exists"] = [(raw / path).is_file() for path in index["path"]]
    boxes = zip(index["faces"], index["width"], index["height"], strict=True)
    frame["boxes_inside"] = [_inside(faces, width, height) for faces, width, height in boxes]
    frame["face_emotion"] = ["+".join(sorted({f["emotion"] for f in x})) for x in index["faces"]]
    frame["labels_of_md5"] = frame.groupby("md5")["face_emotion"].transform("nunique")
    frame["images_of_emotion"] = frame.groupby("emotion")["emotion"].transform("size")
    frame["splits_of_person"] = frame.groupby("person")["source_split"].transform("nunique")
    frame["quarantined_share"] = quarantined_share
    return frame


def _inside(faces: Sequence[dict[str, Any]], width: float, height: float) -> bool:
    """Whether there is a face, and every box has an area inside the image."""
    return bool(faces) and all(
        0 <= face["left"] < face["right"] <= width and 0 <= face["top"] < face["bottom"] <= height
        for face in faces
    )


def promises(
    frame: pd.DataFrame, settings: Validate, emotions: Sequence[str], protocol: str
) -> list[Promise]:
    """All promises that a data set must keep.

    Args:
        frame: as `examine` gives it.
        settings: section `validate` of the parameters.
        emotions: the classes that the data set declares.
        protocol: of the row; under `official` the source's own split has to be free of leaks.
    """
    return [
        *_of_the_table(settings),
        *_of_files(settings),
        *_of_labels(settings, emotions),
        *_of_persons(frame, protocol),
    ]


def _of_the_table(settings: Validate) -> list[Promise]:
    known = {"column_set": SCHEMA.names[:-2], "exact_match": False}
    least = settings.min_images
    most = settings.max_quarantined_share
    return [
        Promise("the index has its columns", gxe.ExpectTableColumnsToMatchSet(**known)),
        Promise(
            f"there are at least {least} images",
            gxe.ExpectTableRowCountToBeBetween(min_value=least),
            "check the row's `archive:`, or lower validate.min_images",
        ),
        Promise(
            f"at most {most:.1%} of the listed images are quarantined",
            gxe.ExpectColumnMaxToBeBetween(column="quarantined_share", max_value=most),
            "see quarantine.csv for the reasons; fetch the data set again, or raise "
            "validate.max_quarantined_share",
        ),
        *(
            Promise(f"{key} is unique", gxe.ExpectColumnValuesToBeUnique(column=key))
            for key in ("image_id", "path", "md5")
        ),
        *(
            Promise(
                f"{key} is well formed", gxe.ExpectColumnValuesToMatchRegex(column=key, regex=form)
            )
            for key, form in (("image_id", r"^[A-Za-z0-9_.]+$"), ("md5", r"^[0-9a-f]{32}$"))
        ),
    ]


def _of_files(settings: Validate) -> list[Promise]:
    least = settings.min_side_px
    return [
        Promise(
            "every file is there",
            gxe.ExpectColumnValuesToBeInSet(column="exists", value_set=[True]),
        ),
        *(
            Promise(
                f"{side} is at least {least} px",
                gxe.ExpectColumnValuesToBeBetween(column=side, min_value=least),
            )
            for side in ("width", "height")
        ),
        Promise(
            "every box lies inside its image and has an area",
            gxe.ExpectColumnValuesToBeInSet(column="boxes_inside", value_set=[True]),
        ),
    ]


def _of_labels(settings: Validate, emotions: Sequence[str]) -> list[Promise]:
    known = "|".join(emotions)
    least = settings.min_images_per_emotion
    return [
        Promise(
            "every label is a declared emotion",
            gxe.ExpectColumnValuesToMatchRegex(
                column="face_emotion", regex=rf"^(?:{known})(?:\+(?:{known}))*$"
            ),
            f"declared are {', '.join(emotions)}; correct the source or its options",
            example="face_emotion",
        ),
        Promise(
            "every declared emotion has images",
            gxe.ExpectColumnDistinctValuesToContainSet(column="emotion", value_set=list(emotions)),
            "check that the archive is whole",
        ),
        Promise(
            f"every emotion has at least {least} images",
            gxe.ExpectColumnValuesToBeBetween(column="images_of_emotion", min_value=least),
            "add images, or lower validate.min_images_per_emotion",
            example="emotion",
        ),
        Promise(
            "equal images have one label",
            gxe.ExpectColumnValuesToBeBetween(column="labels_of_md5", max_value=1),
        ),
    ]


def _of_persons(frame: pd.DataFrame, protocol: str) -> list[Promise]:
    """Promises of data sets that know who is shown; none for the others."""
    if not frame["person"].notna().any():
        return []
    named = Promise(
        "every image says who is shown",
        gxe.ExpectColumnValuesToNotBeNull(column="person"),
        "a split cannot keep unknown persons apart: complete the names",
    )
    if not frame["source_split"].notna().any():
        return [named]
    return [
        named,
        Promise(
            "no person is in two source splits",
            gxe.ExpectColumnValuesToBeBetween(column="splits_of_person", max_value=1),
            "use protocol person_70_10_20, which keeps every person on one side",
            example="person",
            critical=protocol == "official",
        ),
    ]
