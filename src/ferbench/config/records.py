"""Trees of YAML as typed records, checked by pydantic.

A field's annotation is what it takes: its type, and bounds as `Field(ge=1)` or a rule of this
module. Types are strict (true is no number, "3" is no whole number), unknown keys are refused, and
no number may be infinite or nan. The first thing that pydantic finds wrong becomes an `InputError`
which names the file, the way to the key, what is wrong and what would do.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    TypeAdapter,
    ValidationError,
    with_config,
)
from pydantic_core import PydanticCustomError

from ferbench import plugins
from ferbench.errors import InputError, unknown

__all__ = [
    "RECORD",
    "Distinct",
    "Line",
    "Options",
    "Table",
    "build_record",
    "check_name",
    "part",
    "refusal",
    "word",
]

T = TypeVar("T")

RECORD = ConfigDict(extra="forbid", strict=True)

_DEEPEST = 20  # levels of free-form options; a YAML anchor can hold itself

# Keys and words of earlier versions, and what they are called now.
_RENAMED = {
    "answers": "paper_tables",
    "baseline": "control",
    "gates": "attention_maps",
    "probes": "robustness",
}
# What pydantic's types of errors ask for.
_EXPECTED = {
    "bool_type": "true or false",
    "dataclass_type": "a mapping",
    "dict_type": "a mapping",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "string_type": "a text",
    "tuple_type": "a list",
}
_UNKNOWN_KEY = ("unexpected_keyword_argument", "extra_forbidden")
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def refusal(what: str, remedy: str) -> PydanticCustomError:
    """The error that a validator raises; its place is added by pydantic."""
    return PydanticCustomError("refused", "{what}", {"what": what, "remedy": remedy})


def word(kind: str, known: Iterable[T] | Callable[[], Iterable[T]]) -> AfterValidator:
    """An annotation: the value is one of a list.

    Args:
        kind: what the values are called in messages.
        known: the values, or a function that lists them.
    """

    def check(value: T) -> T:
        words = known() if callable(known) else known
        if value not in words:
            raise _unknown(kind, value, map(str, words))
        return value

    return AfterValidator(check)


def part(package: str, kind: str) -> AfterValidator:
    """An annotation: the text names a part of a package, whose parts are listed and not loaded.

    Args:
        package: without `ferbench.`: the test of the stages' dependencies takes a whole name for a
            load.
        kind: what the parts are called in messages.
    """
    return word(kind, lambda: plugins.names(f"ferbench.{package}"))


def _line(text: str) -> str:
    if not text.strip() or text.splitlines() != [text]:
        raise refusal(f"must be a line of text, is {text!r}", "write one line that is not blank")
    return text


def check_name(text: str) -> str:
    """A name that can be a DVC stage (joined by `-`), a folder and a tag, as it is."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text):
        raise refusal(
            f"bad name {text!r}",
            "use at most 64 lower-case letters, digits and _, beginning with a letter",
        )
    return text


def _distinct(entries: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    twice = [entry for entry, count in Counter(entries).items() if count > 1]
    if twice:
        raise refusal(f"has {twice[0]!r} twice", "drop one of the two")
    return entries


Line = Annotated[str, AfterValidator(_line)]
_Name = Annotated[str, AfterValidator(check_name)]
Distinct = Annotated[tuple[T, ...], AfterValidator(_distinct)]
Table = Mapping[_Name, T]
# Free-form settings of a part.
Options = Mapping[str, Any]


def build_record(kind: Any, value: Any, where: str) -> Any:
    """A mapping of a file as an instance of a dataclass, and what is in it likewise.

    The value is given to pydantic as JSON, in which a list may become a tuple and a mapping a
    dataclass though types are strict.

    Args:
        kind: the dataclass.
        value: as YAML gives it.
        where: the file, and the way to the value in it, for messages.

    Raises:
        InputError: a key is unknown or missing, or a value is of the wrong type or breaks a rule.
    """
    _check_json(value, where)
    try:
        return _adapter(kind).validate_json(json.dumps(value))
    except ValidationError as error:
        raise _input_error(error, kind, value, where) from error


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind if hasattr(kind, "__pydantic_config__") else with_config(RECORD)(kind))


def _check_json(value: Any, where: str, depth: int = 0) -> None:
    """Refuse what JSON cannot hold, anywhere in a tree: nan, dates, what holds itself."""
    if depth > _DEEPEST:
        raise InputError("is nested too deeply", where=where, remedy="write it flatter")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_json(item, f"{where}: {key}", depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_json(item, f"{where}[{number}]", depth + 1)
    elif not isinstance(value, str | int | float | None):
        raise InputError(
            f"must be a text, a number, a list or a mapping, is {value!r}",
            where=where,
            remedy="put a text in quotes",
        )
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(
            f"must be a finite number, is {value}", where=where, remedy="correct the value"
        )


def _input_error(error: ValidationError, kind: Any, tree: Any, where: str) -> InputError:
    """The first error that pydantic lists; an unknown key comes first, as the likely reason."""
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] in _UNKNOWN_KEY), errors[0])
    path, value = _followed(first["loc"], tree)
    here = [e for e in errors if _followed(e["loc"], tree)[0] == path]
    if first["type"] in _UNKNOWN_KEY:
        refused = _unknown("key", first["loc"][-1], _keys_at(kind, path[:-1]))
        path = path[:-1]
    elif first["type"] == "missing":
        missing = [str(e["loc"][-1]) for e in here if e["type"] == "missing"]
        refused = refusal(f"missing: {', '.join(missing)}", "write every key")
    else:
        refused = _refused_value(here, value)
    place = "".join(f"[{word}]" if isinstance(word, int) else f": {word}" for word in path)
    context = refused.context or {}
    return InputError(context["what"], where=f"{where}{place}", remedy=context["remedy"])


def _followed(loc: Sequence[int | str], tree: Any) -> tuple[list[int | str], Any]:
    """The part of an error's place that leads through the tree, and the value there.

    pydantic also names the members of unions, missing keys and `[key]`, which lead nowhere.
    """
    path: list[int | str] = []
    for word in loc:
        if isinstance(tree, Mapping):
            found = {str(key): item for key, item in tree.items()}
            if word in found:
                path.append(word)
                tree = found[str(word)]
        elif isinstance(tree, Sequence) and isinstance(word, int):
            path.append(word)
            tree = tree[word]
    return path, tree


def _keys_at(kind: Any, path: Sequence[int | str]) -> Iterable[str]:
    """The keys of the record to which a path leads: through records and mappings of records."""
    for word in path:
        hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else None
        kind = hints[str(word)] if hints else typing.get_args(kind)[-1]
    return typing.get_type_hints(kind)


def _refused_value(errors: Sequence[Any], value: Any) -> PydanticCustomError:
    """What is wrong with one value, of which a union's members each have an error."""
    bounds = [e for e in errors if e.get("ctx", {}).keys() & _BOUNDS.keys()]
    first = (bounds or errors)[0]
    context = first.get("ctx", {})
    if first["type"] == "refused":
        return refusal(context["what"], context["remedy"])
    if first["type"] == "too_short":
        return refusal("is empty", f"write at least {context['min_length']}")
    if first["type"] == "literal_error" and len(errors) == 1:
        known = re.split(r", | or ", context["expected"])
        return _unknown("value", value, [word.strip("'") for word in known])
    if bounds:
        ((word, bound),) = ((_BOUNDS[k], b) for k, b in context.items() if k in _BOUNDS)
        return _wrong(f"{word} {bound:g}" if isinstance(bound, float) else f"{word} {bound}", value)
    expected = [
        e["ctx"]["expected"] if e["type"] == "literal_error" else _EXPECTED.get(e["type"], e["msg"])
        for e in errors
    ]
    return _wrong(" or ".join(expected), value)


def _wrong(expected: str, value: Any) -> PydanticCustomError:
    remedy = "correct the value"
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d+", value, re.IGNORECASE):
        remedy = "YAML takes this for a word; write the number with a point, as in 1.0e-3"
    return refusal(f"must be {expected}, is {value!r}", remedy)


def _unknown(kind: str, word: Any, known: Iterable[str]) -> PydanticCustomError:
    """An unknown word is answered with the nearest known one, a renamed one with its new name."""
    if word == "deviations":
        return refusal(
            "deviations are not typed; they are what sets a recipe apart from its `paper`",
            "delete the key; `like` inherits the `paper` of the other recipe",
        )
    listed = list(known)
    if word in _RENAMED and _RENAMED[word] in listed:
        new = _RENAMED[word]
        return refusal(f"{kind} {word!r} is now called {new!r}", f"write {new}")
    error = unknown(kind, word, listed)
    return refusal(error.what, error.remedy)
