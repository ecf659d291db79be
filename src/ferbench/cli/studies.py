"""Studies: parameter files in `studies/`, one of which is active, in full, as `params.yaml`.

A study file holds what differs from `studies/defaults.yaml` and names rows of the catalogue;
`params.yaml`, which stages read and a user edits, has all of it. Switching to a study never loses
an edit: a file that is not what switching to its own study would write is kept in `.cache/params`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from ferbench.config.catalogue import expand, read_yaml, study_files
from ferbench.config.params import Params, load_params
from ferbench.errors import InputError, unknown
from ferbench.files import whole_file

__all__ = [
    "ACTIVE",
    "Change",
    "Switch",
    "active_name",
    "create",
    "edits",
    "known",
    "load_study",
    "study_text",
    "use",
]

ACTIVE = Path("params.yaml")
STUDIES = Path("studies")
KEPT = Path(".cache/params")
_HEAD = """\
# Study `{name}`, as `ferbench study use {name}` writes it: studies/{name}.yaml, its defaults and
# its rows of studies/catalogue in full. Stages read this file alone.
"""
_COMMENTS = {
    "datasets": "a data set under a protocol; the key names folders and stages",
    "variants": "a column holds the name of a file in the folder that is called like the column",
}
# How many levels below a table are written one key a line; what is deeper is one line.
_LEVELS = {"study": 1, "datasets": 2, "variants": 1, "recipes": 3, "train": 1, "score": 1}


@dataclass(frozen=True)
class Change:
    """One difference between two parameter files.

    Args:
        sign: `+` for a key that is new, `-` for one that is gone, `~` for a value that differs.
        key: the way down, joined by points; it begins with the table.
        old: the value before; None if there was none.
        new: the value after; None if there is none.
    """

    sign: str
    key: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Switch:
    """What switching to a study has changed.

    Args:
        old: the name of the study before; None if there was none.
        kept: where the hand-edited file went; None if there was nothing to keep.
        changes: what is different now; empty if the study was active already.
    """

    old: str | None
    kept: Path | None
    changes: tuple[Change, ...]


def known() -> list[str]:
    """The names of all studies, sorted."""
    return [path.stem for path in study_files(STUDIES)]


def load_study(name: str) -> Params:
    """The parameters of a study, checked.

    Raises:
        InputError: no such study, something in its file is wrong, or it calls itself otherwise.
    """
    if name not in known():
        raise unknown("study", name, known(), where=STUDIES)
    path = STUDIES / f"{name}.yaml"
    params = load_params(path)
    if params.study.name != name:
        raise InputError(
            f"calls itself {params.study.name!r}",
            where=f"{path}: study: name",
            remedy="a study is called what its file is called",
        )
    return params


def use(name: str) -> Switch:
    """Write a study to `params.yaml`; a file edited by hand is kept first.

    Raises:
        InputError: as `load_study`.
    """
    load_study(name)
    text = _text(name)
    if ACTIVE.is_file() and ACTIVE.read_bytes() == text:
        return Switch(name, None, ())
    before = _tree(ACTIVE)
    old = _study_name(before)
    kept = _keep(old)
    with whole_file(ACTIVE) as temporary:
        temporary.write_bytes(text)
    return Switch(old, kept, tuple(_changes(before, _tree(ACTIVE))))


@dataclass(frozen=True)
class Outline:
    """What a new study is about.

    Args:
        name: of the study.
        source: of the data, a file of `ferbench.data.sources`.
        data: folder or archive of the data.
        protocol: how it is split.
        variants: names of rows of the catalogue; the first is the control.
        seeds: number of runs of each variant.
        recipes: `paper`, or `cpu` for the short ones.
    """

    name: str
    source: str
    data: Path
    protocol: str
    variants: tuple[str, ...]
    seeds: int
    recipes: str


def create(outline: Outline) -> Path:
    """Write the file of a new study.

    Returns:
        its path.

    Raises:
        InputError: there is such a study, the data is not there, or a name is unknown; then no
            file is written.
    """
    path = STUDIES / f"{outline.name}.yaml"
    if path.exists():
        raise InputError("exists already", where=path, remedy="take another name")
    if not outline.data.exists():
        raise InputError("no such file or folder", where=outline.data, remedy="check --data")
    row = {
        "source": outline.source,
        "archive": str(outline.data.resolve()),
        "protocol": outline.protocol,
    }
    tree = {
        "study": {
            "name": outline.name,
            "title": f"{', '.join(outline.variants)} on {outline.data.name}",
            "control": outline.variants[0],
            "paper_tables": [],
        },
        "seeds": list(range(outline.seeds)),
        "datasets": {outline.name: row},
        "variants": list(outline.variants),
        "recipes": outline.recipes,
    }
    text = "# Written by `ferbench study new`; studies/defaults.yaml has the rest.\n"
    text += yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    try:
        load_study(outline.name)
    except InputError:
        path.unlink()
        raise
    return path


def active_name() -> str | None:
    """The name of the study in `params.yaml`; None if it has none."""
    return _study_name(_tree(ACTIVE))


def edits() -> tuple[Change, ...] | None:
    """How `params.yaml` differs from its study's file; None if there is no such file."""
    tree = _tree(ACTIVE)
    path = STUDIES / f"{_study_name(tree)}.yaml"
    return tuple(_changes(_tree(path), tree)) if path.is_file() else None


class _Dumper(yaml.SafeDumper):
    """Equal rows are written twice, not as a reference to each other."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def study_text(tree: Mapping[str, Any]) -> str:
    """The text of a whole tree, to be read and edited by hand: a line a variant, a block a table.

    Args:
        tree: of a study, with all its rows whole; reading the text gives it again.
    """
    tables = ["\n".join(_lines(key, value, _LEVELS.get(key, 0))) for key, value in tree.items()]
    return _HEAD.format(name=tree["study"]["name"]) + "\n\n".join(tables) + "\n"


def _lines(key: str, value: Any, levels: int, indent: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value and levels > 0:
        comment = f"  # {_COMMENTS[key]}" if not indent and key in _COMMENTS else ""
        yield f"{indent}{_dump(key)}:{comment}"
        for inner, item in value.items():
            yield from _lines(inner, item, levels - 1, f"{indent}  ")
    elif isinstance(value, dict | list):
        yield f"{indent}{_dump(key)}: {_dump(value)}"
    else:
        yield f"{indent}{_dump({key: value}, False)}"


def _dump(value: Any, flow: bool = True) -> str:
    """A value in one line."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.removesuffix("...\n").strip()


def _text(name: str | None) -> bytes:
    """What switching to a study writes; nothing if it has no valid name."""
    tree = _tree(STUDIES / f"{name}.yaml")
    return study_text(tree).encode() if _study_name(tree) else b""


def _keep(name: str | None) -> Path | None:
    """Copy `params.yaml` away if it is not, byte for byte, what its study would write."""
    if not ACTIVE.is_file():
        return None
    text = ACTIVE.read_bytes()
    if text == _text(name):
        return None
    kept = KEPT / f"{name or 'unnamed'}-{datetime.now():%Y%m%d-%H%M%S-%f}.yaml"
    with whole_file(kept) as temporary:
        temporary.write_bytes(text)
    return kept


def _tree(path: Path) -> Mapping[str, Any]:
    """The file's rows in full; empty if it is absent or broken, since it may be replaced."""
    try:
        tree = read_yaml(path)
    except (OSError, InputError):
        return {}
    with suppress(InputError):
        tree = expand(tree, path)
    return tree if isinstance(tree, dict) else {}


def _study_name(tree: Mapping[str, Any]) -> str | None:
    study = tree.get("study")
    name = study.get("name") if isinstance(study, dict) else None
    return name if isinstance(name, str) and name.isidentifier() else None


def _changes(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[Change]:
    """Differences of two trees; a branch that is new or gone as a whole is one of them."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            way = (*path, str(key))
            if key not in new:
                yield Change("-", ".".join(way), old[key], None)
            elif key not in old:
                yield Change("+", ".".join(way), None, new[key])
            else:
                yield from _changes(old[key], new[key], way)
    elif old != new:
        yield Change("~", ".".join(path), old, new)
