"""ExpW, Expression in-the-Wild: whole scenes with a box and an expression for annotated faces.

Source: Zhang, Luo, Loy, Tang, IJCV 2018, arXiv:1609.06426.
Form: `image/origin/<query>_<n>.jpg` and `label/label.lst`, one row a face: `image_name face_id top
left right bottom confidence expression` (0 angry, 1 disgust, 2 fear, 3 happy, 4 sad, 5 surprise,
6 neutral). Note the order of the box: top, left, right, bottom.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from ferbench.data.ingest.layout import find_folder, image_ids, images, read_lines
from ferbench.data.ingest.source import Box, Fault, Metadata, Reading, Record, Source
from ferbench.errors import InputError

__all__ = ["ExpW"]

_CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_LABELS = "label/label.lst"


class ExpW(Source):
    """ExpW; `min_confidence` leaves out faces that the authors' detector was less sure of."""

    METADATA = Metadata(
        title="Expression in-the-Wild (ExpW)",
        citation="Z. Zhang, P. Luo, C. C. Loy, X. Tang, From Facial Expression Recognition to "
        "Interpersonal Relation Prediction, IJCV 2018, arXiv:1609.06426",
        licence="Non-commercial research only; redistribution is not allowed.",
        version="as published; any subset in the published form",
        images=91_793,
        emotions=("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
        faults="Some boxes leave the frame. Other faces of a scene may carry no annotation, so the "
        "precision of a detector is underestimated. No split and no persons are given.",
        archives=("expw.zip",),
        alternatives={"expw.zip": ("expw_sample.zip", "ExpW.zip", "expw", "ExpW")},
        sha256={
            "expw_sample.zip": "86a2ee6f0699e200515d488df40b58079c6ffdab8f8e02072c17aa1799a0e101"
        },
        steps="1. agree to the terms at https://mmlab.ie.cuhk.edu.hk/projects/socialrelation/ and "
        "download ExpW; 2. join and unpack its parts, and set the row's `archive:` to the folder "
        "that holds image/origin/ and label/label.lst, or put both as expw.zip into FERBENCH_DATA",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {"min_confidence": 0}

    def read(self, root: Path) -> Reading:
        """Records in the order of image names, faces in the order of rows."""
        top = find_folder(root, ["image/origin", _LABELS])
        if top is None:
            raise InputError(
                f"no image/origin/ with {_LABELS}", where=root, remedy=self.METADATA.steps
            )
        reading = Reading()
        faces, bad = _rows(top / _LABELS)
        folder = top / "image" / "origin"
        found = images(folder)
        present = {path.name for path in found if path.parent == folder}
        reading.faults += [
            Fault(path.relative_to(root).as_posix(), "below image/origin/, where no row names it")
            for path in found
            if path.parent != folder
        ]
        names = sorted(faces.keys() | bad.keys() | present)
        ids = image_ids([Path(name).stem for name in names], names)
        for name, image_id in zip(names, ids, strict=True):
            # A name in the list may be any text: one that is a path must not be followed.
            path = f"{folder.relative_to(root).as_posix()}/{name}"
            if name in bad:
                reading.faults.append(Fault(path, bad[name]))
            elif name not in present:
                row, _, _ = faces[name][0]
                reading.faults.append(Fault(path, f"absent, listed in label.lst, row {row}"))
            else:
                self._add(path, image_id, faces.get(name, []), reading)
        return reading

    def _add(
        self, path: str, image_id: str, rows: list[tuple[int, float, Box]], reading: Reading
    ) -> None:
        """Add the record of an image with the faces of sufficient confidence."""
        least = self.options["min_confidence"]
        sure = tuple(box for _, confidence, box in rows if confidence >= least)
        if sure:
            reading.records.append(Record(image_id, path, sure[0].emotion, faces=sure))
        else:
            why = f"no face of confidence {least}" if rows else "no face is annotated"
            reading.excluded.append(Fault(path, why))


def _rows(labels: Path) -> tuple[dict[str, list[tuple[int, float, Box]]], dict[str, str]]:
    """Row number, confidence and box of each face by image, and the bad rows by image."""
    faces: dict[str, list[tuple[int, float, Box]]] = defaultdict(list)
    bad: dict[str, str] = {}
    for number, line in enumerate(read_lines(labels), 1):
        columns = line.split()
        if not columns:
            continue
        try:
            confidence, box = _box(columns)
            faces[columns[0]].append((number, confidence, box))
        except ValueError as error:
            # A scene with a face that cannot be read is not used: the face would be background.
            bad.setdefault(columns[0], f"label.lst, row {number}: {error}")
    return faces, bad


def _box(columns: list[str]) -> tuple[float, Box]:
    """Confidence and box of a row.

    Raises:
        ValueError: the row has another form.
    """
    if len(columns) != 8:
        raise ValueError(f"{len(columns)} columns, not 8")
    if PurePosixPath(columns[0]).name != columns[0]:
        raise ValueError(f"{columns[0]} is not a file name")
    try:
        top, left, right, bottom, confidence = (float(value) for value in columns[2:7])
    except ValueError:
        raise ValueError("a column is not a number") from None
    if not all(map(math.isfinite, (top, left, right, bottom, confidence))):
        raise ValueError("a column is not finite")
    if columns[7] not in map(str, range(len(_CODES))):
        raise ValueError(f"expression {columns[7]} is none of 0 to {len(_CODES) - 1}")
    return confidence, Box(left, top, right, bottom, _CODES[int(columns[7])])
