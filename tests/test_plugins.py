"""The folder is the registry."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

import pytest

from ferbench import plugins
from ferbench.config import checks
from ferbench.config.params import Variant, load_params
from ferbench.errors import InputError
from ferbench.models import build


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package `parts_for_test.attentions` with two good parts, a private file and a bad part."""
    folder = tmp_path / "parts_for_test" / "attentions"
    folder.mkdir(parents=True)
    for path, text in {
        folder.parent / "__init__.py": "",
        folder / "__init__.py": "",
        folder / "cbam.py": "__all__ = ['CBAM']\nclass CBAM: ...\n",
        folder / "eca.py": "__all__ = ['ECA']\nclass ECA: ...\nhidden = 1\n",
        folder / "_shared.py": "",
        folder / "two.py": "__all__ = ['a', 'b']\na = b = 1\n",
    }.items():
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "parts_for_test.attentions"
    for name in [name for name in sys.modules if name.startswith("parts_for_test")]:
        del sys.modules[name]


def test_parts_are_the_public_files_of_a_folder(package: str) -> None:
    assert plugins.names(package) == ["cbam", "eca", "two"]


def test_a_part_is_the_one_public_name_of_its_file(package: str) -> None:
    assert plugins.load(package, "cbam").__name__ == "CBAM"
    assert plugins.load(package, "eca").__name__ == "ECA"


def test_an_unknown_part_is_answered_with_the_known_ones(package: str) -> None:
    with pytest.raises(InputError, match="'cbma'") as caught:
        plugins.load(package, "cbma")
    assert "did you mean 'cbam'" in caught.value.remedy
    assert "eca" in caught.value.remedy


def test_a_private_file_is_no_part(package: str) -> None:
    with pytest.raises(InputError):
        plugins.load(package, "_shared")


def test_a_file_with_two_public_names_is_refused(package: str) -> None:
    with pytest.raises(ValueError, match="too many values"):
        plugins.load(package, "two")


# Packages whose parts take options, and how many arguments are given to a part besides them.
_WITH_OPTIONS = {
    "ferbench.data.sources": 0,
    "ferbench.evaluation.robustness": 0,
    **{f"ferbench.{package}": given for package, given in checks.COLUMNS.values()},
}


@pytest.mark.parametrize(
    ("package", "name"), [(p, name) for p in _WITH_OPTIONS for name in plugins.names(p)]
)
def test_what_a_part_takes_is_read_from_its_source_as_python_sees_it(
    package: str, name: str
) -> None:
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
    study = load_params(Path("studies/demo.yaml"))
    variant = study.variants["ivsa"]
    build.build_loss(variant, build.build_network(variant, study.recipe_of("ivsa"), 7, seed=0))
    assert given == {column: count for column, (_, count) in checks.COLUMNS.items()}


def test_a_part_whose_source_does_not_show_what_it_takes_is_not_guessed(
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
    assert plugins.parameters(package, "two") is None
