"""Parts by file name: the folder is the registry."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from ferbench.errors import unknown

__all__ = ["load", "names"]


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
