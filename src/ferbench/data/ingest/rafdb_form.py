"""RAF-DB as its authors distribute it, and as re-uploads arrange it; both subsets share the form.

Official: `EmoLabel/list_patition_label.txt` (the authors' spelling) with rows `train_00001.jpg 5`,
and `Image/aligned/train_00001_aligned.jpg`, possibly still inside `Image/aligned.zip`. Re-uploads:
`train/<label>/train_00001_aligned.jpg`. Labels count from 1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from ferbench.data.ingest.archives import extract
from ferbench.data.ingest.layout import (
    find_files,
    find_folder,
    folders,
    images,
    read_lines,
    records,
)
from ferbench.data.ingest.source import Fault, Reading, Source
from ferbench.errors import InputError

__all__ = ["RafDB"]

_LIST = "list_patition_label.txt"
_ALIGNED = ("Image/aligned", "Image/aligned/aligned")


class RafDB(Source):
    """A subset of RAF-DB; a base for sources.

    `SUBSET` is the name of its folder, `LABELS` the emotions in the order of label numbers.
    """

    SUBSET: ClassVar[str]
    LABELS: ClassVar[tuple[str, ...]]

    def prepare(self, root: Path) -> None:
        """Unpack the archive of aligned images inside the official archive."""
        for archive in find_files(root, "Image/aligned.zip"):
            extract(archive, archive.parent / "aligned")
            archive.unlink()

    def read(self, root: Path) -> Reading:
        """Records of either form; images are aligned crops."""
        if top := self._official(root):
            return self._read_list(root, top)
        top = find_folder(root, ["train/1", "test/1"]) or find_folder(root, ["train", "test"])
        if top:
            return self._read_folders(root, top)
        raise InputError(
            f"neither EmoLabel/{_LIST} nor train/ and test/ with a folder per label",
            where=root,
            remedy=self.METADATA.steps,
        )

    def _official(self, root: Path) -> Path | None:
        """The folder of this subset; both subsets may be in one archive."""
        tops = [path.parents[1] for path in find_files(root, f"EmoLabel/{_LIST}")]
        named = [top for top in tops if top.name == self.SUBSET]
        return next(iter(named or tops), None)

    def _read_list(self, root: Path, top: Path) -> Reading:
        reading = Reading()
        listed: dict[str, tuple[str, str]] = {}
        present = {place: {path.name for path in images(top / place)} for place in _ALIGNED}
        for number, line in enumerate(read_lines(top / "EmoLabel" / _LIST), 1):
            columns = line.split()
            if not columns:
                continue
            where = f"{_LIST}, row {number}"
            if len(columns) != 2 or not columns[1].isdecimal():
                reading.faults.append(Fault(where, "not of the form `train_00001.jpg 5`"))
                continue
            emotion = self._emotion(columns[1], f"{top / 'EmoLabel' / _LIST}, row {number}")
            stem = Path(columns[0]).stem
            file = f"{stem}_aligned.jpg"
            place = next((place for place in _ALIGNED if file in present[place]), None)
            name = (top / (place or _ALIGNED[0]) / file).relative_to(root).as_posix()
            if stem in listed or place is None:
                why = "listed twice" if stem in listed else "absent"
                reading.faults.append(Fault(name, f"{where}: {why}"))
                continue
            listed[stem] = name, emotion
        reading.records = records(
            (stem, name, {"emotion": emotion, "source_split": _split(stem)})
            for stem, (name, emotion) in listed.items()
        )
        return reading

    def _read_folders(self, root: Path, top: Path) -> Reading:
        return Reading(
            records=records(
                (
                    path.stem.removesuffix("_aligned"),
                    path.relative_to(root).as_posix(),
                    {"emotion": self._emotion(folder.name, folder), "source_split": split},
                )
                for split in ("train", "test")
                for folder in folders(top / split)
                for path in images(folder)
            )
        )

    def _emotion(self, label: str, where: object) -> str:
        if label in (known := [str(i) for i in range(1, len(self.LABELS) + 1)]):
            return self.LABELS[known.index(label)]
        raise InputError(
            f"label {label} is none of 1 to {len(self.LABELS)}",
            where=where,
            remedy="known: "
            + ", ".join(f"{i} {emotion}" for i, emotion in enumerate(self.LABELS, 1))
            + "; the basic and the compound subset are two sources",
        )


def _split(stem: str) -> str | None:
    match = re.match(r"(train|test)_", stem)
    return match[1] if match else None
