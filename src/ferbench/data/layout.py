"""Questions that every published folder layout asks: where it begins, which images it holds."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferbench.data.walk import files_below, folders_in
from ferbench.emotions import EMOTIONS, normalise
from ferbench.errors import InputError, unknown

__all__ = [
    "SUFFIXES",
    "emotion_of",
    "find_files",
    "find_folder",
    "folders",
    "image_ids",
    "images",
    "read_lines",
]

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".pgm", ".ppm")
# File systems take 255 bytes; sources put words before ids, and stages suffixes behind them.
_LONGEST = 180
_UNSAFE = re.compile(r"[^A-Za-z0-9_.]")


def folders(folder: Path) -> list[Path]:
    """Folders directly in a folder, sorted by name, without hidden ones and litter."""
    return [path for path in folders_in(folder) if path.name[0] not in "._"]


def images(folder: Path) -> list[Path]:
    """Files below a folder that are named like images, sorted by path; none without the folder."""
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in files_below(folder) if path.name.lower().endswith(SUFFIXES)),
        key=lambda p: p.relative_to(folder).as_posix(),
    )


def find_files(root: Path, tail: str) -> list[Path]:
    """Files at or below `root` whose path ends with the names in `tail`, sorted by path."""
    names = tuple(tail.split("/"))
    return sorted(path for path in files_below(root) if path.parts[-len(names) :] == names)


def _levels(root: Path) -> Iterator[Path]:
    """All folders from `root` down, level by level, sorted in each."""
    level = [root]
    while level:
        yield from level
        level = [child for folder in level for child in folders(folder)]


def find_folder(root: Path, children: Sequence[str]) -> Path | None:
    """The uppermost folder at or below `root` that holds all `children`; None if there is none.

    Archives wrap the same layout in folders of any name, so only the layout itself is looked for.
    """
    for folder in _levels(root):
        if all((folder / child).exists() for child in children):
            return folder
    return None


def emotion_of(word: str, where: object, rename: dict[str, str] | None = None) -> str:
    """The emotion that a class word stands for.

    Args:
        word: as the data set spells it.
        where: the place that is named if the word is unknown.
        rename: the user's own words, looked up first.

    Raises:
        InputError: the word stands for no emotion.
    """
    renamed = {str(old): str(new) for old, new in (rename or {}).items()}
    emotion = normalise(renamed.get(word, word))
    if emotion is None:
        raise unknown("class", word, EMOTIONS, where=where)
    return emotion


def image_ids(names: Sequence[str], paths: Sequence[str]) -> list[str]:
    """Names as ids that are safe as file names and differ from one another.

    Names that would become one id all get a piece of their path's digest, so no id depends on their
    order. So do names that are too long for a file, of which the end is kept.

    Args:
        names: what the ids shall be like.
        paths: of the same images, all different, in a form that is the same on every machine.

    >>> image_ids(["a/1", "b 2"], ["a/1.png", "b 2.png"])
    ['a_1', 'b_2']
    """
    plain = [_UNSAFE.sub("_", name) for name in names]
    times = Counter(plain)
    return [
        f"{safe[-_LONGEST:]}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        if times[safe] > 1 or len(safe) > _LONGEST
        else safe
        for safe, path in zip(plain, paths, strict=True)
    ]


def read_lines(path: Path) -> list[str]:
    """Lines of a text file.

    Raises:
        InputError: the file is absent, cannot be read or is no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise InputError("absent", where=path, remedy="fetch the data set again") from error
    except UnicodeDecodeError as error:
        raise InputError("no UTF-8 text", where=path, remedy="save it as UTF-8") from error
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", where=path, remedy="put the text file there"
        ) from error
