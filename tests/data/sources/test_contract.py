"""What every source keeps, those to come included."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import ferbench
from ferbench import plugins
from ferbench.data.ingest.source import Source
from ferbench.emotions import in_order
from ferbench.errors import InputError

PACKAGE = "ferbench.data.sources"
NAMES = plugins.names(PACKAGE)


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_complete(name: str) -> None:
    metadata = plugins.load(PACKAGE, name).METADATA
    for field in ("title", "citation", "licence", "version", "faults"):
        assert len(getattr(metadata, field)) > 0, field
    assert list(metadata.emotions) == in_order(metadata.emotions)
    assert metadata.images is None or metadata.images > 0


@pytest.mark.parametrize("name", NAMES)
def test_archives_are_named_consistently(name: str) -> None:
    source = plugins.load(PACKAGE, name)
    metadata = source.METADATA
    assert set(metadata.alternatives) <= set(metadata.archives)
    assert all(re.fullmatch("[0-9a-f]{64}", value) for value in metadata.sha256.values())
    made = source.make is not Source.make
    assert made or "archive:" in metadata.steps, "says how to get it"
    assert metadata.kaggle is None or re.fullmatch("[a-z]+/[a-z0-9-]+", metadata.kaggle)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_option_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(InputError, match="wrong_option"):
        plugins.load(PACKAGE, name)({"wrong_option": 1})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "synthetic"])
def test_empty_folder_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        plugins.load(PACKAGE, name)().read(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("name", NAMES)
def test_option_of_another_type_is_refused(name: str) -> None:
    source = plugins.load(PACKAGE, name)
    for key, default in source.OPTIONS.items():
        assert source({key: default}).options[key] == default
        if default is not None:
            with pytest.raises(InputError, match=f"options: {key}: must be "):
                source({key: ["a list"]})


def test_every_error_about_data_has_a_remedy() -> None:
    calls = [
        (path.name, node)
        for path in sorted((Path(ferbench.__file__).parent / "data").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "InputError"
    ]
    without = [
        f"{name}:{node.lineno}"
        for name, node in calls
        if "remedy" not in {keyword.arg for keyword in node.keywords}
    ]
    assert len(calls) > 30
    assert without == []
