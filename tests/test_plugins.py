"""The folder is the registry."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.example_study import example_params

from ferbench import plugins
from ferbench.config import checks
from ferbench.config.params import Variant
from ferbench.errors import InputError
from ferbench.models import build


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with two files of one part, a family of two parts and a private file."""
    folder = tmp_path / "parts_for_test" / "attentions"
    folder.mkdir(parents=True)
    for path, text in {
        folder.parent / "__init__.py": "",
        folder / "__init__.py": "",
        folder / "cbam.py": "__all__ = ['CBAM']\nclass CBAM: ...\n",
        folder / "eca.py": "__all__ = ['ECA']\nclass ECA: ...\nhidden = 1\n",
        folder / "_shared.py": "",
        folder / "gates.py": (
            "__all__ = [\n    'sigmoid',\n    'Softmax',\n]\n"
            "def sigmoid(x, slope): ...\nclass Softmax:\n    def __init__(self, axis): ...\n"
        ),
    }.items():
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "parts_for_test.attentions"
    for name in [name for name in sys.modules if name.startswith("parts_for_test")]:
        del sys.modules[name]


def test_names_are_single_files_and_the_members_of_families(package: str) -> None:
    assert plugins.names(package) == ["cbam", "eca", "sigmoid", "softmax"]
    assert not [name for name in sys.modules if name.startswith(f"{package}.")], "none is imported"


def test_module_of_a_part_is_its_file_or_its_family(package: str) -> None:
    assert plugins.module_of(package, "cbam") == f"{package}.cbam"
    assert plugins.module_of(package, "softmax") == f"{package}.gates"


def test_single_file_offers_its_one_public_object(package: str) -> None:
    assert plugins.load(package, "cbam").__name__ == "CBAM"
    assert plugins.load(package, "eca").__name__ == "ECA"


def test_family_file_offers_each_of_its_public_objects(package: str) -> None:
    assert plugins.load(package, "sigmoid").__name__ == "sigmoid"
    assert plugins.load(package, "softmax").__name__ == "Softmax"
    assert plugins.parameters(package, "sigmoid") == ["x", "slope"]
    assert plugins.parameters(package, "softmax") == ["axis"]


def test_name_of_a_family_file_is_no_part(package: str) -> None:
    with pytest.raises(InputError, match="'gates'"):
        plugins.load(package, "gates")


@pytest.mark.parametrize(
    ("file", "text"),
    [("softmax", "__all__ = ['Softmax']\n"), ("norms", "__all__ = ['softMax', 'other']\n")],
)
def test_name_offered_by_two_files_is_refused_with_both(
    package: str, tmp_path: Path, file: str, text: str
) -> None:
    (tmp_path / package.replace(".", "/") / f"{file}.py").write_text(text)
    importlib.invalidate_caches()
    with pytest.raises(InputError, match=rf"gates\.py and {file}\.py both offer a part 'softmax'"):
        plugins.names(package)


def test_unknown_part_is_answered_with_the_known_ones(package: str) -> None:
    with pytest.raises(InputError, match="'cbma'") as caught:
        plugins.load(package, "cbma")
    assert "did you mean 'cbam'" in caught.value.remedy
    assert "eca" in caught.value.remedy


def test_private_file_is_no_part(package: str) -> None:
    with pytest.raises(InputError):
        plugins.load(package, "_shared")


def test_single_file_without_public_object_is_refused(package: str, tmp_path: Path) -> None:
    (tmp_path / package.replace(".", "/") / "empty.py").write_text("__all__ = []\n")
    importlib.invalidate_caches()
    with pytest.raises(ValueError, match="not enough values"):
        plugins.load(package, "empty")


# Packages whose parts take options, and how many arguments are given to a part besides them.
_WITH_OPTIONS = {
    "ferbench.data.sources": 0,
    "ferbench.evaluation.robustness": 0,
    **{f"ferbench.{package}": given for package, given in checks.COLUMNS.values()},
}


@pytest.mark.parametrize(
    ("package", "name"), [(p, name) for p in _WITH_OPTIONS for name in plugins.names(p)]
)
def test_parameters_read_from_source_are_those_python_sees(package: str, name: str) -> None:
    part = plugins.load(package, name)
    seen = list(inspect.signature(part).parameters)
    if package == "ferbench.data.sources":
        seen = list(part.OPTIONS)
    assert plugins.parameters(package, name) == seen
    assert len(seen) >= _WITH_OPTIONS[package]


def test_options_begin_where_the_builder_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`checks` counts the arguments before them as `build` gives them."""
    given: dict[str, int] = {}

    def options(variant: Variant, column: str, *args: object) -> dict[str, Any]:
        given[column] = len(args)
        return {}

    monkeypatch.setattr(build, "_options", options)
    study = example_params()
    variant = study.variants["ivsa"]
    build.build_loss(variant, build.build_network(variant, study.recipe_of("ivsa"), 7, seed=0))
    assert given == {column: count for column, (_, count) in checks.COLUMNS.items()}


def test_parameters_are_not_guessed_where_the_source_does_not_show_them(
    package: str, tmp_path: Path
) -> None:
    for name, text in {
        "alias": "from functools import partial\n__all__ = ['f']\nf = partial(int, base=2)\n",
        "broken": "__all__ = [\n",
        "silent": "x = 1\n",
    }.items():
        (tmp_path / package.replace(".", "/") / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        assert plugins.parameters(package, name) is None
    with pytest.raises(InputError, match="unknown part"):
        plugins.parameters(package, "nobody")
