"""The one exception that means "your input, not our bug"."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pickle import UnpicklingError

__all__ = ["DAMAGED", "InputError", "causes", "unknown"]

# What torch raises when it reads a file of tensors that is damaged or something else.
DAMAGED = (
    *(UnpicklingError, struct.error, OSError, EOFError, RuntimeError, AssertionError),
    *(ValueError, TypeError, LookupError, AttributeError),
)


class InputError(Exception):
    """Bad input, reported in one message that names the place and the remedy.

    Commands print it without a traceback and exit with status 2.

    Args:
        what: what is wrong.
        where: file, and row or key if there is one.
        remedy: what the user can do about it.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        place = f"{where}: " if where is not None else ""
        advice = f"\n  remedy: {remedy}" if remedy else ""
        super().__init__(f"{place}{what}{advice}")


def unknown(kind: str, word: object, known: Iterable[str], *, where: object = None) -> InputError:
    """The error for a word that is not in a list, with the nearest known ones first.

    >>> print(unknown("attention", "cbma", ["cbam", "none"]))
    unknown attention 'cbma'
      remedy: did you mean 'cbam'? known: cbam, none
    """
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(str(word), names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InputError(
        f"unknown {kind} {word!r}", where=where, remedy=f"{hint}known: {', '.join(names)}"
    )


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what it was raised from or while handling, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
