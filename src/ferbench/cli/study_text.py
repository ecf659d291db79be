"""A study's whole tree as the text of `params.yaml`, made to be read and edited by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["study_text"]

_HEAD = """\
# Study `{name}`, as `ferbench study use {name}` writes it: what studies/{name}.yaml names
# stands here in full, by studies/catalogue. Stages read this file alone.
"""
# How many levels of a table are written one key a line; what is deeper stands in one line.
_LEVELS = {"study": 1, "datasets": 2, "variants": 1, "recipes": 3, "train": 1, "score": 1}
_SAID = {
    "datasets": "a data set under a protocol; the key names folders and stages",
    "variants": "which part stands in which place; a cell is a file of the folder its column is "
    "named after",
}


class _Line(dict[str, Any]):
    """A mapping that is written in one line."""


class _Items(list[Any]):
    """A list that is written in one line."""


class _Dumper(yaml.SafeDumper):
    """Lists are indented, and equal rows are written twice, not as a reference to each other."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _Line, lambda d, x: d.represent_mapping("tag:yaml.org,2002:map", x.items(), flow_style=True)
)
_Dumper.add_representer(
    _Items, lambda d, x: d.represent_sequence("tag:yaml.org,2002:seq", x, flow_style=True)
)


def study_text(tree: Mapping[str, Any]) -> str:
    """The text of a whole tree: a block a table, a line a variant.

    Args:
        tree: of a study, with all its rows whole; reading the text gives it again.
    """
    head = _HEAD.format(name=tree["study"]["name"])
    return head + "\n".join(_part(key, value) for key, value in tree.items())


def _part(key: str, value: Any) -> str:
    text = yaml.dump(
        {key: _shaped(value, _LEVELS.get(key, 0))},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    said = f"{key}:  # {_SAID.get(key)}\n"
    return text.replace(f"{key}:\n", said, 1) if key in _SAID else text


def _shaped(value: Any, levels: int) -> Any:
    """The value with everything below so many levels in one line."""
    if isinstance(value, dict):
        kind: type[dict[str, Any]] = dict if levels > 0 else _Line
        return kind({key: _shaped(item, levels - 1) for key, item in value.items()})
    if isinstance(value, list):
        return value if levels > 0 else _Items(value)
    return value
