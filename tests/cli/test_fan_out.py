"""Runs side by side, with commands in place of DVC's; `test_repro.py` has the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ferbench.cli import fan_out, tasks
from ferbench.cli.children import Children
from ferbench.cli.flow import Flow, State
from ferbench.cli.tasks import Outcome, Task, run_task

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


class Here:
    """An engine that does one task after another, here."""

    workers = 2

    def __init__(self, children: Children, clones: bool = False) -> None:
        self.clones = clones
        self.fetched: list[list[str]] = []
        self.published: dict[str, bool] = {}
        self._children = children

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        return [run_task(self._children, task) for task in tasks]

    def fetch(self, stages: Sequence[str]) -> Outcome:
        self.fetched.append(list(stages))
        return Outcome("fetch", ok=len(self.fetched) > 1)

    def publish(self, flow: Flow, stages: Sequence[str]) -> None:
        self.published = flow.inputs_of(stages)


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
    for module in (fan_out, tasks):
        monkeypatch.setattr(module, "dvc", lambda *words: [sys.executable, "-c", code, *words])
    return tmp_path / "started"


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch, flow: Flow) -> Callable[..., None]:
    """Sets which stages are out of date, each time that DVC is asked."""

    def answer(*answers: set[str]) -> None:
        rest = [State(flow, frozenset(stages)) for stages in answers]
        monkeypatch.setattr(fan_out, "read_state", lambda: rest.pop(0))

    return answer


def _run() -> bool:
    with Children() as children:
        return fan_out.reproduce_runs(children, NAMES, Here(children), fan_out.read_state())


def test_what_a_stage_needs_is_found_through_other_stages(flow: Flow) -> None:
    assert flow.before(["evaluate@a-s-0"]) == {"train@a-s-0", "split@s"}
    assert flow.before(["train@a-s-0", "evaluate@a-s-0"]) == {"split@s"}
    assert flow.before(["split@s"]) == set()


def test_nothing_is_started_if_all_is_up_to_date(started: Path, stale: Callable[..., None]) -> None:
    stale({"score"})
    assert _run()
    assert not started.exists()


def test_only_what_is_out_of_date_is_started(started: Path, stale: Callable[..., None]) -> None:
    stale({"evaluate@a-s-0", "train@b-s-0"})
    assert _run()
    assert sorted(started.read_text().split()) == [
        "evaluate@a-s-0",
        "evaluate@b-s-0",
        "train@b-s-0",
    ]


def test_what_runs_share_is_done_before_them(started: Path, stale: Callable[..., None]) -> None:
    stale({"split@s"}, {f"train@{name}" for name in NAMES})
    assert _run()
    stages = started.read_text().split()
    assert stages[0] == "split@s"
    assert len(stages) == 1 + 2 * len(NAMES)


def test_what_nothing_is_tied_to_runs_side_by_side(
    started: Path, stale: Callable[..., None], flow: Flow
) -> None:
    flow.needs["download@s"] = frozenset()
    flow.needs["split@s"] = frozenset({"download@s"})
    for name in NAMES:
        flow.needs[f"describe@{name[0]}"] = frozenset()
        flow.needs[f"train@{name}"] |= {f"describe@{name[0]}"}
    shared = {"download@s", "split@s", "describe@a", "describe@b"}
    stale(shared, {f"train@{name}" for name in NAMES})
    assert _run()
    stages = started.read_text().split()
    assert stages[:2] == ["download@s", "split@s"]
    assert sorted(stages[2:4]) == ["describe@a", "describe@b"]
    assert sorted(path.name for path in Path(".cache/logs").glob("describe*")) == [
        "describe@a.log",
        "describe@b.log",
    ]


def test_a_run_that_fails_does_not_hold_up_the_others(
    started: Path, stale: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail train@a-s-0").touch()
    stale({f"train@{name}" for name in NAMES})
    assert not _run()
    stages = set(started.read_text().split())
    assert "evaluate@a-s-0" not in stages
    assert {"evaluate@a-s-1", "evaluate@b-s-0"} <= stages
    printed = capsys.readouterr().out
    assert "stage train@a-s-0 failed; the end of .cache/logs/a-s-0.log" in printed
    assert "the reason train@a-s-0" in printed
    assert "the reason train@b-s-0" not in printed


def test_runs_whose_data_failed_are_not_started(
    started: Path, stale: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail split@s").touch()
    all_of_it = {"split@s", *(f"train@{name}" for name in NAMES)}
    stale(all_of_it, all_of_it)
    assert not _run()
    assert started.read_text().split() == ["split@s"]
    printed = capsys.readouterr().out
    assert "stage split@s failed" in printed
    assert "3 runs were not started" in printed


def test_the_log_of_an_earlier_failure_is_replaced(
    started: Path, stale: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fail train@a-s-0").touch()
    for _ in range(2):
        stale({"train@a-s-0"})
        assert not _run()
    assert Path(".cache/logs/a-s-0.log").read_text().count("the reason") == 1


def test_a_stage_that_needs_one_run_alone_follows_it(
    started: Path, stale: Callable[..., None], flow: Flow
) -> None:
    flow.needs["robustness@dark-a-s-1"] = frozenset({"train@a-s-1", "split@s"})
    flow.needs["pair@a-s"] = frozenset({"evaluate@a-s-0", "evaluate@a-s-1"})
    stale({"train@a-s-1", "robustness@dark-a-s-1", "pair@a-s"})
    assert _run()
    assert started.read_text().split() == ["train@a-s-1", "evaluate@a-s-1", "robustness@dark-a-s-1"]


def test_stages_that_nothing_ties_are_dealt_out_evenly_to_one_process_per_worker(
    started: Path, stale: Callable[..., None], flow: Flow, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"describe@{letter}" for letter in "abcde"]
    flow.needs.update(dict.fromkeys(names, frozenset()))
    flow.needs["train@a-s-0"] |= set(names)
    Path("fail describe@a").touch()
    stale(set(names), {"describe@a"})
    assert not _run()
    logs = [path.read_text().count("the reason") for path in Path(".cache/logs").iterdir()]
    assert sorted(logs) == [1, 2], "the first fails at once: the command here does not go on"
    assert "stage describe@a failed; the end of" in capsys.readouterr().out


def test_clones_get_what_their_runs_read_and_no_descriptions_to_make(
    started: Path, stale: Callable[..., None], flow: Flow
) -> None:
    flow.needs["describe@a"] = frozenset()
    flow.needs["train@a-s-0"] |= {"describe@a"}
    inputs = {
        "train@a-s-0": {"describe.json": ("describe@a", False), "faces": ("split@s", True)},
        "evaluate@a-s-0": {"model": ("train@a-s-0", True)},
    }
    run = ["train@a-s-0", "evaluate@a-s-0"]
    whole = Flow(flow.needs, inputs)
    answers = [{"describe@a", "train@a-s-0"}, {"train@a-s-0"}, {"train@a-s-0"}]
    rest = [State(whole, frozenset(stages)) for stages in answers]
    done: list[Task] = []
    with pytest.MonkeyPatch.context() as patch, Children() as children:
        patch.setattr(fan_out, "read_state", lambda: rest.pop(0))
        engine = Here(children, clones=True)
        patch.setattr(engine, "run", lambda tasks: done.extend(tasks) or [Outcome("a-s-0", True)])
        assert fan_out.reproduce_runs(children, NAMES, engine, fan_out.read_state())
    assert "describe@a" in started.read_text().split(), "done here"
    assert done == [Task("a-s-0", tuple(run), inputs=("faces",))]
    assert engine.published == {"describe.json": False, "faces": True}
    assert engine.fetched == [run, run], "what is in the remote already, then the results"


def test_results_of_clones_that_do_not_arrive_are_a_failure(
    started: Path, stale: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    stale({"train@a-s-0"}, {"train@a-s-0"})
    with pytest.MonkeyPatch.context() as patch, Children() as children:
        engine = Here(children, clones=True)
        lost = Outcome("fetch", False, log="the log", tail="no such object")
        patch.setattr(engine, "fetch", lambda stages: lost)
        assert not fan_out.reproduce_runs(children, NAMES, engine, fan_out.read_state())
    assert "error: fetch failed; the end of the log:\nno such object" in capsys.readouterr().out
