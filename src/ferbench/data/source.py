"""What every data set's own file offers: what it is, how it is had, how it is read.

A source is one file of `ferbench.data.sources` with one class over `Source`. It says its
`METADATA`, and turns the published layout into records. It neither decodes images nor drops any:
`dedup` does both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ferbench.errors import InputError, unknown

__all__ = ["Box", "Fault", "Metadata", "Reading", "Record", "Source"]


@dataclass(frozen=True)
class Metadata:
    """What one must know of a data set before using it.

    Args:
        title: the data set's full name.
        citation: the publication to cite.
        licence: the terms it is given out under, in one sentence.
        version: version or date of the form that is read.
        images: number of images as published; None where it depends on the user's copy.
        emotions: the classes, canonical names in canonical order; empty where the copy decides.
        faults: known faults worth a warning.
        archives: file names of the archives that hold it, as looked for in the user's data folder;
            all of them are needed.
        alternatives: by archive name, other file names under which the same content is in use.
        sha256: known checksums by archive name.
        kaggle: Kaggle handle (`owner/name`) of the first archive's content, if it is there.
        url: of one archive that can be had without a login; its last part is the archive's name or
            one of its alternatives.
        steps: exact steps to get it by hand, for the message when it is missing.
    """

    title: str
    citation: str
    licence: str
    version: str
    images: int | None
    emotions: tuple[str, ...]
    faults: str
    archives: tuple[str, ...] = ()
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    kaggle: str | None = None
    url: str | None = None
    steps: str = ""


@dataclass(frozen=True)
class Box:
    """A face as annotated: corners in pixels, possibly outside the image, and its emotion."""

    left: float
    top: float
    right: float
    bottom: float
    emotion: str


@dataclass(frozen=True)
class Record:
    """One image as the data set lists it, before anybody has opened it.

    Args:
        image_id: unique in the data set; letters, digits, `_` and `.` only.
        path: relative to the raw folder, with `/`.
        emotion: canonical name, of the first face.
        person: who is shown, if known.
        sequence: the sequence it is a frame of, if known.
        source_split: train, val, test or None.
        faces: boxes in pixels; empty means "the whole image is one aligned face".
        normalised: the boxes are fractions of width and height, not pixels.
        votes: raters per emotion in the order of `emotions.BASIC`.
        polygons: how many of the faces came as polygons and are now their bounding boxes.
    """

    image_id: str
    path: str
    emotion: str
    person: str | None = None
    sequence: str | None = None
    source_split: str | None = None
    faces: tuple[Box, ...] = ()
    normalised: bool = False
    votes: tuple[int, ...] | None = None
    polygons: int = 0


@dataclass(frozen=True)
class Fault:
    """Something listed that cannot be used: its path and the reason, for the quarantine list."""

    path: str
    reason: str


@dataclass
class Reading:
    """All that a source read.

    Args:
        records: the usable images.
        faults: what was listed and cannot be used (an absent image, an unreadable row).
        excluded: what the data set's own rules leave out (no majority of raters, say).
        counts: figures worth publishing, such as the rows that a label table joined.
        emotions: the classes that this copy declares, in canonical order; empty for those of the
            source's `METADATA`.
    """

    records: list[Record] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    excluded: list[Fault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    emotions: tuple[str, ...] = ()


def _check_type(key: str, value: Any, default: Any) -> None:
    """Refuse an option of another type than its default; a default of None takes anything."""
    number = isinstance(default, int | float) and not isinstance(default, bool)
    kinds = (int, float) if number else type(default)
    if default is not None and (
        not isinstance(value, kinds) or (number and isinstance(value, bool))
    ):
        words = {bool: "true or false", str: "a word"}
        kind = "a number" if number else words.get(type(default), f"like {default!r}")
        raise InputError(
            f"must be {kind}, is {value!r}",
            where=f"options: {key}",
            remedy="correct it in the row's `options`",
        )


class Source(ABC):
    """A data set.

    Args:
        options: the source's own options, from the `options` cell of its row in `params.yaml`.

    Raises:
        InputError: an option is unknown, or has not the type of its default.
    """

    METADATA: ClassVar[Metadata]
    OPTIONS: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        options = dict(options or {})
        for key, value in options.items():
            if key not in self.OPTIONS:
                raise unknown(f"option of source {type(self).__name__}", key, self.OPTIONS)
            _check_type(key, value, self.OPTIONS[key])
        self.options: dict[str, Any] = {**self.OPTIONS, **options}

    @property
    def metadata(self) -> Metadata:
        """`METADATA`, completed where the options decide what it says."""
        return self.METADATA

    @abstractmethod
    def read(self, root: Path) -> Reading:
        """Records of the raw folder `root`, in a fixed order; reading twice gives the same.

        Raises:
            InputError: the layout is not the published one, or a class is unknown.
        """

    def make(self, root: Path) -> dict[str, str] | None:
        """Make the data in `root` instead of fetching it; None if this source is fetched.

        Returns:
            SHA-256 by name of the archives that were taken.
        """
        del root
        return None

    def prepare(self, root: Path) -> None:
        """Turn what was unpacked into `root` into readable images, where it is not yet.

        `root` is still a temporary folder then, so an interrupted preparation leaves nothing.
        """
        del root
