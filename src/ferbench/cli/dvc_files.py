"""How the DVC that ferbench starts reads and writes its YAML files: whole, and no text twice.

DVC parses `params.yaml` again for every stage, and parses and writes all of `dvc.lock` after every
stage. With 64 stages that is most of its time, and it grows with the square of their number. Here

- a file is written in one step, so that a kill leaves no half of it;
- a text that this process has parsed and checked is not parsed or checked again;
- of `dvc.lock`, only the stages that have changed are formatted; the others keep their text;
- what `dvc.lock` says is kept as JSON in `.cache/dvc_lock.json` once DVC has checked or written it,
  which is read 70 times faster;
- git's list of files is read again only when it has changed, not for every output.

What DVC gets, and the files, are the same as without. A DVC that is started by hand has none of
this, and may work in the same checkout.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from ferbench.files import digest, whole_file

__all__ = ["LOCK_FILE", "speed_up_dvc", "split_lock_file", "write_whole_files"]

LOCK_FILE = Path("dvc.lock")
_PARSED = Path(".cache/dvc_lock.json")
_HEAD = "schema: '2.0'\nstages:\n"
_STAGE = re.compile(r"^  \S", re.MULTILINE)
_ALIAS = re.compile(r"[:-] [&*]id\d")


def write_whole_files() -> None:
    """Make the DVC of this process write its YAML files whole or not at all."""
    from dvc.utils.serialize import _common, _yaml

    def dump(
        path: Any, data: Any, dumper: Callable[..., Any], fs: Any = None, **words: Any
    ) -> None:
        del fs  # ours are on the local disk
        text = io.StringIO()
        dumper(data, text, **words)
        _write(Path(path), text.getvalue())

    _common._dump_data = _yaml._dump_data = dump


def speed_up_dvc() -> None:
    """Make the DVC of this process parse and check a text once, and format changed stages alone."""
    from dvc import dvcfile
    from dvc.utils import strictyaml
    from dvc.utils.serialize import _yaml

    texts = _Texts(_yaml.parse_yaml, strictyaml.validate, dvcfile.modify_yaml)
    strictyaml.parse_yaml = _yaml.parse_yaml = texts.parse
    strictyaml.validate = texts.validate
    dvcfile.modify_yaml = texts.modify
    _read_index_once()


def _read_index_once() -> None:
    """Keep git's list of files while its file stays as it is."""
    from scmrepo.git.backend.dulwich import DulwichBackend

    is_tracked = DulwichBackend.is_tracked
    read: dict[tuple[Any, ...], tuple[bytes, ...]] = {}  # of one state of the file at a time

    def is_tracked_by_list(self: Any, path: str) -> bool:
        index = Path(self.repo.index_path())
        try:
            state = index.stat()
        except FileNotFoundError:
            return bool(is_tracked(self, path))
        key = index, state.st_ino, state.st_size, state.st_mtime_ns
        if key not in read:
            names = tuple(self.repo.open_index())
            read.clear()
            read[key] = names
        place = Path(os.path.relpath(path, self.root_dir)).as_posix().encode()
        return any(name == place or name.startswith(place + b"/") for name in read[key])

    DulwichBackend.is_tracked = is_tracked_by_list  # type: ignore[method-assign]


class _Texts:
    """The texts of DVC's YAML files that this process has seen.

    Args:
        parse: DVC's own parser.
        validate: DVC's own check of what a file says.
        modify: DVC's own context in which a file is changed.
    """

    def __init__(
        self,
        parse: Callable[..., Any],
        validate: Callable[..., Any],
        modify: Callable[..., AbstractContextManager[Any]],
    ) -> None:
        self._parse, self._validate, self._modify = parse, validate, modify
        # By path, the last text and what it says, and by name, the last text that DVC accepts.
        self._parsed: dict[str, tuple[str, bytes]] = {}
        self._checked: dict[str, str] = {}

    def parse(self, text: str, path: Any, typ: str = "safe") -> Any:
        """What a text says; the caller may change it."""
        if typ != "safe":  # with comments, for a file that will be written
            return self._parse(text, path, typ=typ)
        last, data = self._parsed.get(str(path), ("", b""))
        if not data or last != text:
            found = _kept(text) if _is_lock_file(path) else None
            if found is None:
                found = self._parse(text, path)
            else:
                self._checked[Path(path).name] = text
            data = pickle.dumps(found)
            self._parsed[str(path)] = text, data
        return pickle.loads(data)

    def validate(
        self,
        data: Any,
        schema: Any,
        text: str | None = None,
        path: str | None = None,
        rev: Any = None,
    ) -> Any:
        """Check what a text says against a schema; DVC ignores what this returns."""
        name = Path(path or "").name
        if not text or self._checked.get(name) != text:
            self._validate(data, schema, text=text, path=path, rev=rev)
            if text:
                self._checked[name] = text
                if _is_lock_file(name):
                    _keep(text, data)
        return data

    @contextmanager
    def modify(self, path: str, fs: Any = None) -> Iterator[Any]:
        """What a file says, which is written when the block ends."""
        if not _is_lock_file(path):
            with self._modify(path, fs=fs) as data:
                yield data
            return
        place = Path(path)
        text = place.read_text(encoding="utf-8") if place.is_file() else ""
        before, data = ((self.parse(text, path) if text else None) or {} for _ in range(2))
        yield data
        new = _formatted(text, before, data)
        _write(place, new)
        _keep(new, data)


def split_lock_file(text: str) -> tuple[str, list[str]]:
    """The head of a `dvc.lock`, and the lines of every stage."""
    bounds = [*(match.start() for match in _STAGE.finditer(text)), len(text)]
    return text[: bounds[0]], [text[start:end] for start, end in pairwise(bounds)]


def _is_lock_file(path: Any) -> bool:
    return Path(path).name == LOCK_FILE.name


def _formatted(text: str, before: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """The text of `data`, with the lines of `text` for stages that are as they were."""
    head, blocks = split_lock_file(text)
    old = before.get("stages") or {}
    if set(data) != {"schema", "stages"} or _ALIAS.search(text):
        return _dumped(data)
    kept = dict(zip(old, blocks, strict=True)) if head == _HEAD and len(old) == len(blocks) else {}
    lines = [
        kept[name]
        if name in kept and _equal(old[name], stage)
        else _dumped({"stages": {name: stage}}).removeprefix("stages:\n")
        for name, stage in data["stages"].items()
    ]
    return _HEAD + "".join(lines) if lines else _dumped(data)


def _equal(one: Any, other: Any) -> bool:
    """Equal to the type of every value: `==` does not tell 1 from 1.0 and from True."""
    return one == other and json.dumps(one, default=str) == json.dumps(other, default=str)


def _dumped(data: Any) -> str:
    text = io.StringIO()
    _yaml_of_lock_files().dump(data, text)
    return text.getvalue()


@cache
def _yaml_of_lock_files() -> Any:
    """DVC's own parser and writer, for a file that has no comments."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.representer.add_representer(OrderedDict, lambda own, data: own.represent_dict(data))
    return yaml


def _kept(text: str) -> Any:
    """What a `dvc.lock` with this text says, if a process has kept it; else None."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(_PARSED.read_bytes())
        if kept["checked_sha256"] == digest(text):
            return kept["data"]
    return None


def _keep(text: str, data: Any) -> None:
    """Keep it for other processes; where that fails, they parse the text."""
    content = json.dumps({"checked_sha256": digest(text), "data": data})
    if json.loads(content)["data"] == data:  # no keys or values that JSON does not know
        with suppress(OSError):
            _write(_PARSED, content)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
