"""Synthetic faces: generated, so that everything can be tried without pictures of real people.

Source: drawn by `synthfaces`. Licence: CC0-1.0. Citation: "ferbench synthetic faces".
Images: as many as the options say. Classes: the seven basic emotions, contempt on request.
Known faults: none but those planted on request: exact and near duplicates, conflicting labels,
corrupt files. Checksum: none, but equal options give equal bytes under one OpenCV and NumPy.
"""

from __future__ import annotations

import csv
import json
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from ferbench.data.ingest.source import Box, Metadata, Reading, Record, Source
from ferbench.emotions import BASIC
from ferbench.errors import InputError, unknown
from synthfaces.dataset import classes, generator, plan_images, plant, render

__all__ = ["Synthetic"]

_FORMS = ("crops", "scenes")
_COLUMNS = ["file", "emotion", "person", "sequence", "source_split", "faces"]


class Synthetic(Source):
    """Generated faces, as crops or as scenes.

    Options:
        form: `crops` (48 x 48 grey, one aligned face) or `scenes` (320 x 240 RGB, 1 to 5 faces).
        persons: how many people.
        images_per_person: how many pictures of each; of a scene, the first face is the person's.
        seed: of everything.
        exact_duplicates: how many files are copies of another one, every second one in another
            source split.
        label_conflicts: how many files have a copy with another label.
        near_duplicates: how many files are slightly changed versions of another one.
        corrupt: how many files cannot be used: truncated, empty, text, a single pixel.
        contempt: whether there is an eighth class.
        min_intensity: of the weakest expression, 0 to 1. From 0.3 on, faces are as hard to tell as
            in spontaneous pictures; from 0.8 on they look posed.
        variation: of pose, light, camera and occlusion, 0 to 1. At 0 faces are frontal, evenly lit
            and in full view, as in a laboratory; at 1 they differ as photographs do.
    """

    METADATA: ClassVar[Metadata] = Metadata(
        title="ferbench synthetic faces",
        citation="ferbench synthetic faces",
        licence="CC0-1.0; generated, shows no real person",
        version="1",
        images=None,
        emotions=BASIC[:7],
        faults="only those planted by the options: exact and near duplicates, conflicting labels, "
        "corrupt files",
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
        "min_intensity": 0.3,
        "variation": 1.0,
    }

    def make(self, root: Path) -> dict[str, str]:
        """Draw the pictures and write them with their labels.

        Raises:
            InputError: the value of an option is out of range.
        """
        self._check()
        items = [render(plan, self.options) for plan in plan_images(self.options)]
        rng = generator(self.options["seed"], "faults")
        try:
            faults = list(plant(items, self.options, rng))
        except ValueError as error:
            raise InputError(
                str(error), where="options", remedy="ask for fewer faults or for more persons"
            ) from error
        images = root / "images"
        images.mkdir(parents=True, exist_ok=True)
        with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for item in chain(items, faults):
                (images / item.file).write_bytes(item.content)
                row = [item.file, item.emotion, item.person, item.sequence, item.source_split]
                writer.writerow([*row, json.dumps(item.faces)])
        return {}

    def _check(self) -> None:
        if self.options["form"] not in _FORMS:
            raise unknown("form", self.options["form"], _FORMS, where="options: form")
        for key, default in self.OPTIONS.items():
            value = self.options[key]
            least = int(key in ("persons", "images_per_person"))
            if type(default) is int and (type(value) is not int or value < least):
                self._refuse(key, f"a whole number from {least}")
        for key in ("min_intensity", "variation"):
            if not 0 <= self.options[key] <= 1:
                self._refuse(key, "from 0 to 1")

    def _refuse(self, key: str, wanted: str) -> None:
        raise InputError(
            f"must be {wanted}, is {self.options[key]!r}",
            where=f"options: {key}",
            remedy="correct the value",
        )

    def read(self, root: Path) -> Reading:
        """Records of `labels.csv`, in its order.

        Raises:
            InputError: the table is absent or not of this source.
        """
        table = root / "labels.csv"
        if not table.is_file():
            raise InputError("no label table", where=table, remedy="make the data set again")
        try:
            with table.open(encoding="utf-8", newline="") as file:
                records = [_record(row) for row in csv.DictReader(file)]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"not a label table of this source: {error!r}",
                where=table,
                remedy="make the data set again",
            ) from error
        return Reading(records=records, emotions=classes(self.options))


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
