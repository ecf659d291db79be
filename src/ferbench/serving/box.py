"""The model in the box: the one that is installed with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from ferbench.errors import InputError

__all__ = ["boxed_model"]


def boxed_model() -> Path:
    """The folder of the model that is installed with the package.

    Raises:
        InputError: this installation has none.
    """
    folder = Path(str(files("ferbench.serving"))) / "models"
    found = sorted(path.parent for path in folder.glob("*/model.json"))
    if not found:
        raise InputError(
            "no model is installed with this version",
            where="ferbench",
            remedy="name one: `--model FOLDER`, as `ferbench export` writes it, or "
            "`--model models:/ferbench_<dataset>@champion` from the MLflow registry",
        )
    return found[0]
