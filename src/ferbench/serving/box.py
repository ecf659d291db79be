"""The models in the box: those that are installed with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ferbench.errors import InputError

__all__ = ["DEFAULT", "boxed_model", "boxed_models"]

DEFAULT = "fer2013"


def boxed_models() -> dict[str, Path]:
    """The folders of all installed models by name."""
    folder = Path(str(files("ferbench.serving"))) / "models"
    return {path.parent.name: path.parent for path in sorted(folder.glob("*/model.json"))}


def boxed_model(name: str = DEFAULT) -> Path:
    """The folder of a model that is installed with the package.

    Raises:
        InputError: this installation does not have it.
    """
    found = boxed_models()
    if name not in found:
        known = f"installed are {', '.join(found)}; or name" if found else "name"
        raise InputError(
            f"no model {name} is installed with this version",
            where="ferbench",
            remedy=f"{known} one: `--model FOLDER`, as `ferbench export` writes it, or "
            "`--model models:/ferbench_<dataset>@champion` from the MLflow registry",
        )
    return found[name]
