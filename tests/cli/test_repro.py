"""`ferbench repro` on a pipeline of trivial commands, run by the real DVC."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import yaml

from ferbench.cli.flow import read_state
from ferbench.cli.main import main

pytestmark = pytest.mark.slow

# A run fails if `poison` names its variant and seed; every start leaves a line in its `starts`.
PIPELINE = """
stages:
  split:
    matrix: {dataset: "${datasets}"}
    cmd: echo ${item.dataset} > ${item.dataset}.split
    deps:
      - raw
    outs:
      - ${item.dataset}.split
  train:
    matrix: {variant: "${variants}", dataset: "${datasets}", seed: "${seeds}"}
    cmd: sh train.sh ${study.name} ${item.variant} ${item.dataset} ${item.seed}
    deps:
      - ${item.dataset}.split
    outs:
      - runs/${study.name}/${item.variant}/${item.dataset}/${item.seed}/model
  evaluate:
    matrix: {variant: "${variants}", dataset: "${datasets}", seed: "${seeds}"}
    cmd: cd runs/${study.name}/${item.variant}/${item.dataset}/${item.seed} && cp model answer
    deps:
      - runs/${study.name}/${item.variant}/${item.dataset}/${item.seed}/model
    outs:
      - runs/${study.name}/${item.variant}/${item.dataset}/${item.seed}/answer
  score:
    cmd: cat runs/${study.name}/*/*/*/answer > score
    deps:
      - runs/${study.name}
    outs:
      - score
"""
TRAIN = """
test -e slow && echo $$ >> pids && exec sleep 600
echo $2 $4 >> starts
if grep -qs "$2 $4" poison; then echo "no memory left for $2"; exit 1; fi
mkdir -p runs/$1/$2/$3/$4
cat $3.split > runs/$1/$2/$3/$4/model
"""


@pytest.fixture
def pipeline(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Study `first` with four runs under a git and DVC repository; the names of its variants."""
    path = Path("studies/first.yaml")
    tree = yaml.safe_load(path.read_text())
    tree["seeds"] = [0, 1]
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    Path("dvc.yaml").write_text(PIPELINE)
    Path("train.sh").write_text(TRAIN)
    Path("raw").write_text("faces")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(project / ".cache" / "dvc"))
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    return list(tree["variants"])


def _starts() -> list[str]:
    path = Path("starts")
    lines = sorted(path.read_text().splitlines()) if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_a_failing_run_is_reported_the_others_finish_and_the_next_call_resumes(
    pipeline: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    one, two = pipeline
    Path("poison").write_text(f"{two} 1\n")
    assert main(["repro", "--study", "first", "--jobs", "2"]) == 1
    assert _starts() == sorted([f"{one} 0", f"{one} 1", f"{two} 0", f"{two} 1"])
    assert len(list(Path("runs").rglob("answer"))) == 3
    told = capfd.readouterr()
    assert f"no memory left for {two}" in told.out
    assert "run the same command again to resume" in told.err
    assert not Path("score").exists()

    Path("poison").unlink()
    assert main(["repro", "--jobs", "2"]) == 0
    assert _starts() == [f"{two} 1"]
    assert Path("score").read_text() == "faces\n" * 4

    assert main(["repro", "--jobs", "2"]) == 0
    assert main(["repro", "--jobs", "1"]) == 0
    assert _starts() == []


def test_one_job_is_plain_dvc(pipeline: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    _, two = pipeline
    Path("poison").write_text(f"{two} 0\n")
    assert main(["repro", "--study", "first", "--jobs", "1"]) == 1
    assert len(_starts()) == 4
    assert "failed to reproduce" in capfd.readouterr().err
    Path("poison").unlink()
    assert main(["repro", "--jobs", "1"]) == 0
    assert _starts() == [f"{two} 0"]


@pytest.mark.parametrize(
    ("word", "jobs"), [(signal.SIGINT, "1"), (signal.SIGINT, "2"), (signal.SIGTERM, "2")]
)
def test_an_interrupted_run_leaves_no_process_behind(
    pipeline: list[str], word: signal.Signals, jobs: str
) -> None:
    Path("slow").touch()
    code = "import sys; from ferbench.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "repro", "--study", "first", "--jobs", jobs]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while not (Path("pids").exists() and len(Path("pids").read_text().split()) == int(jobs)):
        assert run.poll() is None
        time.sleep(0.1)
    run.send_signal(word)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 130
    assert "run the same command again to resume" in told
    pids = [int(pid) for pid in Path("pids").read_text().split()]
    assert len(pids) == int(jobs), "no other cell is started"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert "train" in "".join(read_state().stale), "DVC works on"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_killed_run_leaves_no_process_behind_and_the_next_one_goes_on(
    pipeline: list[str], jobs: str
) -> None:
    """Every rerun failed on locks of the orphaned DVC."""
    Path("slow").touch()
    code = "import sys; from ferbench.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "repro", "--study", "first", "--jobs", jobs]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        while not (Path("pids").exists() and len(Path("pids").read_text().split()) == int(jobs)):
            assert run.poll() is None
            time.sleep(0.1)
        run.kill()
    Path("slow").unlink()
    assert main(["repro", "--jobs", jobs]) == 0
    for pid in map(int, Path("pids").read_text().split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert Path("score").read_text() == "faces\n" * 4


def test_a_broken_pipeline_file_is_told_with_its_place(
    pipeline: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    Path("dvc.yaml").write_text("stages: [")
    assert main(["repro", "--study", "first", "--jobs", "2"]) == 2
    assert "DVC cannot read the pipeline" in capfd.readouterr().err


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a Dask scheduler on the loopback interface."""
    words = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    command = [sys.executable, *words, "--no-dashboard"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "Scheduler at:" in line)
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield line.split()[-1]
        process.terminate()


@contextmanager
def _worker(scheduler: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in the current folder, ready for tasks, which is asked to end with the block."""
    code = "import sys; from ferbench.cli.main import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "worker", scheduler],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("worker tcp://127.0.0.1:")
        yield process
        process.terminate()
        assert process.wait(60) == 0


def _trainings() -> list[int]:
    """The processes of stages that have started to sleep and still do."""
    started = Path("pids").read_text().split() if Path("pids").exists() else []
    return [pid for pid in map(int, started) if psutil.pid_exists(pid)]


def test_the_run_of_a_lost_worker_is_done_by_another_one(
    pipeline: list[str], scheduler: str, capfd: pytest.CaptureFixture[str]
) -> None:
    def lose_one() -> None:
        while len(_trainings()) < 2:
            time.sleep(0.1)
        Path("slow").unlink()
        first = psutil.Process(_trainings()[0])
        lost = next(p for p in first.parents() if "multiprocessing" in " ".join(p.cmdline()))
        lost.kill()
        while len(_trainings()) > 1:  # ends with its worker
            time.sleep(0.1)
        for pid in _trainings():
            os.kill(pid, signal.SIGKILL)

    Path("slow").touch()
    thread = threading.Thread(target=lose_one)
    with _worker(scheduler), _worker(scheduler):
        thread.start()
        status = main(["repro", "--study", "first", "--cluster", scheduler])
        thread.join()
        told = capfd.readouterr().out
        assert status == 1, "the training that was killed itself has failed"
        assert len(list(Path("runs").rglob("answer"))) == 3
        assert told.count("FAILED") == 1
        assert "failed on tcp://127.0.0.1:" in told
        assert main(["repro", "--cluster", scheduler]) == 0
    assert Path("score").read_text() == "faces\n" * 4


def test_workers_stop_a_run_when_its_study_is_killed(pipeline: list[str], scheduler: str) -> None:
    Path("slow").touch()
    code = "import sys; from ferbench.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "repro", "--study", "first", "--cluster", scheduler]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with _worker(scheduler) as worker:
        with subprocess.Popen(command, **quiet) as study:
            while not _trainings():
                assert study.poll() is None
                time.sleep(0.1)
            study.kill()
        while _trainings():
            time.sleep(0.1)
        assert worker.poll() is None
        Path("slow").unlink()
        assert main(["repro", "--cluster", scheduler]) == 0
    assert Path("score").read_text() == "faces\n" * 4


def test_a_worker_elsewhere_is_refused_with_the_reason(
    pipeline: list[str],
    scheduler: str,
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
) -> None:
    where = Path("cluster.yaml")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    where.write_text(f"{{address: '{scheduler}', checkout: {elsewhere}}}")
    with _worker(scheduler):
        assert main(["repro", "--study", "first", "--cluster", str(where)]) == 2
        told = capfd.readouterr().err
        assert f"{elsewhere}: worker tcp://127.0.0.1:" in told
        assert "does not see the files of the checkout that runs the study" in told
        where.write_text(f"{{address: '{scheduler}'}}")
        assert main(["repro", "--cluster", str(where)]) == 0, "it is used again"
