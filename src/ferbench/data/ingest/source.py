"""The interface of a data set: its metadata, how to obtain it, how to read it.

A source is one file of `ferbench.data.sources` with one subclass of `Source`. It turns the
published layout into records. It neither decodes images nor drops any: stage `dedup` does both.
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
    """What to know about a data set before using it.

    Args:
        title: full name of the data set.
        citation: the publication to cite.
        licence: its terms, in one sentence.
        version: version or date of the form that is read.
        images: number of images as published; None where it depends on the user's copy.
        emotions: the classes, canonical names in canonical order; empty where the copy decides.
        faults: known faults.
        archives: file names of the archives that hold it, as looked for in the user's data folder;
            all of them are needed.
        alternatives: by archive name, other file names of the same content.
        sha256: known checksums by archive name.
        kaggle: Kaggle handle (`owner/name`) of the first archive's content, if it is there.
        url: of one archive that needs no login; its last part is the archive's name or one of its
            alternatives.
        steps: how to obtain it by hand, for the message when it is missing.
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

    def names(self, archive: str) -> tuple[str, ...]:
        """All file names of an archive."""
        return (archive, *self.alternatives.get(archive, ()))


@dataclass(frozen=True)
class Box:
    """An annotated face: xyxy corners, possibly outside the image, and its emotion."""

    left: float
    top: float
    right: float
    bottom: float
    emotion: str


@dataclass(frozen=True)
class Record:
    """One image as the data set lists it, not yet opened.

    Args:
        image_id: unique in the data set; letters, digits, `_` and `.` only.
        path: relative to the raw folder, with `/`.
        emotion: canonical name, of the first face.
        person: who is shown, if known.
        sequence: the sequence it is a frame of, if known.
        source_split: train, val, test or None.
        faces: annotated boxes; empty if the whole image is one aligned face.
        normalised: whether boxes are fractions of width and height instead of pixels.
        votes: raters per emotion in the order of `emotions.BASIC`.
        polygons: number of faces given as polygons, of which the bounding boxes are taken.
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
    """A listed file or row that is not used: its path, the reason, and whether it is no face.

    `no_face` means that the data set's raters called the image no face.
    """

    path: str
    reason: str
    no_face: bool = False


@dataclass
class Reading:
    """Everything that a source has read.

    Args:
        records: the usable images.
        faults: what is listed and cannot be used (an absent image, an unreadable row).
        excluded: what the data set's own rules leave out (no majority of raters, for example).
        counts: figures for the report, such as the number of joined rows.
        emotions: classes that this copy declares, in canonical order; empty for `METADATA`'s.
    """

    records: list[Record] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    excluded: list[Fault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    emotions: tuple[str, ...] = ()


class Source(ABC):
    """A data set.

    Args:
        options: the column `options` of its row in `params.yaml`.

    Raises:
        InputError: an option is unknown, or has another type than its default.
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
        """`METADATA`, completed where it depends on the options."""
        return self.METADATA

    @abstractmethod
    def read(self, root: Path) -> Reading:
        """Records of the raw folder `root`, in a fixed order.

        Raises:
            InputError: the layout is not the published one, or a class is unknown.
        """

    def make(self, root: Path) -> dict[str, str] | None:
        """Generate the data in `root` instead of fetching it; None if this source is fetched.

        Returns:
            SHA-256 by name of the archives that were used.
        """
        del root
        return None

    def prepare(self, root: Path) -> None:
        """Turn what was unpacked into `root` into readable images, if needed.

        `root` is still a temporary folder, so an interrupted preparation leaves nothing behind.
        """
        del root


def _check_type(key: str, value: Any, default: Any) -> None:
    """Refuse an option of another type than its default; a default of None accepts anything."""
    if default is None:
        return
    if isinstance(default, int | float) and not isinstance(default, bool):
        kind = "a number"
        right = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        kind = {bool: "true or false", str: "a word"}.get(type(default), f"like {default!r}")
        right = isinstance(value, type(default))
    if not right:
        raise InputError(
            f"must be {kind}, is {value!r}",
            where=f"options: {key}",
            remedy="correct it in the row's `options`",
        )
