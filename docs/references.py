"""The documentation's hook of mkdocs: reference sections from the code, links out of the pages.

A page has a marker where a reference belongs, such as `<!-- reference: commands -->`. When the site
is built, the marker is replaced by text made from the records of `ferbench.config` (types, bounds
and docstrings), from the parsers of the command line, or from a section of CONTRIBUTING.md. On
GitHub, where markers are invisible, the page still says what the reference is made from.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import html
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from ferbench.cli.main import build_parser
from ferbench.config import catalogue
from ferbench.config.clusters import Cluster
from ferbench.config.params import Params

__all__ = ["REFERENCES", "in_place", "on_page_markdown"]

_ROOT = Path(__file__).resolve().parents[1]
_MARKER = re.compile(r"^<!-- reference: (\w+) -->$", re.MULTILINE)
# A link to a file of the repository that is no page; pages are one folder deep.
_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./\.\./([^)\s]+)\)")
_WIDTH = 88  # of usage lines
_WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
_RULES = {
    "check_name": "name (lower-case letters, digits and `_`)",
    "_study_name": "name (lower-case letters, digits and `_`)",
    "_line": "a line of text",
    "_address": "address such as `tcp://HOST:PORT`",
    "_class_path": "class with its package",
    "_source": "a data set's source, or `any`",
    "_metric": "a metric",
    "_condition": "`<kind>:<condition>`, or empty",
}


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """What mkdocs calls for every page before it is rendered."""
    del page, files
    return _linked(in_place(markdown), config.extra["repository"])


def in_place(markdown: str) -> str:
    """A page's text with every marker replaced by its reference."""
    return _MARKER.sub(lambda match: REFERENCES[match[1]](), markdown)


def _linked(markdown: str, repository: str) -> str:
    """Links to files outside the pages lead to the repository, or are plain text without one."""
    target = rf"[\1]({repository.rstrip('/')}/blob/main/\2)" if repository else r"\1"
    return _OUTSIDE.sub(target, markdown)


def _params_reference() -> str:
    """A section per key of params.yaml, in the order of the file."""
    return "\n".join(
        part for key, kind in _hints(Params).items() for part in _key_sections(key, kind)
    )


def _key_sections(key: str, kind: Any) -> Iterator[str]:
    yield f"## `{key}`\n"
    records = [found for found in _inside(kind) if _is_record(found)]
    if not records:
        yield f"Value: {_value(kind)}.\n"
    for record in records:
        container = {"tuple": "A list; each entry", "Mapping": "A mapping by name; each row"}
        first = next((words for name, words in container.items() if name in str(kind)), "")
        yield f"{_summary(record)}\n"
        if first:
            yield f"{first} has these keys:\n"
        yield _table_of(record)


def _cluster_reference() -> str:
    return _table_of(Cluster)


def _study_reference() -> str:
    """How a study is written shorter than params.yaml: the words of the code that expands it."""
    rules = inspect.cleandoc(catalogue.__doc__ or "").split("\n\n", 1)[1]
    details = inspect.getdoc(catalogue.expand) or ""
    # Without its summary, and without what becomes of files that are whole already.
    body = details.split("\n\nArgs:")[0].split("\n\n", 2)[2]
    return f"{rules}\n\n{body}\n"


def _table_of(record: Any) -> str:
    """A table of a record's keys: what each takes, and what it means."""
    texts = _arguments(record)
    defaults = (
        {f.name: f for f in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    )
    lines = ["| key | value | meaning |", "|---|---|---|"]
    for key, kind in _hints(record).items():
        default = _default(defaults.get(key))
        lines.append(f"| `{key}` | {_cell(_value(kind) + default)} | {_cell(texts.get(key, ''))} |")
    return "\n".join(lines) + "\n"


def _default(field: Any) -> str:
    if field is None or field.default is dataclasses.MISSING:
        return (
            ""
            if field is None or field.default_factory is dataclasses.MISSING
            else "; may be left out"
        )
    value = field.default
    if value is None or isinstance(value, bool):
        value = {None: "null", True: "true", False: "false"}[value]
    return f"; default: {'empty' if value == '' else value}"


def _hints(record: Any) -> dict[str, Any]:
    return typing.get_type_hints(record, include_extras=True)


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or is_typeddict(kind)


def _inside(kind: Any) -> Iterator[Any]:
    """A type and all types that it is made of."""
    yield kind
    for argument in typing.get_args(kind):
        if not isinstance(argument, AfterValidator | FieldInfo | str | int):
            yield from _inside(argument)


def _summary(record: Any) -> str:
    """A docstring without its list of arguments."""
    return (inspect.getdoc(record) or "").split("\n\nArgs:")[0]


def _arguments(record: Any) -> dict[str, str]:
    """What a Google-style docstring says of each argument."""
    _, _, listed = (inspect.getdoc(record) or "").partition("Args:\n")
    block = re.split(r"\n(?=\S)", listed)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", block, re.MULTILINE)
    return {key: " ".join(text.split()) for key, text in found}


def _value(kind: Any) -> str:
    """A type, with its bounds, in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is Literal:
        return ", ".join(f"`{word}`" for word in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if a is types.NoneType else _value(a) for a in arguments)
    if origin is tuple:
        several = arguments[-1] is Ellipsis
        return (
            f"list of: {_value(arguments[0])}" if several else f"list of {len(arguments)} numbers"
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        free = arguments[1] is Any
        return (
            "mapping"
            if free
            else f"mapping; key: {_value(arguments[0])}; value: {_value(arguments[1])}"
        )
    return _WORDS[kind]


def _annotated(kind: Any, rules: tuple[Any, ...]) -> str:
    words = _value(kind)
    for rule in rules:
        bounds = isinstance(rule, FieldInfo)
        words = f"{words}, {_bounds(rule)}" if bounds else _ruled(words, rule)
    return words


def _bounds(rule: FieldInfo) -> str:
    limits = {
        name: limit
        for bound in rule.metadata
        for name in ("ge", "gt", "le", "lt", "min_length")
        if (limit := getattr(bound, name, None)) is not None
    }
    words = {"ge": "at least {:,}", "gt": "above {:,}", "le": "at most {:,}", "lt": "below {:,}"}
    words["min_length"] = "not empty" if limits.get("min_length") == 1 else "at least {:,} entries"
    return " and ".join(words[name].format(limit) for name, limit in limits.items())


def _ruled(words: str, rule: AfterValidator) -> str:
    """A value that a function of `ferbench.config` checks."""
    # `word` and `part` return closures, which hold the known values or the package of the parts.
    held = inspect.getclosurevars(rule.func).nonlocals
    if "known" not in held:
        name = rule.func.__name__
        return f"{words}, no entry twice" if name == "_distinct" else _RULES[name]
    known = held["known"]
    if not callable(known):
        return "one of " + ", ".join(f"`{word}`" for word in known)
    package = inspect.getclosurevars(known).nonlocals["package"]
    parts = ", ".join(f"`{name}`" for name in known())
    return f"part of `ferbench.{package}`: {parts}"


def _cell(text: str) -> str:
    """Text for a cell of a table, in which `<name>` is no HTML."""
    code = re.split(r"(`[^`]*`)", text)
    escaped = [part if part.startswith("`") else html.escape(part, quote=False) for part in code]
    return "".join(escaped).replace("|", "\\|")


def _commands_reference() -> str:
    """A section per command, in the order of the help."""
    return "\n".join(
        _command(words, short, parser) for words, short, parser in _commands(build_parser())
    )


def _commands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Every command that does something: its words, its line in the help, its parser."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                nested = list(_commands(child))
                yield from nested or [(child.prog, helps[name], child)]


def _command(words: str, short: str, parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = functools.partial(argparse.HelpFormatter, width=_WIDTH)
    text = parser.description or f"{short[:1].upper()}{short[1:]}."
    lines = [f"## {words}\n", f"{text}\n", f"```text\n{parser.format_usage().strip()}\n```\n"]
    rows = [_argument_row(action) for action in parser._actions if action.dest != "help"]
    if rows:
        lines += ["| argument | meaning |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def _argument_row(action: argparse.Action) -> str:
    metavar = action.metavar or (
        "|".join(action.choices) if action.choices else action.dest.upper()
    )
    value = "" if action.nargs == 0 else f" {metavar}"
    names = [f"{name}{value}" for name in action.option_strings] or [str(metavar)]
    text = (action.help or "").replace("%%", "%")
    if "default" not in text and action.option_strings and action.default not in (None, False, []):
        text = f"{text} (default: {action.default})".strip()
    shown = ", ".join(f"`{name}`" for name in names)
    return f"| {_cell(shown)} | {_cell(text)} |"


def _adding_reference() -> str:
    """The section of CONTRIBUTING.md on parts, with headings one level down."""
    text = (_ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.split("\n## Adding something\n", 1)[1].split("\n## ", 1)[0].strip() + "\n"


REFERENCES: Mapping[str, Callable[[], str]] = {
    "params": _params_reference,
    "study": _study_reference,
    "cluster": _cluster_reference,
    "commands": _commands_reference,
    "adding": _adding_reference,
}
