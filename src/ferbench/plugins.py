"""Parts by name: the folder is the registry.

A part is a file of a plug-in folder, named like the file, or one of several parts in a family file,
whose `__all__` lists more than one name: each of them is a part, named in lower case. Files that
begin with `_` hold what parts share and are never listed.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

from ferbench.errors import InputError, unknown

__all__ = ["load", "module_of", "names", "parameters"]


def names(package: str) -> list[str]:
    """Names of all parts of a package, sorted; none of its modules is imported.

    Raises:
        InputError: two files offer the same name.
    """
    return sorted(_parts(package))


def module_of(package: str, name: str) -> str:
    """Dotted name of the module that holds a part, read without importing it.

    Raises:
        InputError: no such part; the message lists those there are.
    """
    return _find(package, name)[0]


def load(package: str, name: str) -> Any:
    """The part of a package that has this name.

    It is the one public object of the module `name` or, in a family file, the object of that name.

    Raises:
        InputError: no such part; the message lists those there are.
        ValueError: the `__all__` of a module that is no family does not hold exactly one name.
    """
    dotted, public = _find(package, name)
    module = importlib.import_module(dotted)
    if public is None:
        (public,) = module.__all__
    return getattr(module, public)


def parameters(package: str, name: str) -> list[str] | None:
    """Names of what the part `name` of a package takes, in order, read from its source.

    Nothing is imported but the package itself, so that a parameter file is checked without loading
    torch. A class with a mapping `OPTIONS` takes its keys; of another class count the parameters of
    its constructor or, of a dataclass, its fields. A class without either is like its first base.

    Returns:
        The names; None if the source does not show them.

    Raises:
        InputError: no such part; the message lists those there are.
    """
    module, public = _find(package, name)
    if public is None:
        listed = _listed(_source(module))
        if len(listed) != 1:
            return None
        (public,) = listed
    return _parameters(module, public)


def _find(package: str, name: str) -> tuple[str, str | None]:
    parts = _parts(package)
    if name not in parts:
        raise unknown(f"part of {package}", name, sorted(parts))
    return parts[name]


def _parts(package: str) -> dict[str, tuple[str, str | None]]:
    """Module and public name of each part; None where the module has the part's name."""
    folders = tuple(importlib.import_module(package).__path__)
    files = tuple(sorted(path.name for folder in folders for path in Path(folder).iterdir()))
    return _parts_of(package, folders, files)


@cache
def _parts_of(
    package: str, folders: tuple[str, ...], files: tuple[str, ...]
) -> dict[str, tuple[str, str | None]]:
    """Those of a package in these folders, sought again when files have come or gone.

    A study with its catalogue asks thousands of times.
    """
    del files
    parts: dict[str, tuple[str, str | None]] = {}
    for info in pkgutil.iter_modules(folders):
        if info.name.startswith("_"):
            continue
        module = f"{package}.{info.name}"
        listed = _listed(_origin(info.module_finder.find_spec(info.name, None)))
        family = {public.lower(): public for public in listed} if len(listed) > 1 else {}
        for name in family or [info.name]:
            if name in parts:
                first = parts[name][0].rpartition(".")[2]
                raise InputError(
                    f"{first}.py and {info.name}.py both offer a part {name!r}",
                    where=package,
                    remedy="rename one of them",
                )
            parts[name] = (module, family.get(name))
    return parts


def _listed(source: Path | None) -> list[str]:
    """The names in a module's `__all__`, if it is a plain list of strings."""
    for node in _syntax(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=elements)):
                return [str(e.value) for e in elements if isinstance(e, ast.Constant)]
    return []


def _parameters(module: str, public: str) -> list[str] | None:
    """Those of an object that a module defines or imports."""
    for node in _syntax(_source(module)).body:
        match node:
            case ast.ImportFrom(module=str(source), names=imported):
                if public in [alias.asname or alias.name for alias in imported]:
                    return _parameters(source, public)
            case ast.FunctionDef(name=name, args=args) if name == public:
                return _arguments(args)
            case ast.ClassDef(name=name) if name == public:
                return _of_class(module, node)
    return None


def _of_class(module: str, node: ast.ClassDef) -> list[str] | None:
    fields: list[str] = []
    for part in node.body:
        match part:
            case ast.AnnAssign(target=ast.Name(id="OPTIONS"), value=ast.Dict(keys=keys)):
                return [ast.literal_eval(key) for key in keys if key is not None]
            case ast.FunctionDef(name="__init__" | "__new__", args=args):
                return _arguments(args)[1:]
            case ast.AnnAssign(target=ast.Name(id=field)):
                if not re.search("ClassVar|KW_ONLY", ast.unparse(part.annotation)):
                    fields.append(field)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return fields
    match node.bases:
        case [ast.Name(id=base), *_]:
            return _parameters(module, base)
    return None


def _arguments(args: ast.arguments) -> list[str]:
    return [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]


def _source(module: str) -> Path | None:
    return _origin(importlib.util.find_spec(module))


def _origin(spec: ModuleSpec | None) -> Path | None:
    """The file of a module; None for what has none, such as a built-in."""
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


@cache
def _syntax(source: Path | None) -> ast.Module:
    """The syntax tree of a file; an empty one if there is no readable Python source."""
    try:
        return ast.parse(source.read_bytes()) if source else ast.Module([], [])
    except (OSError, SyntaxError):  # reported with its line by whoever imports the module
        return ast.Module([], [])
