"""Sizes of variants, computed once: what `ferbench.models.describe` says of a row is kept.

A size is computed anew when the row, its recipe, the code of `ferbench.models` or a library that
networks come from is another.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import ferbench
from ferbench.config.catalogue import Catalogue
from ferbench.config.params import Recipe, Variant, load_params
from ferbench.errors import InputError
from ferbench.files import digest, read_json, sha256_file, write_json

__all__ = ["Row", "catalogue_rows", "sizes", "study_rows"]

Row = tuple[Variant, Recipe]

KEPT = Path(".cache/variants")
_LIBRARIES = ("torch", "torchvision", "ultralytics")
_KEYS = ("task", "params_train", "params_deployed", "gflops", "input_px")


def catalogue_rows() -> dict[str, Row]:
    """Every row of the catalogue with its family's `paper` recipe.

    Raises:
        InputError: there is no catalogue, or a row of it is not whole.
    """
    catalogue = Catalogue(Path("params.yaml"))
    rows = {}
    for name, cells in catalogue.variants.items():
        where = f"studies/catalogue/variants.yaml: {name}"
        variant = _record(Variant, cells, where)
        recipe = f"{variant.recipe}_paper"
        if recipe not in catalogue.recipes:
            raise InputError(
                f"no recipe {recipe}", where=where, remedy="write it in recipes.yaml beside it"
            )
        rows[name] = variant, _record(Recipe, catalogue.recipes[recipe], recipe)
    return rows


def study_rows() -> dict[str, Row]:
    """Every row of the active study with its recipe."""
    params = load_params()
    return {name: (row, params.recipe_of(name)) for name, row in params.variants.items()}


def sizes(name: str, variant: Variant, recipe: Recipe) -> dict[str, Any]:
    """Task, parameters, GFLOPs and input of a row, kept in `.cache/variants`.

    Raises:
        InputError: a word of the row is unknown, or its parts do not fit.
    """
    key = digest([asdict(variant), asdict(recipe), _code()])[:32]
    path = KEPT / f"{key}.json"
    if not path.is_file():
        from ferbench.models.describe import describe

        text = describe(name, variant, recipe)
        write_json(path, {key: text[key] for key in _KEYS})
    known: dict[str, Any] = read_json(path)
    return known


def _record(kind: type[Any], cells: dict[str, Any], where: str) -> Any:
    try:
        return kind(**cells)
    except TypeError as error:
        raise InputError(
            f"is no whole row: {error}", where=where, remedy="rows are whole: write every key"
        ) from error


@cache
def _code() -> str:
    """A digest of all that networks are made of."""
    folder = Path(ferbench.__file__).parent / "models"
    files = {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*.py"))}
    return digest([files, [importlib.metadata.version(name) for name in _LIBRARIES]])
