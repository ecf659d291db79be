"""FER+: FER2013 with the votes of ten raters for each picture.

Source: Barsoum, Zhang, Canton Ferrer, Zhang, ICMI 2016, arXiv:1608.01041; labels MIT, Microsoft.
Forms of the labels: `ferplus_labels.csv` (a row a file, with `file` and `fer2013_row`), or
upstream's `fer2013new.csv` (a row for each row of `fer2013.csv`), which fits the original table.
Differs from the authors' code: no vote is removed as an outlier, ties are left out, not drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ferbench.data.ingest.fer2013_form import (
    EMOTIONS,
    FerImage,
    images_from_table,
    list_images,
    rejected_rows,
)
from ferbench.data.ingest.layout import find_files, read_table
from ferbench.data.ingest.source import Fault, Metadata, Reading, Record, Source
from ferbench.emotions import BASIC
from ferbench.errors import InputError, unknown

__all__ = ["FerPlus"]

# `BASIC` is FER+'s own order; the last two columns are no emotions.
_VOTES = (*BASIC, "unknown", "NF")
_TABLES = ("ferplus_labels.csv", "fer2013new.csv")
# Of a number of votes; ten raters are the rule.
_DIGITS = 4
_MODES = ("plurality", "majority", "fer2013")


class FerPlus(Source):
    """FER2013 with FER+ labels.

    The label is the emotion with most of the ten votes. An image is left out if two answers tie for
    most, if that is "unknown" or "not a face", or if FER+ does not list it. `label: majority` also
    leaves out what has no more than half of the votes. `label: fer2013` keeps FER2013's images and
    labels as source `fer2013` gives them and adds the votes to those that raters gave an emotion.
    """

    METADATA = Metadata(
        title="FER+",
        citation="E. Barsoum, C. Zhang, C. Canton Ferrer, Z. Zhang, Training Deep Networks for "
        "Facial Expression Recognition with Crowd-Sourced Label Distribution, ICMI 2016, "
        "arXiv:1608.01041; and FER2013: I. Goodfellow et al., ICONIP 2013, arXiv:1307.0414",
        licence="Labels: MIT, Microsoft. Images: those of FER2013, research use only, no "
        "redistribution.",
        version="fer2013new.csv of github.com/microsoft/FERPlus",
        images=35_887,
        emotions=BASIC,
        faults="The images are FER2013's, with its copies; byte-equal files have equal votes. Ties "
        "for first place in 1,606 of 32,139 rows. One row has nine votes.",
        archives=("fer2013.zip", "ferplus_labels.csv"),
        alternatives={
            "fer2013.zip": ("fer2013.tar.gz", "fer2013.csv", "icml_face_data.csv", "fer2013"),
            "ferplus_labels.csv": ("fer2013new.csv",),
        },
        sha256={
            "fer2013.zip": "bbbca4245b6af1dd18c0917c6f0a3e00b90f0710b2194d2fcfb31905ecbdb847",
            "ferplus_labels.csv": "1ee4dcda37517d7df1635aec22ac6702"
            "df961f78fa67ab2c8268df3498c91c45",
        },
        steps="1. get FER2013: https://www.kaggle.com/datasets/msambare/fer2013 for "
        "ferplus_labels.csv, the competition's fer2013.csv for fer2013new.csv; 2. get the labels, "
        "fer2013new.csv from https://github.com/microsoft/FERPlus; 3. put both into one folder and "
        "name that in FERBENCH_DATA or in the row's `archive:`",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {"label": "plurality"}

    def prepare(self, root: Path) -> None:
        """Make images of the original table."""
        images_from_table(root)

    def read(self, root: Path) -> Reading:
        """Records in the order of paths, with votes."""
        if self.options["label"] not in _MODES:
            raise unknown("label", self.options["label"], _MODES, where="options: label")
        own = self.options["label"] == "fer2013"
        reading = Reading(faults=rejected_rows(root), emotions=EMOTIONS if own else BASIC)
        listed = list_images(root)
        table = _table(root)
        votes = _votes(table, listed, reading)
        for image in listed:
            if own:
                reading.records.append(_record(image, image.emotion, votes.get(image.image_id)))
            elif image.image_id not in votes:
                why = f"no row in {table.name}; FER+ leaves out what all raters call no face"
                reading.excluded.append(Fault(image.path, why, no_face=True))
            else:
                self._add(image, votes[image.image_id], reading)
        reading.counts["joined_rows"] = len(votes)
        return reading

    def _add(self, image: FerImage, votes: tuple[int, ...], reading: Reading) -> None:
        most = max(votes)
        first = [word for word, count in zip(_VOTES, votes, strict=True) if count == most]
        no_face = False
        if not sum(votes[: len(BASIC)]):
            why = "no rater named an emotion"
        elif len(first) > 1:
            why = f"a tie between {' and '.join(first)}"
        elif first[0] not in BASIC:
            why, no_face = f"most raters chose {first[0]}", first[0] == "NF"
        elif self.options["label"] == "majority" and 2 * most <= sum(votes):
            why = "no emotion has more than half of the votes"
        else:
            reading.records.append(_record(image, first[0], votes))
            return
        reading.excluded.append(Fault(image.path, why, no_face))


def _record(image: FerImage, emotion: str, votes: tuple[int, ...] | None) -> Record:
    """An image with a label and its votes for emotions, if there are any."""
    emotions = votes[: len(BASIC)] if votes else ()
    return Record(
        image.image_id,
        image.path,
        emotion,
        source_split=image.split,
        votes=emotions if any(emotions) else None,
    )


def _table(root: Path) -> Path:
    found = [path for name in _TABLES for path in find_files(root, name)]
    if not found:
        raise InputError(f"no {' or '.join(_TABLES)}", where=root, remedy=FerPlus.METADATA.steps)
    return found[0]


def _votes(table: Path, listed: list[FerImage], reading: Reading) -> dict[str, tuple[int, ...]]:
    """Votes by image id; rows that cannot be read or name no image become faults."""
    by_row = {image.row: image.image_id for image in listed if image.row is not None}
    by_file = {image.file: image.image_id for image in listed}
    votes: dict[str, tuple[int, ...]] = {}
    remedy = f"put FER+'s own {' or '.join(_TABLES)} there"
    for number, row in enumerate(read_table(table, _VOTES, remedy)):
        where = f"{table.name}, row {number + 2}"
        if not row.get("file") and not row.get("Image name"):
            continue  # upstream leaves the name of what is no face empty
        if not row.get("file") and not by_row:
            raise InputError(
                "this table needs the original fer2013.csv: its rows name no files",
                where=table,
                remedy="put fer2013.csv beside it, or use ferplus_labels.csv",
            )
        place = row.get("fer2013_row", str(number))
        image_id = by_row.get(int(place)) if by_row and _is_count(place, 9) else None
        image_id = image_id or by_file.get(row.get("file", ""))
        counts = [row[word] for word in _VOTES]
        if image_id is None or image_id in votes:
            why = "listed twice" if image_id else f"{row.get('file', 'its row')} is absent"
            reading.faults.append(Fault(where, why))
        elif not all(_is_count(count, _DIGITS) for count in counts):
            reading.faults.append(Fault(where, f"a vote is not a whole number below {10**_DIGITS}"))
        else:
            votes[image_id] = tuple(map(int, counts))
    return votes


def _is_count(text: str, digits: int) -> bool:
    # Python refuses to read numbers of thousands of digits.
    return text.isdecimal() and len(text) <= digits
