"""Synthetic faces: generated, so that everything can be tried without anybody's picture.

Source: drawn by `ferbench.data.faces`. Licence: CC0-1.0. Citation: "ferbench synthetic faces". Images: as many
as the options say. Classes: the seven basic emotions, contempt on request. Known faults: none but those
that are planted on request: exact and near duplicates, conflicting labels, corrupt files.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, ClassVar

from ferbench.data.faces.dataset import EMOTIONS, make_dataset
from ferbench.data.source import Box, Metadata, Reading, Record, Source
from ferbench.errors import InputError

__all__ = ["Synthetic"]

_COLUMNS = ["file", "emotion", "person", "sequence", "source_split", "faces"]


class Synthetic(Source):
    """Generated faces, as crops or as scenes.

    Options:
        form: `crops` (48 x 48 grey, one aligned face) or `scenes` (320 x 240 RGB, 1 to 5 faces).
        persons: how many people.
        images_per_person: how many pictures of each; in scenes, those in which it is the first face.
        seed: of everything.
        exact_duplicates: how many files are copies of another one, every second in another source split.
        label_conflicts: how many files have a copy with another label.
        near_duplicates: how many files are slightly changed versions of another one.
        corrupt: how many files cannot be used: truncated, empty, text, a single pixel.
        contempt: whether there is an eighth class.
    """

    METADATA: ClassVar[Metadata] = Metadata(
        title="ferbench synthetic faces",
        citation="ferbench synthetic faces",
        licence="CC0-1.0; generated, shows no real person",
        version="1",
        images=None,
        emotions=EMOTIONS[:7],
        faults="only those planted by the options: exact and near duplicates, conflicting labels, corrupt files",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {
        "form": "crops",
        "persons": 120,
        "images_per_person": 12,
        "seed": 0,
        "exact_duplicates": 0,
        "label_conflicts": 0,
        "near_duplicates": 0,
        "corrupt": 0,
        "contempt": False,
    }

    def make(self, root: Path) -> bool:
        """Draw the pictures and write them with their labels.

        Raises:
            InputError: an option's value makes no sense.
        """
        self._check()
        images = root / "images"
        images.mkdir(parents=True, exist_ok=True)
        with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for item in make_dataset(self.options):
                (images / item.file).write_bytes(item.content)
                faces = [{**box, "emotion": emotion} for box, emotion in item.faces]
                row = [item.file, item.emotion, item.person, item.sequence, item.source_split]
                writer.writerow([*row, json.dumps(faces)])
        return True

    def _check(self) -> None:
        form = self.options["form"]
        if form not in ("crops", "scenes"):
            raise InputError(
                f"unknown form {form!r}", where="options: form", remedy="known: crops, scenes"
            )
        for key, default in self.OPTIONS.items():
            value = self.options[key]
            if type(default) is int and (type(value) is not int or value < 0):
                raise InputError(
                    f"must be a whole number from 0, is {value!r}",
                    where=f"options: {key}",
                    remedy="correct the value",
                )

    def read(self, root: Path) -> Reading:
        """Records of `labels.csv`, in its order."""
        table = root / "labels.csv"
        if not table.is_file():
            raise InputError("no label table", where=table, remedy="make the data set again")
        with table.open(encoding="utf-8", newline="") as file:
            return Reading(records=[_record(row) for row in csv.DictReader(file)])


def _record(row: dict[str, str]) -> Record:
    return Record(
        image_id=Path(row["file"]).stem,
        path=f"images/{row['file']}",
        emotion=row["emotion"],
        person=row["person"],
        sequence=row["sequence"] or None,
        source_split=row["source_split"],
        faces=tuple(Box(**face) for face in json.loads(row["faces"])),
    )
