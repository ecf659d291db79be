"""Runs side by side, with commands in place of DVC's; `test_repro.py` has the real one."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ferbench.cli import fan_out
from ferbench.cli.fan_out import Children, Flow

NAMES = ["a-s-0", "a-s-1", "b-s-0"]


@pytest.fixture
def flow() -> Flow:
    """`split@s` before three runs, each a train and an evaluate stage; `score` after them."""
    needs: dict[str, frozenset[str]] = {"split@s": frozenset()}
    for name in NAMES:
        needs[f"train@{name}"] = frozenset({"split@s"})
        needs[f"evaluate@{name}"] = frozenset({f"train@{name}", "split@s"})
    needs["score"] = frozenset(f"evaluate@{name}" for name in NAMES)
    return Flow(needs)


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flow: Flow) -> Path:
    """A file that lists the stages started; a stage fails if a file `fail <stage>` is there."""
    monkeypatch.chdir(tmp_path)
    code = (
        "import pathlib, sys\n"
        "for stage in (w for w in sys.argv[1:] if '@' in w):\n"
        "    with open('started', 'a') as file: print(stage, file=file)\n"
        "    print('the reason', stage)\n"
        "    if pathlib.Path(f'fail {stage}').exists():\n"
        "        print(f\"ERROR: failed to reproduce '{stage}'\")\n"
        "        sys.exit(1)\n"
    )
    monkeypatch.setattr(fan_out, "dvc", lambda *words: [sys.executable, "-c", code, *words])
    monkeypatch.setattr(fan_out, "read_flow", lambda: flow)
    return tmp_path / "started"


def _stale(monkeypatch: pytest.MonkeyPatch, *answers: set[str]) -> None:
    rest = list(answers)
    monkeypatch.setattr(fan_out, "stale_stages", lambda: rest.pop(0))


def _run() -> bool:
    with Children() as children:
        return fan_out.reproduce_runs(children, NAMES, jobs=2)


def test_what_a_stage_needs_is_found_through_other_stages(flow: Flow) -> None:
    assert flow.before(["evaluate@a-s-0"]) == {"train@a-s-0", "split@s"}
    assert flow.before(["train@a-s-0", "evaluate@a-s-0"]) == {"split@s"}
    assert flow.before(["split@s"]) == set()


def test_nothing_is_started_if_all_is_up_to_date(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stale(monkeypatch, {"score"})
    assert _run()
    assert not started.exists()


def test_only_what_is_out_of_date_is_started(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stale(monkeypatch, {"evaluate@a-s-0", "train@b-s-0"})
    assert _run()
    assert sorted(started.read_text().split()) == [
        "evaluate@a-s-0",
        "evaluate@b-s-0",
        "train@b-s-0",
    ]


def test_what_runs_share_is_done_before_them(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stale(monkeypatch, {"split@s"}, {f"train@{name}" for name in NAMES})
    assert _run()
    stages = started.read_text().split()
    assert stages[0] == "split@s"
    assert len(stages) == 1 + 2 * len(NAMES)


def test_what_nothing_is_tied_to_runs_side_by_side(
    started: Path, monkeypatch: pytest.MonkeyPatch, flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    flow.needs["download@s"] = frozenset()
    flow.needs["split@s"] = frozenset({"download@s"})
    for name in NAMES:
        flow.needs[f"describe@{name[0]}"] = frozenset()
        flow.needs[f"train@{name}"] |= {f"describe@{name[0]}"}
    shared = {"download@s", "split@s", "describe@a", "describe@b"}
    _stale(monkeypatch, shared, {f"train@{name}" for name in NAMES})
    assert _run()
    stages = started.read_text().split()
    assert stages[:2] == ["download@s", "split@s"]
    assert sorted(stages[2:4]) == ["describe@a", "describe@b"]
    printed = capsys.readouterr().out
    assert "/2] describe@a: done" in printed
    assert "download@s: done" not in printed


def test_a_run_that_fails_does_not_hold_up_the_others(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail train@a-s-0").touch()
    _stale(monkeypatch, {f"train@{name}" for name in NAMES})
    assert not _run()
    stages = set(started.read_text().split())
    assert "evaluate@a-s-0" not in stages
    assert {"evaluate@a-s-1", "evaluate@b-s-0"} <= stages
    printed = capsys.readouterr().out
    assert "a-s-0: FAILED" in printed
    assert "b-s-0: done" in printed
    assert "stage train@a-s-0 failed; the end of .cache/logs/a-s-0.log" in printed
    assert "the reason train@a-s-0" in printed
    assert "the reason train@b-s-0" not in printed


def test_runs_whose_data_failed_are_not_started(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail split@s").touch()
    stale = {"split@s", *(f"train@{name}" for name in NAMES)}
    _stale(monkeypatch, stale, stale)
    assert not _run()
    assert started.read_text().split() == ["split@s"]
    printed = capsys.readouterr().out
    assert "stage split@s failed" in printed
    assert "3 runs were not started" in printed


def test_the_log_of_an_earlier_failure_is_replaced(
    started: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail train@a-s-0").touch()
    for _ in range(2):
        _stale(monkeypatch, {"train@a-s-0"})
        assert not _run()
    assert Path(".cache/logs/a-s-0.log").read_text().count("the reason") == 1


def test_a_stage_that_needs_one_run_alone_follows_it(
    started: Path, monkeypatch: pytest.MonkeyPatch, flow: Flow
) -> None:
    flow.needs["robustness@dark-a-s-1"] = frozenset({"train@a-s-1", "split@s"})
    flow.needs["pair@a-s"] = frozenset({"evaluate@a-s-0", "evaluate@a-s-1"})
    _stale(monkeypatch, {"train@a-s-1", "robustness@dark-a-s-1", "pair@a-s"})
    assert _run()
    assert started.read_text().split() == ["train@a-s-1", "evaluate@a-s-1", "robustness@dark-a-s-1"]


# A shell with a grandchild, as DVC runs a stage; both write who they are. The grandchild, as a job
# in the background of a shell, does not heed an interrupt.
NEST = "echo $$ > {0}; sleep 600 & echo $! >> {0}; wait"


def _alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_status_and_output_are_the_childs(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    with Children() as children:
        assert children.run([sys.executable, "-u", "-c", code], log) == 3
    assert log.read_text() == "out\nerr\n"


def test_stages_find_this_environments_python(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with Children() as children:
        assert children.run(["sh", "-c", "command -v python"], log) == 0
    assert Path(log.read_text().strip()).parent == Path(sys.executable).parent


def test_stop_ends_a_child_with_all_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fan_out, "GRACE_S", 0.2)
    names = tmp_path / "names"
    statuses: list[int] = []
    with Children() as children:
        command = ["bash", "-c", NEST.format(names)]
        thread = threading.Thread(target=lambda: statuses.append(children.run(command)))
        thread.start()
        while not (names.exists() and len(names.read_text().split()) == 2):
            time.sleep(0.01)
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert statuses != [0]
    numbers = [int(word) for word in names.read_text().split()]
    for _ in range(1000):  # they are killed; the kernel may still be at it
        if not any(_alive(number) for number in numbers):
            break
        time.sleep(0.01)
    else:
        pytest.fail("processes are left behind")


def test_nothing_is_started_after_stop(tmp_path: Path) -> None:
    with Children() as children:
        children.stop()
        assert children.run(["touch", str(tmp_path / "started")]) == 130
    assert not (tmp_path / "started").exists()
