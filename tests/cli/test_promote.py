"""`ferbench promote` says what each gate said, and gives the alias back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ferbench.cli.main import main
from ferbench.config.params import Params
from ferbench.tracking import promotion as filing
from ferbench.tracking import registry

Outcomes = Callable[..., None]


@pytest.fixture
def study(project: Path) -> list[str]:
    """The data sets of the active study, of which there are two."""
    path = Path("studies/first.yaml")
    tree = yaml.safe_load(path.read_text("utf-8"))
    tree["datasets"]["more"] = tree["datasets"]["faces"] | {"protocol": "official"}
    path.write_text(yaml.safe_dump(tree, sort_keys=False), "utf-8")
    assert main(["study", "use", "first"]) == 0
    return list(tree["datasets"])


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> Outcomes:
    """Puts fixed outcomes, by data set, in the place of the gates."""

    def put(**rows: dict[str, Any]) -> None:
        def promote_study(params: Params) -> dict[str, Any]:
            return {name: rows[name] for name in params.datasets}

        monkeypatch.setattr(filing, "promote_study", promote_study)

    return put


def outcome(*, passed: bool, champion: str | None, version: str = "2") -> dict[str, Any]:
    gates = [
        {"gate": "data", "passed": True, "reason": "all kept"},
        {"gate": "floor", "passed": passed, "reason": "accuracy 0.3 against 0.2"},
    ]
    return {"model": "ferbench_faces", "version": version, "variant": "ivsa"} | {
        "promoted": passed,
        "champion": champion,
        "gates": gates,
    }


def test_a_model_that_passes_is_champion(
    study: list[str], outcomes: Outcomes, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes(**dict.fromkeys(study, outcome(passed=True, champion="2")))
    capsys.readouterr()
    assert main(["promote"]) == 0
    told = capsys.readouterr().out
    assert told.count("ferbench_faces version 2: ivsa") == 2
    assert told.count("version 2 is champion\n") == 2
    assert [line for line in told.splitlines() if "floor" in line and "yes" in line]


@pytest.mark.parametrize(
    ("champion", "words"),
    [("1", "version 1 stays champion"), (None, "there is no champion")],
)
def test_a_model_that_fails_a_gate_is_not_promoted(
    study: list[str],
    outcomes: Outcomes,
    capsys: pytest.CaptureFixture[str],
    champion: str | None,
    words: str,
) -> None:
    good = outcome(passed=True, champion="2")
    outcomes(faces=good, more=outcome(passed=False, champion=champion))
    assert main(["promote"]) == 1
    told = capsys.readouterr().out
    assert f"version 2 is not promoted; {words}" in told
    (line,) = [line for line in told.splitlines() if "floor" in line and "no" in line.split()]
    assert "accuracy 0.3 against 0.2" in line


def test_a_champion_that_would_fail_today_is_champion_still(
    study: list[str], outcomes: Outcomes
) -> None:
    outcomes(**dict.fromkeys(study, outcome(passed=False, champion="2")))
    assert main(["promote"]) == 0


def test_one_data_set_may_be_asked_for_alone(study: list[str], outcomes: Outcomes) -> None:
    outcomes(faces=outcome(passed=True, champion="2"), more=outcome(passed=False, champion=None))
    assert main(["promote", "--dataset", "faces"]) == 0
    assert main(["promote", "--dataset", "more"]) == 1


@pytest.mark.parametrize("words", [[], ["--rollback"]])
def test_an_unknown_data_set_is_answered_with_the_known_ones(
    study: list[str], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["promote", "--dataset", "face", *words]) == 2
    assert "did you mean 'faces'? known: faces, more" in capsys.readouterr().err


def test_without_a_registered_model_the_remedy_is_told(
    study: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote"]) == 2
    message = capsys.readouterr().err
    assert "no model of faces is registered" in message
    assert "`dvc repro register` registers it" in message


@pytest.mark.usefixtures("study", "other_command")
def test_promotion_is_refused_while_another_command_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["promote"]) == 2
    assert "this checkout is in use by process" in capsys.readouterr().err


def test_a_roll_back_says_who_lost_and_who_got_the_alias(
    study: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"ferbench_faces": ("3", "2"), "ferbench_more": ("7", "5")}
    monkeypatch.setattr(registry, "roll_back", versions.__getitem__)
    capsys.readouterr()
    assert main(["promote", "--rollback"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ferbench_faces: version 2 is champion again, version 3 no longer",
        "ferbench_more: version 5 is champion again, version 7 no longer",
    ]
    assert main(["promote", "--rollback", "--dataset", "more"]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_without_an_earlier_champion_a_roll_back_is_refused(
    study: list[str], own_store: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["promote", "--rollback"]) == 2
    assert "no previous champion to roll back to" in capsys.readouterr().err
