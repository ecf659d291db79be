"""Short studies made whole: defaults, rows by name from the catalogue, rows that are like others.

`studies/defaults.yaml` holds what nearly all studies share; a study's mappings are merged with it
by key, its lists and scalars replace what is there. `studies/catalogue` holds every row of the
papers once, in `variants.yaml` and `recipes.yaml`. A study names rows of it; what stages and users
read in `params.yaml` are whole rows. A row may be written as `{like: <row>, <what differs>}`: in a
study the other row is one of the catalogue, in the catalogue one of the same file. Options are
merged by column and key, and a column whose part differs begins without options; a recipe's `paper`
is merged by key. A study's row in which a part differs is no longer its paper's, unless it names
the paper itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from ferbench.errors import InputError, unknown

__all__ = ["DEFAULTS", "Catalogue", "expand", "read_yaml", "study_files"]

DEFAULTS = "defaults.yaml"

Table = dict[str, Any]

# A variant in which one of these is changed is another network than the paper's.
_PARTS = ("backbone", "conv", "attention", "location", "head", "loss", "options")


def expand(tree: Any, path: Path) -> Any:
    """A study's tree with every key and row written out.

    What is whole already passes untouched, so that a tree may be expanded twice; what is of the
    wrong type passes too and is refused by the reader of parameters.

    The file `defaults.yaml` beside the study, if there is one, gives the keys that the study does
    not have. Its `each_dataset` is what every row of `datasets` has besides; a row without `source`
    reads the source that it is called after, and tables call it by that source.

    `variants` is a mapping of rows, or a list of names, of rows as `name: {...}`, and of the word
    `all`, which means every row of the catalogue; a row that is listed too takes its place,
    and `name: null` leaves one out.
    `recipes` is a mapping of rows or of names, or a word such as `paper`, which gives every family
    `f` that a variant names the recipe `f_paper`.

    Args:
        tree: of the file.
        path: the file; the catalogue is the folder `catalogue` or `studies/catalogue` beside it.

    Raises:
        InputError: a name is unknown, or the catalogue that is needed is absent or faulty.
    """
    if not isinstance(tree, dict):
        return tree
    catalogue = Catalogue(path)
    whole = _with_defaults(tree, path.with_name(DEFAULTS))
    if "variants" in whole:
        whole["variants"] = _variants(whole["variants"], catalogue)
    if "recipes" in whole:
        whole["recipes"] = _recipes(whole["recipes"], whole.get("variants"), catalogue)
    return whole


def _with_defaults(tree: Table, file: Path) -> Table:
    """A tree over the defaults of a file, in the order of the defaults."""
    if not file.is_file():
        return dict(tree)
    defaults = read_yaml(file)
    if not isinstance(defaults, dict):
        raise InputError("is no mapping", where=file, remedy="write `key: value`")
    each = defaults.pop("each_dataset", {})
    whole: Table = _merged(defaults, tree)
    datasets = whole.get("datasets")
    if isinstance(datasets, dict):
        whole["datasets"] = {key: _dataset(key, row, each) for key, row in datasets.items()}
    return whole


def _dataset(key: str, row: Any, each: Table) -> Any:
    if not isinstance(row, dict):
        return row
    source = row.get("source", key)
    row = {"name": source, "source": source, **row}
    return row | {name: value for name, value in each.items() if name not in row}


def _merged(defaults: Any, own: Any) -> Any:
    """Mappings key by key; of anything else, a study's own value."""
    if not isinstance(defaults, dict) or not isinstance(own, dict):
        return own
    both = {key: _merged(value, own[key]) for key, value in defaults.items() if key in own}
    return {**defaults, **own, **both}


class Catalogue:
    """The rows that studies beside it can name; read when the first of them is asked for.

    Args:
        path: a study's file, or `params.yaml`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def variants(self) -> Table:
        """All variants by name, each whole, with its recipe's family for the recipe."""
        return _table(self._folder / "variants.yaml", "variant")

    @cached_property
    def recipes(self) -> Table:
        """All recipes by name, each whole."""
        return _table(self._folder / "recipes.yaml", "recipe")

    @property
    def _folder(self) -> Path:
        places = [self.path.parent / "catalogue", self.path.parent / "studies" / "catalogue"]
        for folder in places:
            if folder.is_dir():
                return folder
        raise InputError(
            "no catalogue to find named rows in",
            where=self.path,
            remedy=f"run from the project's folder, which has {places[1]}; or write whole rows",
        )


def study_files(folder: Path) -> list[Path]:
    """The files of all studies in a folder, sorted: every YAML file in it but the defaults."""
    return sorted(path for path in folder.glob("*.yaml") if path.name != DEFAULTS)


def read_yaml(path: Path) -> Any:
    """The tree of a YAML file.

    Raises:
        InputError: it is no YAML, or a key in it is given twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    # Numbers of thousands of digits and dates that there are not are ValueErrors of the reader's.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(
            f"no valid YAML: {error}", where=path, remedy="mend the line named"
        ) from error


class _UniqueKeys(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML in which a key given twice is an error; by itself the later one silently wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _variants(value: Any, catalogue: Catalogue) -> Any:
    where = f"{catalogue.path}: variants"
    if isinstance(value, list):
        value = _listed(value, catalogue, where)
    return _named(value, "variant", lambda: catalogue.variants, where, _credited)


def _recipes(value: Any, variants: Any, catalogue: Catalogue) -> Any:
    if isinstance(value, str):
        value = {family: f"{family}_{value}" for family in _families(variants)}
    where = f"{catalogue.path}: recipes"
    return _named(value, "recipe", lambda: catalogue.recipes, where, _changed)


def _families(variants: Any) -> list[str]:
    """The families of recipes that rows name, each once."""
    rows = variants.values() if isinstance(variants, dict) else ()
    words = (str(row["recipe"]) for row in rows if isinstance(row, dict) and "recipe" in row)
    return list(dict.fromkeys(words))


def _listed(items: list[Any], catalogue: Catalogue, where: str) -> Table:
    """A list of names, and of rows as one-key mappings, as one mapping."""
    table: Table = {name: name for name in (catalogue.variants if "all" in items else ())}
    listed: set[str] = set()
    for item in [item for item in items if item != "all"]:
        row = item if isinstance(item, dict) else {str(item): str(item)}
        if len(row) != 1 or not all(isinstance(name, str) for name in row):
            raise InputError(
                f"{item!r} is no row", where=where, remedy="write its name, or `name: {like: ...}`"
            )
        (name,) = row
        if name in listed:
            raise InputError(f"{name!r} is listed twice", where=where, remedy="drop one of the two")
        listed.add(name)
        table |= row
        if row[name] is None:
            _find(catalogue.variants, name, "variant", f"{where}: {name}")
            del table[name]
    return table


def _named(
    table: Any,
    kind: str,
    known: Callable[[], Table],
    where: str,
    change: Callable[[Table, Table], Table],
) -> Any:
    """A study's table with rows of the catalogue in the place of names, changed by `change`."""
    if not isinstance(table, dict):
        return table
    whole = {}
    for name, row in table.items():
        row = {"like": row} if isinstance(row, str) else row
        if isinstance(row, dict) and "like" in row:
            row = change(_find(known(), row["like"], kind, f"{where}: {name}"), row)
        whole[name] = row
    return whole


def _find(table: Table, name: Any, kind: str, where: str) -> Any:
    if not isinstance(name, str) or name not in table:
        raise unknown(kind, name, table, where=where)
    return table[name]


def _credited(row: Table, changes: Table) -> Table:
    """A paper's variant with some columns changed; of no paper if one of them is a part."""
    new = _changed(row, changes)
    differs = any(new.get(column) != row.get(column) for column in _PARTS)
    if differs and "paper" in row and "paper" not in changes:
        new["paper"] = "none"
    return new


def _changed(row: Table, changes: Table) -> Table:
    """A row with some columns changed; options of a part that stays are kept, key by key."""
    new = {**copy.deepcopy(row), **copy.deepcopy(changes)}
    del new["like"]
    if isinstance(row.get("paper"), dict) and isinstance(changes.get("paper"), dict):
        new["paper"] = {**copy.deepcopy(row["paper"]), **copy.deepcopy(changes["paper"])}
    added = changes.get("options", {})
    if "options" in row and isinstance(added, dict):
        stays = [column for column in row["options"] if new.get(column) == row.get(column)]
        old = {column: copy.deepcopy(row["options"][column]) for column in stays}
        new["options"] = old | {
            column: {**old.get(column, {}), **options} if isinstance(options, dict) else options
            for column, options in copy.deepcopy(added).items()
        }
    return new


def _table(path: Path, kind: str) -> Table:
    """The rows of a file of the catalogue, each made whole."""
    if not path.is_file():
        raise InputError("no such file", where=path, remedy=f"write the {kind}s there, row by row")
    about = path.stat()
    return _rows(path, kind, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _rows(path: Path, kind: str, changed: int, size: int) -> Table:
    """The rows of a file as it was changed last: all studies of a project name rows of one file.

    Nobody may change them; `_changed` copies.
    """
    raw = read_yaml(path)
    if not isinstance(raw, dict) or not all(isinstance(row, dict) for row in raw.values()):
        raise InputError(f"is no table of {kind}s", where=path, remedy="write `name: {...}`")

    def whole(name: str, way: tuple[str, ...]) -> Table:
        row = raw[name]
        if name in way:
            chain = " is like ".join([*way[way.index(name) :], name])
            raise InputError(
                f"circular `like:` of {kind}s: {chain}",
                where=path,
                remedy="write one of them whole",
            )
        if "like" not in row:
            return dict(row)
        _find(raw, row["like"], kind, f"{path}: {name}: like")
        return _changed(whole(row["like"], (*way, name)), row)

    return {name: whole(name, ()) for name in raw}
