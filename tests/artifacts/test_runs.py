"""Records of runs: exact fields, good messages, and a stable form on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.run_records import run_record

from ferbench.artifacts.runs import RunRecord, read_history, write_history
from ferbench.errors import InputError


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = run_record(seed=3)
    record.write(tmp_path / "run.json")
    assert RunRecord.read(tmp_path / "run.json") == record
    assert list(json.loads((tmp_path / "run.json").read_text()))[:2] == ["study", "variant"]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"mlflow_run_id": "abc"}, "mlflow_run_id"), ({"seed": "first"}, "seed")],
)
def test_record_with_other_fields_is_refused_with_file_and_remedy(
    tmp_path: Path, change: dict[str, str], field: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run_record().model_dump() | change))
    with pytest.raises(InputError, match=f"{field}: ") as caught:
        RunRecord.read(path)
    assert caught.value.where == path
    assert "dvc repro" in caught.value.remedy


def test_absent_record_is_refused_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json: missing"):
        RunRecord.read(tmp_path / "run.json")


def test_history_has_whole_epochs_and_keeps_its_columns(tmp_path: Path) -> None:
    write_history(tmp_path / "history.csv", [{"epoch": 0.0, "val_score": 0.5, "seconds": 1.25}])
    assert (tmp_path / "history.csv").read_text() == "epoch,val_score,seconds\n0,0.5,1.25\n"
    assert read_history(tmp_path / "history.csv")["epoch"].tolist() == [0]
