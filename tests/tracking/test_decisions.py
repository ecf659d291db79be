"""What the promotion gates decided, read back from the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.tracking.decisions import promotion_of
from ferbench.tracking.registry import crown, model_name, record_decision, register_version
from ferbench.tracking.store import connect

NAME = model_name("tiny")
GATES = [
    {"gate": "data", "passed": True, "reason": "fine"},
    {"gate": "gain", "passed": False, "reason": "too small"},
]
pytestmark = pytest.mark.usefixtures("own_store")


def test_no_model_and_no_decision_are_none(tmp_path: Path) -> None:
    assert promotion_of(f"models:/{NAME}@champion") is None
    version = register_version(NAME, tmp_path.as_uri(), "one", "a card", {})
    assert promotion_of(f"models:/{NAME}/{version}") is None
    assert promotion_of(f"models:/{NAME}/nonsense") is None


def test_decision_of_a_version_without_a_run_is_that_of_its_tags(tmp_path: Path) -> None:
    version = register_version(NAME, tmp_path.as_uri(), "one", "a card", {})
    record_decision(NAME, version, {"promoted": False, "gates": GATES})
    expected = {"model": NAME, "version": "1", "promoted": False, "gates": []}
    assert promotion_of(f"models:/{NAME}/1") == expected


def test_all_gates_are_read_from_the_run_of_the_version(tmp_path: Path) -> None:
    client = connect()
    run_id = client.create_run(client.create_experiment("tiny")).info.run_id
    client.create_registered_model(NAME)
    for _ in range(2):
        client.create_model_version(NAME, source=tmp_path.as_uri(), run_id=run_id)
    decision = {"model": NAME, "version": "1", "promoted": True, "gates": GATES}
    record_decision(NAME, "1", decision)
    crown(NAME, "1")
    assert promotion_of(f"models:/{NAME}@champion") == decision
    assert promotion_of(f"models:/{NAME}/1") == decision
    # The file of the run is about version 1 and says nothing about another one.
    client.set_model_version_tag(NAME, "2", "promotion", "refused")
    assert promotion_of(f"models:/{NAME}/2") == {
        **{"model": NAME, "version": "2", "promoted": False, "gates": []}
    }
