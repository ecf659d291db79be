"""The folder is the registry."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ferbench import plugins
from ferbench.errors import InputError


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
