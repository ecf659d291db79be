"""The model registry: registered once, promoted, rolled back; and model cards."""

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
    _complete_model,
    champion,
    crown,
    model_name,
    record_decision,
    register_version,
    roll_back,
)
from ferbench.tracking.store import StoreError, connect

NAME = model_name("tiny")
pytestmark = pytest.mark.usefixtures("own_store")


def champion_version() -> str:
    version = champion(NAME)
    assert version is not None
    return str(version.version)


def register(place: Path, key: str, card: str = "a card") -> str:
    (place / key).mkdir(exist_ok=True)
    return register_version(NAME, (place / key).as_uri(), key, card, {"study": "demo", "seed": 0})


def test_run_is_registered_once_and_its_card_updated(tmp_path: Path) -> None:
    first = register(tmp_path, "one")
    assert register(tmp_path, "one", "a better card") == first == "1"
    (version,) = connect().search_model_versions(f"name = '{NAME}'")
    assert version.description == "a better card"
    assert version.tags == {"study": "demo", "seed": "0", "run_key": "one"}


def test_other_run_is_another_version(tmp_path: Path) -> None:
    assert [register(tmp_path, key) for key in ("one", "two", "one")] == ["1", "2", "1"]


def test_champion_is_none_without_model_or_alias(tmp_path: Path) -> None:
    assert champion(NAME) is None
    register(tmp_path, "one")
    assert champion(NAME) is None


def test_crowned_version_is_champion(tmp_path: Path) -> None:
    version = register(tmp_path, "one")
    crown(NAME, version)
    crown(NAME, version)
    assert champion_version() == version
    with pytest.raises(InputError, match="no previous champion"):
        roll_back(NAME)  # crowned twice, it does not precede itself


def test_two_roll_backs_cancel(tmp_path: Path) -> None:
    for key in ("one", "two"):
        crown(NAME, register(tmp_path, key))
    assert champion_version() == "2"
    assert roll_back(NAME) == ("2", "1")
    assert champion_version() == "1"
    assert roll_back(NAME) == ("1", "2")
    assert champion_version() == "2"


def test_roll_back_returns_to_the_previous_of_three(tmp_path: Path) -> None:
    for key in ("one", "two", "three"):
        crown(NAME, register(tmp_path, key))
    assert roll_back(NAME) == ("3", "2")


def test_roll_back_without_a_previous_champion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{NAME}: no previous champion to roll back to"):
        roll_back(NAME)
    register(tmp_path, "one")
    with pytest.raises(InputError, match="no previous champion"):
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


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES)
def test_killed_promotion_is_completed_by_the_next(
    tmp_path: Path, killed_after: Callable[[str], Any], change: str
) -> None:
    first, second = register(tmp_path, "one"), register(tmp_path, "two")
    crown(NAME, first)
    with killed_after(change):
        crown(NAME, second)
    crown(NAME, second)
    assert champion_version() == second
    assert roll_back(NAME) == (second, first)


@pytest.mark.thorough
@pytest.mark.parametrize("change", CHANGES[:2])
def test_killed_roll_back_is_completed_and_not_reversed(
    tmp_path: Path, killed_after: Callable[[str], Any], change: str
) -> None:
    for key in ("one", "two"):
        crown(NAME, register(tmp_path, key))
    with killed_after(change):
        roll_back(NAME)
    assert roll_back(NAME) == ("2", "1")
    assert champion_version() == "1"
    assert roll_back(NAME) == ("1", "2")


def test_faulty_store_is_not_mistaken_for_one_without_champion(
    tmp_path: Path, own_store: Path
) -> None:
    crown(NAME, register(tmp_path, "one"))
    own_store.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError):
        champion(NAME)


def test_killed_registration_is_completed(
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
    name: str = "faces"

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


def test_incomplete_model_is_deleted_and_a_complete_one_used() -> None:
    client = Models(Model("m-new", "PENDING"), Model("m-whole", "READY"), Model("m-old", "READY"))
    assert _complete_model(client, "1", "r") == "models:/m-whole"  # type: ignore[arg-type]
    assert [model.model_id for model in client.models] == ["m-whole", "m-old"]


def test_bare_network_of_an_earlier_version_is_logged_again() -> None:
    client = Models(Model("m-old", "READY", name="model"))
    assert _complete_model(client, "1", "r") is None  # type: ignore[arg-type]
    assert len(client.models) == 1


def test_model_without_files_is_logged_again() -> None:
    client = Models(Model("m-1", "READY"), files=())
    assert _complete_model(client, "1", "r") is None  # type: ignore[arg-type]


def test_decision_is_written_into_the_registry(tmp_path: Path) -> None:
    version = register(tmp_path, "one")
    gates = [
        {"gate": "data", "passed": True, "reason": "fine"},
        {"gate": "gain", "passed": False, "reason": "too small"},
    ]
    record_decision(NAME, version, {"promoted": False, "gates": gates})
    tags = connect().get_model_version(NAME, version).tags
    assert (tags["promotion"], tags["promotion_reason"]) == ("refused", "gain: too small")
    record_decision(NAME, version, {"promoted": True, "gates": gates[:1]})
    tags = connect().get_model_version(NAME, version).tags
    assert (tags["promotion"], tags["promotion_reason"]) == ("promoted", "all gates passed")
