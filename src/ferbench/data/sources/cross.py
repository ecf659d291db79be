"""Cross-dataset evaluation: two data sets as one, trained on the first, tested on the second.

Source: P3, table 2, trains on ExpW and tests on FER2013.
Differs from testing a trained model: both data sets share one index, so that copies across the two
are found, and naive baselines and leak audit are those of this split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ferbench import plugins
from ferbench.data.ingest.fetch import fetch, read_provenance
from ferbench.data.ingest.source import Fault, Metadata, Reading, Record, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError, unknown

__all__ = ["Cross"]

_SOURCES = "ferbench.data.sources"
_TESTED = ("official", "all")


class Cross(Source):
    """The classes that both data sets have, under protocol `official`.

    Options: `train` and `test` name two other sources, with their own `train_archive`,
    `train_options` and so on. The official test images of the first are excluded. Of the second,
    the official test images are used, or all images with `tested: all` and where there is no
    official test split. An image with a face of a class that is not shared is excluded.
    """

    METADATA = Metadata(
        title="One data set for training, another for testing",
        citation="those of the two",
        licence="Those of the two.",
        version="those of the two",
        images=None,
        emotions=(),
        faults="Those of the two. Nobody knows whether a person is in both.",
    )
    OPTIONS: ClassVar[dict[str, Any]] = {
        "train": "",
        "test": "",
        "train_archive": None,
        "test_archive": None,
        "train_options": {},
        "test_options": {},
        "tested": "official",
    }

    @property
    def metadata(self) -> Metadata:
        """That of both data sets, joined."""
        if not self.options["train"] and not self.options["test"]:
            return self.METADATA
        trained, tested = (self._parts[part].metadata for part in ("train", "test"))

        def both(word: str) -> str:
            return f"{getattr(trained, word)}; {getattr(tested, word)}"

        return Metadata(
            title=f"{trained.title}, tested on {tested.title}",
            citation=both("citation"),
            licence=f"{trained.title}: {trained.licence} {tested.title}: {tested.licence}",
            version=both("version"),
            images=None,
            emotions=(),
            faults=f"{trained.title}: {trained.faults} {tested.title}: {tested.faults}",
            sha256={**trained.sha256, **tested.sha256},
        )

    @cached_property
    def _parts(self) -> Mapping[str, Source]:
        """The two sources by their role, train or test.

        Raises:
            InputError: a name is unknown or both are the same.
        """
        names = [name for name in plugins.names(_SOURCES) if name != Path(__file__).stem]
        for part in ("train", "test"):
            if self.options[part] not in names:
                raise unknown("source", self.options[part], names, where=f"options: {part}")
        if self.options["train"] == self.options["test"]:
            raise InputError(
                f"{self.options['test']} is used for both training and testing",
                where="options: test",
                remedy="name another source, or take that source itself with a protocol",
            )
        if self.options["tested"] not in _TESTED:
            raise unknown("choice", self.options["tested"], _TESTED, where="options: tested")
        return {
            part: plugins.load(_SOURCES, self.options[part])(self.options[f"{part}_options"])
            for part in ("train", "test")
        }

    def make(self, root: Path) -> dict[str, str]:
        """Fetch both, each into a folder of its own."""
        sums: dict[str, str] = {}
        for part, source in self._parts.items():
            fetch(source, self.options[part], self.options[f"{part}_archive"], root / part)
            sums |= read_provenance(root / part)["archives"]
        return sums

    def read(self, root: Path) -> Reading:
        """Records of the first, then of the second, each in its own order."""
        for part in ("train", "test"):
            if not (root / part).is_dir():
                raise InputError("no folder", where=root / part, remedy="make the data set again")
        read = {part: source.read(root / part) for part, source in self._parts.items()}
        classes = {part: self._classes(part, reading) for part, reading in read.items()}
        shared = in_order(set(classes["train"]) & set(classes["test"]))
        if len(shared) < 2:
            raise InputError(
                f"classes in common: {', '.join(shared) or 'none'}",
                where=f"options: {self.options['train']} and {self.options['test']}",
                remedy="take two sources that share at least two classes",
            )
        reading = Reading(emotions=tuple(shared))
        for part, one in read.items():
            self._add(part, one, shared, reading)
        return reading

    def _classes(self, part: str, reading: Reading) -> Sequence[str]:
        """Classes declared by a part's copy, else by its source, else those of its images."""
        declared = reading.emotions or self._parts[part].metadata.emotions
        return declared or in_order(record.emotion for record in reading.records)

    def _add(self, part: str, one: Reading, shared: Sequence[str], reading: Reading) -> None:
        """Add a part's images, faults and counts, prefixed with its name."""
        name = self.options[part]
        given = {record.source_split for record in one.records}
        for record in one.records:
            emotions = {record.emotion, *(face.emotion for face in record.faces)}
            why = self._left_out(part, record, "test" in given)
            if strange := in_order(emotions - set(shared)):
                why = f"{', '.join(strange)}: not a class of both data sets"
            if why:
                reading.excluded.append(Fault(f"{part}/{record.path}", why))
            else:
                reading.records.append(_renamed(record, name, part))
        reading.faults += [replace(fault, path=f"{part}/{fault.path}") for fault in one.faults]
        reading.excluded += [replace(fault, path=f"{part}/{fault.path}") for fault in one.excluded]
        reading.counts |= {f"{name}_{key}": count for key, count in one.counts.items()}

    def _left_out(self, part: str, record: Record, has_test: bool) -> str | None:
        """Why an image is excluded; None if it is used."""
        own = record.source_split == "test"
        if part == "train":
            return f"a test image of {self.options['train']}" if own else None
        if has_test and not own and self.options["tested"] == "official":
            return f"not a test image of {self.options['test']}"
        return None


def _renamed(record: Record, name: str, part: str) -> Record:
    """A record with ids, persons and sequences that cannot clash with the other data set's."""

    def own(word: str | None) -> str | None:
        return None if word is None else f"{name}.{word}"

    kept = "val" if record.source_split == "val" else "train"
    return replace(
        record,
        image_id=f"{name}.{record.image_id}",
        path=f"{part}/{record.path}",
        person=own(record.person),
        sequence=own(record.sequence),
        source_split="test" if part == "test" else kept,
    )
