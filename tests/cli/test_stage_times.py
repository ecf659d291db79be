"""What stages took: a row each, whatever their end, and no row outside DVC."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from ferbench.cli.stage import run_stage
from ferbench.cli.stage_times import FILE, StageTime, read_stage_times, shares, trainings
from ferbench.errors import InputError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ferbench.cli.stage.end_stage_with_dvc", lambda: None)
    monkeypatch.setenv("DVC_STAGE", "train@ivsa-synthetic-0")


def burn(seconds: str = "0.2") -> None:
    """Use the CPU in a process that is waited for."""
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def refuse() -> None:
    raise InputError("bad", where="here", remedy="mend it")


def crash() -> None:
    raise RuntimeError("a defect")


def test_every_end_of_a_stage_leaves_a_row() -> None:
    for act, error in ((burn, SystemExit), (refuse, SystemExit), (crash, RuntimeError)):
        with pytest.raises(error):
            run_stage(act)
    rows = read_stage_times()
    assert [row.status for row in rows] == [0, 2, 1]
    assert {(row.stage, row.kind) for row in rows} == {("train@ivsa-synthetic-0", "train")}
    assert rows[0].cpu_seconds >= 0.2 and rows[0].wall_seconds >= 0.2 and rows[0].peak_mib > 0
    with FILE.open() as file:
        assert len(list(csv.reader(file))) == 4, "one head"


def test_outside_dvc_there_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    with pytest.raises(SystemExit):
        run_stage(refuse)
    assert not FILE.exists() and read_stage_times() == []


def test_a_row_that_cannot_be_written_does_not_fail_the_stage() -> None:
    FILE.parent.write_text("no folder")
    with pytest.raises(SystemExit) as end:
        run_stage(lambda: None)
    assert end.value.code == 0


def test_rows_are_chosen_by_their_start_and_added_by_kind() -> None:
    for _ in range(2):
        with pytest.raises(SystemExit):
            run_stage(lambda: None)
    now = read_stage_times()[0].started
    assert len(read_stage_times(now)) == 2 and read_stage_times("9999") == []
    rows = [StageTime(now, f"{kind}@a", 0, cpu, 1.0, 1) for kind, cpu in
            (("score", 1.0), ("train", 2.0), ("train", 3.0))]  # fmt: skip
    assert list(shares(rows).items()) == [("train", 5.0), ("score", 1.0)]


def test_the_last_successful_training_of_a_run_counts() -> None:
    def row(stage: str, status: int, cpu: float) -> StageTime:
        return StageTime("2026-11-27T00:00:00+00:00", stage, status, cpu, 1.0, 1)

    rows = [row("train@a-b-0", 0, 1.0), row("train@a-b-0", 0, 2.0), row("train@a-b-0", 1, 3.0)]
    rows += [row("train@a-b-1", 2, 4.0), row("evaluate@a-b-0", 0, 5.0), row("dedup@b", 0, 6.0)]
    assert trainings(rows) == {"a-b-0": rows[1]}
