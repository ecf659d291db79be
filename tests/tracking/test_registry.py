"""The model registry: registered once, promoted, rolled back; and model cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from tests.run_records import run_record

from ferbench.config.runs import Run
from ferbench.errors import InputError
from ferbench.tracking.registry import (
    _complete_model,
    champion,
    crown,
    model_card,
    model_name,
    register_version,
    roll_back,
)
from ferbench.tracking.selection import SelectedRun
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


def test_model_without_files_is_logged_again() -> None:
    client = Models(Model("m-1", "READY"), files=())
    assert _complete_model(client, "1", "r") is None  # type: ignore[arg-type]


DATA = {"title": "Tiny faces", "licence": "For research alone.", "faults": "Few persons."}


def card(**metrics: dict[str, float]) -> str:
    selected = SelectedRun(Run("demo", "ivsa", "tiny", 7), **metrics)
    record = run_record(seed=7, best_epoch=4, epochs=9, commit="abc123", val_images=12)
    return model_card(selected, record, DATA)


def test_card_lists_every_metric_on_val_and_test() -> None:
    text = card(val={"f1_macro": 0.5, "accuracy": 0.625}, test={"accuracy": 0.5, "f1_macro": 0.25})
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| metric | val (12 images) | test |",
        "| accuracy | 0.6250 | 0.5000 |",
        "| f1_macro | 0.5000 | 0.2500 |",
    ]


def test_card_states_origin_input_and_restrictions() -> None:
    text = " ".join(card(val={"accuracy": 0.5}, test={"accuracy": 0.5}).split())
    for words in (
        "# ivsa on tiny",
        "study `demo`, protocol `person_70_10_20`, seed 7, epoch 5 of 9, commit `abc123`",
        "Selected on val",
        "1 x 40 x 40, fractions in [0, 1]",
        "Classes: neutral, happiness, anger.",
        "Licence: For research alone. Known faults: Few persons.",
        "An expression is not an inner state",
        "Regulation 2024/1689",
    ):
        assert words in text


def test_card_has_nan_for_a_metric_that_test_lacks() -> None:
    assert "| accuracy | 0.5000 | nan |" in card(val={"accuracy": 0.5}, test={})
