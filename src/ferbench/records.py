"""Trees of YAML as frozen dataclasses, by their annotations."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from typing import Any, Literal

from ferbench.errors import InputError, unknown

__all__ = ["build_record"]


def _build(kind: Any, value: Any, where: str) -> Any:
    """`value` as an instance of the annotated type `kind`."""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return build_record(kind, value, where)
    if typing.get_origin(kind) is not None:
        return _build_generic(kind, value, where)
    if kind is float and type(value) is int:
        return float(value)
    _expect(type(value) is kind, f"of type {kind.__name__}", value, where)
    return value


def _build_generic(kind: Any, value: Any, where: str) -> Any:
    """`value` as a union, a word of a list, a tuple or a mapping."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):  # the second where a Literal is one of them
        return _build_union(args, value, where)
    if origin is Literal:
        if not any(type(value) is type(word) and value == word for word in args):
            raise unknown("value", value, map(str, args), where=where)
        return value
    if origin is tuple:
        _expect(isinstance(value, list), "a list", value, where)
        return tuple(_build(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    _expect(isinstance(value, dict), "a mapping", value, where)
    return {str(k): _build(args[1], item, f"{where}: {k}") for k, item in value.items()}


def _build_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None) and type(value) is kind:
            return value
        if typing.get_origin(kind) is Literal and value in typing.get_args(kind):
            return value
    words = " or ".join(_word(kind) for kind in kinds)
    raise _wrong(f"of type {words}", value, where)


def _word(kind: Any) -> str:
    if kind is type(None):
        return "null"
    if typing.get_origin(kind) is Literal:
        return " or ".join(repr(word) for word in typing.get_args(kind))
    return str(kind.__name__)


def build_record(kind: Any, value: Any, where: str) -> Any:
    """A mapping as an instance of a dataclass, and what is in it likewise.

    Args:
        kind: the dataclass.
        value: of the file.
        where: it stands, for messages.

    Raises:
        InputError: a key is unknown or missing, or a value is of the wrong type.
    """
    _expect(isinstance(value, dict), "a mapping", value, where)
    hints = typing.get_type_hints(kind)
    for key in value:
        if key not in hints:
            raise unknown("key", key, hints, where=where)
    if missing := [key for key in hints if key not in value]:
        raise InputError(
            f"missing: {', '.join(missing)}", where=where, remedy="rows are whole: write every key"
        )
    return kind(**{key: _build(hints[key], value[key], f"{where}: {key}") for key in hints})


def _expect(holds: bool, what: str, value: Any, where: str) -> None:
    if not holds:
        raise _wrong(what, value, where)


def _wrong(what: str, value: Any, where: str) -> InputError:
    remedy = "correct the value"
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value, re.IGNORECASE):
        remedy = "YAML takes this for a word; write the number with a point, as in 1.0e-3"
    return InputError(f"must be {what}, is {value!r}", where=where, remedy=remedy)
