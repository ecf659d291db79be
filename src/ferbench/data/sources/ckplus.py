"""CK+, the extended Cohn-Kanade set: the "CK+48" crops, or the original tree.

Source: Lucey et al., CVPR Workshops 2010, pp. 94-101; Kanade, Cohn, Tian, FG 2000.
Forms: `CK+48/<class>/S<subject>_<sequence>_<frame>.png` (the last three frames of each labelled
sequence, cropped to 48x48), or `cohn-kanade-images/S005/001/*.png` with
`Emotion/S005/001/*_emotion.txt` (0 neutral, 1 anger, 2 contempt, 3 disgust, 4 fear, 5 happy,
6 sadness, 7 surprise), of which only labelled sequences are read.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from ferbench.data.ingest.layout import (
    emotion_of,
    files_below,
    find_folder,
    folders,
    images,
    read_lines,
    records,
)
from ferbench.data.ingest.source import Fault, Metadata, Reading, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError, unknown

__all__ = ["CKPlus"]

_NAME = re.compile(r"(S\d+)_(\d+)_(\d+)")
# Codes of the original `_emotion.txt` files.
_CODES = ("neutral", "anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
_FRAMES = {"last3": 3, "peak": 1, "with_neutral": 3}


class CKPlus(Source):
    """CK+; `frames` of a sequence of the original tree: `last3`, `peak`, or `with_neutral`.

    `with_neutral` takes the last three and the first frame, the latter as neutral.
    """

    METADATA = Metadata(
        title="Extended Cohn-Kanade (CK+)",
        citation="P. Lucey et al., The Extended Cohn-Kanade Dataset (CK+): A complete dataset for "
        "action unit and emotion-specified expression, CVPR Workshops 2010, pp. 94-101; T. Kanade, "
        "J. Cohn, Y. Tian, Comprehensive database for facial expression analysis, FG 2000",
        licence="On request from its owners under a signed agreement: non-commercial research, no "
        "redistribution.",
        version="CK+48: last three frames of 327 labelled sequences, 48x48 grey; or the 2010 tree",
        images=981,
        emotions=("happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
        faults="Posed. The three frames of a sequence are almost equal: split by person, never by "
        "image. No neutral class. Images of the original tree are uncropped.",
        archives=("ckplus48.zip",),
        alternatives={"ckplus48.zip": ("CK+48.zip", "CK+48", "ckplus")},
        sha256={"ckplus48.zip": "8b4f3fdf65b77148b3184dfab36d062b7d5cd3d84dc69eed90fdbce4a699837c"},
        steps="1. ask for CK+ at https://www.jeffcohn.net/Resources/ and sign the agreement; "
        "2. put the crops as ckplus48.zip into the folder that FERBENCH_DATA names, or set the "
        "row's `archive:` to a folder with `cohn-kanade-images/` and `Emotion/` (or their two zip "
        "files)",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {"frames": "last3"}

    def read(self, root: Path) -> Reading:
        """Records of either form."""
        if self.options["frames"] not in _FRAMES:
            raise unknown("frames", self.options["frames"], _FRAMES, where="options: frames")
        tree = find_folder(root, ["cohn-kanade-images", "Emotion"])
        return self._read_tree(root, tree) if tree else _read_crops(root)

    def _read_tree(self, root: Path, tree: Path) -> Reading:
        reading = Reading(emotions=self.METADATA.emotions)
        if self.options["frames"] == "with_neutral":
            reading.emotions = tuple(in_order(["neutral", *reading.emotions]))
        listed: list[tuple[str, str, dict[str, Any]]] = []
        for label in _labels(tree / "Emotion"):
            person, sequence = label.parts[-3:-1]
            emotion = _code(label)
            frames = _frames(tree / "cohn-kanade-images" / person / sequence, root, reading)
            if emotion is None or not frames:
                why = "its sequence has no frames" if emotion else "no code from 0 to 7"
                reading.faults.append(Fault(label.relative_to(root).as_posix(), why))
                continue
            chosen = [(frame, emotion) for frame in frames[-_FRAMES[self.options["frames"]] :]]
            if self.options["frames"] == "with_neutral":
                # Of a short sequence the first frame is one of the last three.
                chosen[:0] = [(frames[0], "neutral")] if frames[0] != chosen[0][0] else []
            shown = {"person": person, "sequence": f"{person}_{sequence}"}
            listed += [
                (frame.stem, frame.relative_to(root).as_posix(), {"emotion": word, **shown})
                for frame, word in chosen
            ]
        reading.records = records(listed)
        return reading


def _labels(folder: Path) -> list[Path]:
    """Label files `S005/001/*_emotion.txt`, sorted."""
    found = (path.relative_to(folder) for path in files_below(folder))
    return sorted(
        folder / path
        for path in found
        if len(path.parts) == 3 and path.parts[0][0] == "S" and path.name.endswith("_emotion.txt")
    )


def _frames(folder: Path, root: Path, reading: Reading) -> list[Path]:
    """Frames of a sequence in their order; a second file of the same frame is excluded.

    The owners distribute PNG files, so a copy in another format is not another frame.
    """
    frames: dict[Path, Path] = {}
    for path in sorted(images(folder), key=lambda path: (path.suffix.lower() != ".png", path)):
        first = frames.setdefault(path.with_suffix(""), path)
        if first != path:
            name = path.relative_to(root).as_posix()
            reading.excluded.append(Fault(name, f"the same frame as {first.name}"))
    return [frames[name] for name in sorted(frames)]


def _code(label: Path) -> str | None:
    """The emotion in a label file, which holds a number; None if it holds none."""
    try:
        code = float(" ".join(read_lines(label)))
        return _CODES[int(code)] if code in range(len(_CODES)) else None
    except (InputError, ValueError):
        return None


def _read_crops(root: Path) -> Reading:
    faults: list[Fault] = []
    listed: list[tuple[str, str, dict[str, Any]]] = []
    top = _crops_folder(root)
    for folder in folders(top):
        emotion = emotion_of(folder.name, where=folder)
        for path in images(folder):
            match = _NAME.fullmatch(path.stem)
            shown = {"person": match[1], "sequence": f"{match[1]}_{match[2]}"} if match else {}
            name = path.relative_to(root).as_posix()
            listed.append((f"{path.parent.name}_{path.stem}", name, {"emotion": emotion, **shown}))
            if not match:
                why = "the name does not contain subject, sequence and frame"
                faults.append(Fault(name, why))
    found = [record for record in records(listed) if record.person]
    return Reading(records=found, faults=faults)


def _crops_folder(root: Path) -> Path:
    """The folder of class folders: the uppermost that holds `anger` or `happy`."""
    for known in ("anger", "happy", "happiness", "surprise"):
        if folder := find_folder(root, [known]):
            return folder
    raise InputError(
        "neither class folders (anger, happy, ...) nor cohn-kanade-images/ and Emotion/",
        where=root,
        remedy="set the row's `archive:` to CK+48 or to the original tree",
    )
