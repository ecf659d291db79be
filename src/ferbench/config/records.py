"""Trees of YAML as frozen dataclasses, by their annotations.

What a field takes stands beside it: its type, and in `Annotated` the rules that its value keeps, as
in `epochs: Annotated[int, Range(min=1)]`. No number may be infinite or no number (nan), wherever it
stands.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections import Counter
from collections.abc import Collection
from functools import cache
from typing import Annotated, Any, Literal, Protocol

from ferbench.errors import InputError, unknown

__all__ = ["Entries", "Keys", "Line", "Range", "Rule", "build_record", "build_value"]

_DEEPEST = 20  # levels of free-form options; a YAML anchor can hold itself


class Rule(Protocol):
    """What a value keeps besides its type; stands in the `Annotated` of a field."""

    def check(self, value: Any, where: str) -> None:
        """Refuse a value.

        Args:
            value: of the annotated type.
            where: it stands, for the message.

        Raises:
            InputError: the value does not keep the rule.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Range:
    """A number lies between bounds; those that are None do not bind.

    >>> str(Range(min=1, max=10)), str(Range(above=0, max=1)), str(Range(min=0))
    ('from 1 to 10', 'above 0 and at most 1', 'at least 0')

    Args:
        min: the smallest value.
        max: the largest value.
        above: all values are larger.
        below: all values are smaller.
    """

    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        if self.min is not None and self.max is not None:
            return f"from {self.min} to {self.max}"
        bounds = {
            "at least": self.min,
            "above": self.above,
            "at most": self.max,
            "below": self.below,
        }
        return " and ".join(f"{word} {end}" for word, end in bounds.items() if end is not None)

    def check(self, value: float, where: str) -> None:
        """Refuse a number outside."""
        inside = (
            (self.min is None or value >= self.min)
            and (self.max is None or value <= self.max)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )
        _expect(inside, str(self), value, where)


@dataclasses.dataclass(frozen=True)
class Entries:
    """A list has at least so many entries, none of them twice; a mapping, at least so many rows."""

    min: int = 0

    def check(self, value: Collection[Any], where: str) -> None:
        """Refuse a list or mapping that is too short, and a list with an entry twice."""
        if len(value) < self.min:
            raise InputError("is empty", where=where, remedy=f"write at least {self.min}")
        if isinstance(value, tuple):
            twice = [entry for entry, count in Counter(value).items() if count > 1]
            if twice:
                raise InputError(
                    f"has {twice[0]!r} twice", where=where, remedy="drop one of the two"
                )


@dataclasses.dataclass(frozen=True)
class Keys:
    """A mapping has these keys and no others.

    Args:
        known: the keys.
        whole: all of them must be there.
    """

    known: tuple[str, ...]
    whole: bool = False

    def check(self, value: Collection[str], where: str) -> None:
        """Refuse an unknown key and, if the mapping must be whole, a missing one."""
        _check_keys(value, self.known if self.whole else (), self.known, where)


@dataclasses.dataclass(frozen=True)
class Line:
    """A text is one line and not blank."""

    def check(self, value: str, where: str) -> None:
        """Refuse a blank text and one with line breaks."""
        _expect(
            bool(value.strip()) and value.splitlines() == [value], "a line of text", value, where
        )


def build_record(kind: Any, value: Any, where: str) -> Any:
    """A mapping as an instance of a dataclass, and what is in it likewise.

    Args:
        kind: the dataclass.
        value: of the file.
        where: it stands, for messages.

    Raises:
        InputError: a key is unknown or missing, or a value is of the wrong type or breaks a rule.
    """
    _expect(isinstance(value, dict), "a mapping", value, where)
    hints = _hints(kind)
    _check_keys(value, hints, hints, where)
    return kind(**{key: build_value(hints[key], value[key], f"{where}: {key}") for key in hints})


def build_value(kind: Any, value: Any, where: str) -> Any:
    """A value as an instance of an annotated type, as `build_record` does with every field.

    Args:
        kind: the type, with its rules if it has any.
        value: of the file.
        where: it stands, for messages.

    Raises:
        InputError: the value is of the wrong type or breaks a rule.
    """
    if kind is Any:
        _check_finite(value, where)
        return value
    if dataclasses.is_dataclass(kind):
        return build_record(kind, value, where)
    if typing.get_origin(kind) is Annotated:
        bare, *rules = typing.get_args(kind)
        built = build_value(bare, value, where)
        for rule in rules:
            rule.check(built, where)
        return built
    if typing.get_origin(kind) is not None:
        return _build_generic(kind, value, where)
    _expect(_is_of(kind, value), f"of type {kind.__name__}", value, where)
    _check_finite(value, where)
    return float(value) if kind is float else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _build_generic(kind: Any, value: Any, where: str) -> Any:
    """`value` as a union, a word of a list, a tuple or a mapping."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):  # the second where a Literal is one of them
        return _build_union(args, value, where)
    if origin is Literal:
        if not _is_of(kind, value):
            raise unknown("value", value, map(str, args), where=where)
        return value
    if origin is tuple:
        _expect(isinstance(value, list), "a list", value, where)
        return tuple(build_value(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    _expect(isinstance(value, dict), "a mapping", value, where)
    return {str(k): build_value(args[1], item, f"{where}: {k}") for k, item in value.items()}


def _build_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    for kind in kinds:
        if _is_of(_bare(kind), value):
            return None if value is None else build_value(kind, value, where)
    words = " or ".join(_word(_bare(kind)) for kind in kinds)
    raise _wrong(f"of type {words}", value, where)


def _bare(kind: Any) -> Any:
    """A type without its rules."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is Annotated else kind


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a value is of a simple type or one of a list of words; True is no number."""
    if typing.get_origin(kind) is Literal:
        return any(type(value) is type(w) and value == w for w in typing.get_args(kind))
    return type(value) is kind or (kind is float and type(value) is int)


def _word(kind: Any) -> str:
    if kind is type(None):
        return "null"
    if typing.get_origin(kind) is Literal:
        return " or ".join(repr(word) for word in typing.get_args(kind))
    return str(kind.__name__)


def _check_keys(
    given: Collection[Any], needed: Collection[str], known: Collection[str], where: str
) -> None:
    for key in given:
        if key not in known:
            raise unknown("key", key, known, where=where)
    if missing := [key for key in needed if key not in given]:
        raise InputError(
            f"missing: {', '.join(missing)}", where=where, remedy="rows are whole: write every key"
        )


def _check_finite(value: Any, where: str, depth: int = 0) -> None:
    """Refuse nan, infinity and what no float can hold, anywhere in a tree."""
    if depth > _DEEPEST:
        raise InputError("is nested too deeply", where=where, remedy="write it flatter")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_finite(item, f"{where}: {key}", depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_finite(item, f"{where}[{number}]", depth + 1)
    elif isinstance(value, int | float) and not _is_finite(value):
        raise _wrong("a finite number", value, where)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


def _expect(holds: bool, what: str, value: Any, where: str) -> None:
    if not holds:
        raise _wrong(what, value, where)


def _wrong(what: str, value: Any, where: str) -> InputError:
    remedy = "correct the value"
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value, re.IGNORECASE):
        remedy = "YAML takes this for a word; write the number with a point, as in 1.0e-3"
    return InputError(f"must be {what}, is {value!r}", where=where, remedy=remedy)
