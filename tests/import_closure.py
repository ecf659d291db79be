"""The modules that a Python file imports, directly or through others, read from its source.

Nothing is run. Imports inside functions count; those under `if TYPE_CHECKING` do not. A string that
is the name of a package counts as an import of all its modules, since that is how plug-ins are
loaded: `load("ferbench.models.attention", name)`, or by a constant or a table of such names.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ["import_closure", "imported_names", "module_file", "named_packages"]

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def import_closure(
    script: Path,
    src: Path,
    parts: Mapping[str, str] | None = None,
    cuts: Collection[tuple[str, str]] = (),
) -> dict[str, str]:
    """Every module below `src` that a script needs, with a module or file that imports it.

    A package is listed under its own name if its `__init__.py` holds more than a docstring.

    Args:
        script: a Python file, which need not be below `src` itself.
        src: the folder of the top-level packages; other packages are not followed.
        parts: plug-in packages by dotted name, of which only this one module is loaded.
        cuts: imports that are not followed, as (importing module, imported module); `*` stands for
            any importing module.
    """
    found: dict[str, str] = {}
    todo = [(script.name, script)]
    while todo:
        importer, path = todo.pop()
        for module in sorted(_needed(path, src, parts or {}) - found.keys()):
            if (importer, module) in cuts or ("*", module) in cuts:
                continue
            found[module] = importer
            file = module_file(module, src)
            assert file is not None, module
            todo.append((module, file))
    return dict(sorted(found.items()))


def imported_names(path: Path) -> set[tuple[str, str]]:
    """The pairs (module, name) of every `from module import name` of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    froms = (n for n in _run_nodes(tree) if isinstance(n, ast.ImportFrom) and n.module)
    return {(str(node.module), alias.name) for node in froms for alias in node.names}


def named_packages(path: Path, src: Path) -> frozenset[str]:
    """The packages below `src` that a file names in strings, to load their modules."""
    return _names(path, src)[1]


@cache
def module_file(module: str, src: Path) -> Path | None:
    """The file of a module or package below `src`; None if there is none."""
    path = _folder(module, src)
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def _needed(path: Path, src: Path, parts: Mapping[str, str]) -> set[str]:
    """The modules below `src` that one file imports or loads by name."""
    imported, packages = _names(path, src)
    needed = set(imported)
    for package in packages:
        one = parts.get(package)
        needed |= _run_with([f"{package}.{one}"], src) if one else _all(package, src)
    return needed


@cache
def _names(path: Path, src: Path) -> tuple[frozenset[str], frozenset[str]]:
    """The modules that a file imports, and the packages that it names in strings."""
    imported: set[str] = set()
    strings: set[str] = set()
    for node in _run_nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value.rstrip("."))  # f"ferbench.x.{name}" leaves "ferbench.x."
    dotted = (text for text in strings if _DOTTED.fullmatch(text))
    packages = (text for text in dotted if (_folder(text, src) / "__init__.py").is_file())
    return _run_with(imported, src), frozenset(packages)


def _run_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but those that only a type checker reads."""
    yield node
    children = ast.iter_child_nodes(node)
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        children = iter(node.orelse)
    for child in children:
        yield from _run_nodes(child)


@cache
def _all(package: str, src: Path) -> frozenset[str]:
    """All modules of a package, at any depth."""
    files = [file.relative_to(src).with_suffix("") for file in _folder(package, src).rglob("*.py")]
    return _run_with({".".join(file.parts).removesuffix(".__init__") for file in files}, src)


def _run_with(modules: Collection[str], src: Path) -> frozenset[str]:
    """Those of the given modules, and of the packages that they are in, that have code to run."""
    words = [module.split(".") for module in modules]
    names = {".".join(each[: i + 1]) for each in words for i in range(len(each))}
    return frozenset(name for name in names if _has_code(name, src))


@cache
def _has_code(module: str, src: Path) -> bool:
    """Whether a module is below `src` and is no `__init__.py` of nothing but a docstring."""
    file = module_file(module, src)
    if file is None or file.name != "__init__.py":
        return file is not None
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return any(not isinstance(node, ast.Expr) for node in body)


def _folder(package: str, src: Path) -> Path:
    return src.joinpath(*package.split("."))
