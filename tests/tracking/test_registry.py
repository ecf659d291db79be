"""Registered once, crowned, and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from ferbench.errors import InputError
from ferbench.tracking.registry import (
    _whole_model,
    champion,
    crown,
    model_name,
    register_version,
    roll_back,
)
from ferbench.tracking.runs import connect
from ferbench.tracking.store import StoreError

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


class Killed(BaseException):
    """What a signal does to a command, at a place that a test chooses."""


CHANGES = [
    "set_registered_model_tag",
    "set_registered_model_alias",
    "delete_registered_model_tag",
]


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """A context in which this process is killed after its first change of a kind."""

    @contextmanager
    def act(change: str) -> Iterator[None]:
        done = getattr(MlflowClient, change)

        def once(self: MlflowClient, *args: Any, **kwargs: Any) -> None:
            done(self, *args, **kwargs)
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(MlflowClient, change, once)
            yield

    return act


@pytest.mark.parametrize("change", CHANGES)
def test_a_promotion_that_is_killed_anywhere_is_completed_by_the_next(
    tmp_path: Path, killed_after: Callable[[str], Any], change: str
) -> None:
    first, second = register(tmp_path, "one"), register(tmp_path, "two")
    crown(NAME, first)
    with killed_after(change):
        crown(NAME, second)
    crown(NAME, second)
    assert champion_version() == second
    assert roll_back(NAME) == (second, first)


@pytest.mark.parametrize("change", CHANGES[:2])
def test_a_roll_back_that_is_killed_is_completed_and_not_turned_around(
    tmp_path: Path, killed_after: Callable[[str], Any], change: str
) -> None:
    for key in ("one", "two"):
        crown(NAME, register(tmp_path, key))
    with killed_after(change):
        roll_back(NAME)
    assert roll_back(NAME) == ("2", "1")
    assert champion_version() == "1"
    assert roll_back(NAME) == ("1", "2")


def test_a_store_that_fails_is_not_taken_for_one_without_a_champion(
    tmp_path: Path, own_store: Path
) -> None:
    crown(NAME, register(tmp_path, "one"))
    own_store.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        champion(NAME)


def test_a_registration_that_is_killed_before_its_version_is_completed(
    tmp_path: Path, killed_after: Callable[[str], Any]
) -> None:
    with killed_after("create_registered_model"):
        register(tmp_path, "one")
    assert register(tmp_path, "one") == "1"
    with killed_after("create_model_version"):
        register(tmp_path, "two")
    assert [register(tmp_path, key) for key in ("two", "one")] == ["2", "1"]


@dataclass
class Model:
    """A logged model, as a client lists it."""

    model_id: str
    status: str

    @property
    def model_uri(self) -> str:
        return f"models:/{self.model_id}"


class Models:
    """A client that knows logged models and their files."""

    def __init__(self, *models: Model, files: Sequence[str] = ("MLmodel",)) -> None:
        self.models, self.files = list(models), files

    def search_logged_models(self, experiments: list[str], query: str) -> list[Model]:
        assert (experiments, query) == (["1"], "source_run_id = 'r'")
        return list(self.models)

    def list_logged_model_artifacts(self, model_id: str) -> Sequence[str]:
        return self.files

    def delete_logged_model(self, model_id: str) -> None:
        self.models = [model for model in self.models if model.model_id != model_id]


def test_a_half_logged_model_makes_place_and_a_whole_one_is_used() -> None:
    client = Models(Model("m-new", "PENDING"), Model("m-whole", "READY"), Model("m-old", "READY"))
    assert _whole_model(client, "1", "r") == "models:/m-whole"  # type: ignore[arg-type]
    assert [model.model_id for model in client.models] == ["m-whole", "m-old"]


def test_a_model_whose_files_are_gone_is_logged_anew() -> None:
    client = Models(Model("m-1", "READY"), files=())
    assert _whole_model(client, "1", "r") is None  # type: ignore[arg-type]
