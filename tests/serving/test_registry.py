"""Registered once, crowned, and given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.errors import InputError
from ferbench.serving.registry import (
    champion,
    crown,
    model_name,
    register_version,
    roll_back,
)
from ferbench.training.tracking import connect

NAME = model_name("tiny")
pytestmark = pytest.mark.usefixtures("own_store")


def champion_version() -> str:
    version = champion(NAME)
    assert version is not None
    return str(version.version)


def register(place: Path, key: str, card: str = "a card") -> str:
    (place / key).mkdir(exist_ok=True)
    return register_version(NAME, (place / key).as_uri(), key, card, {"study": "demo", "seed": 0})


def test_a_run_is_registered_once_and_its_card_renewed(tmp_path: Path) -> None:
    first = register(tmp_path, "one")
    assert register(tmp_path, "one", "a better card") == first == "1"
    (version,) = connect().search_model_versions(f"name = '{NAME}'")
    assert version.description == "a better card"
    assert version.tags == {"study": "demo", "seed": "0", "run_key": "one"}


def test_another_run_is_another_version(tmp_path: Path) -> None:
    assert [register(tmp_path, key) for key in ("one", "two", "one")] == ["1", "2", "1"]


def test_without_a_model_or_an_alias_there_is_no_champion(tmp_path: Path) -> None:
    assert champion(NAME) is None
    register(tmp_path, "one")
    assert champion(NAME) is None


def test_a_crowned_version_is_champion(tmp_path: Path) -> None:
    version = register(tmp_path, "one")
    crown(NAME, version)
    crown(NAME, version)
    assert champion_version() == version
    with pytest.raises(InputError, match="no earlier champion"):
        roll_back(NAME)  # crowned twice, it is not its own predecessor


def test_a_roll_back_gives_the_alias_back_and_twice_is_as_before(tmp_path: Path) -> None:
    for key in ("one", "two"):
        crown(NAME, register(tmp_path, key))
    assert champion_version() == "2"
    assert roll_back(NAME) == ("2", "1")
    assert champion_version() == "1"
    assert roll_back(NAME) == ("1", "2")
    assert champion_version() == "2"


def test_after_a_third_champion_the_second_is_the_one_before(tmp_path: Path) -> None:
    for key in ("one", "two", "three"):
        crown(NAME, register(tmp_path, key))
    assert roll_back(NAME) == ("3", "2")


def test_without_a_champion_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{NAME}: no earlier champion to go back to"):
        roll_back(NAME)
    register(tmp_path, "one")
    with pytest.raises(InputError, match="no earlier champion"):
        roll_back(NAME)
