"""Parts by file name: the folder is the registry."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

from ferbench.errors import unknown

__all__ = ["load", "names", "parameters"]


def names(package: str) -> list[str]:
    """Names of all parts in a package, sorted."""
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))


def load(package: str, name: str) -> Any:
    """The one public object of `package.name`.

    Raises:
        InputError: no such part; the message lists those there are.
        ValueError: the module's `__all__` does not hold exactly one name.
    """
    if name not in names(package):
        raise unknown(f"part of {package}", name, names(package))
    module = importlib.import_module(f"{package}.{name}")
    (public,) = module.__all__
    return getattr(module, public)


def parameters(package: str, name: str) -> list[str] | None:
    """What the public object of `package.name` takes, in order, read from its source.

    Nothing is imported but the package itself, so that a parameter file is checked without loading
    torch. A class with a mapping `OPTIONS` takes its keys; of another class count the parameters of
    its constructor or, of a dataclass, its fields. A class without either is like its first base.

    Returns:
        Their names; None if the source does not show them.

    Raises:
        InputError: no such part; the message lists those there are.
    """
    if name not in names(package):
        raise unknown(f"part of {package}", name, names(package))
    module = f"{package}.{name}"
    for node in _syntax(module).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="__all__")],
                value=ast.List(elts=[ast.Constant(value=str(public))]),
            ):
                return _parameters(module, public)
    return None


def _parameters(module: str, public: str) -> list[str] | None:
    """Those of an object that a module defines or imports."""
    for node in _syntax(module).body:
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


@cache
def _syntax(module: str) -> ast.Module:
    """The syntax tree of a module; an empty one of what is no readable source."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.has_location:
        return ast.Module([], [])
    try:
        return ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError):  # told with its line by whoever imports it
        return ast.Module([], [])
