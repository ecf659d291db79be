"""Three machines without a shared disk compute a study; one of them is lost while it trains.

Each has a clone, a home folder, caches and, where this process may make them, a network of its own.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import yaml
from tests.example_study import PROJECT
from tests.whole_checkout import REPRO, checkout, environment

from ferbench.config.catalogue import expand, read_yaml
from ferbench.files import md5_file

pytestmark = pytest.mark.slow

WORKERS = 3
PORT = 8786
# Stages behind the runs, which the machine of the study does alone.
LATER = (
    *("audit", "baselines", "findings", "explain", "latency", "study_data", "score", "compare"),
    *("claims", "track", "report", "register", "promote"),
)
RESULTS = ("history.csv", "model.pt", "predictions.parquet", "val/predictions.parquet")
VARIANT = "vgg_improved"
FERBENCH = [sys.executable, "-c", REPRO]


def tiny_study() -> dict[str, object]:
    """The study `smoke` with a classifier, three seeds and enough epochs to be interrupted."""
    path = PROJECT / "studies" / "smoke.yaml"
    study = dict(read_yaml(path))
    study["study"] = {**study["study"], "name": "tiny", "title": "Three runs", "control": VARIANT}
    study["variants"] = [VARIANT]
    tree = expand(study, path)
    tree["seeds"] = [0, 1, 2]
    (dataset,) = tree["datasets"].values()
    dataset["options"] |= {"persons": 12}
    tree["recipes"]["p1"] |= {"epochs": 4, "patience": 4}
    tree["robustness"] = {"canvas": tree["robustness"]["canvas"]}
    tree["train"] |= {"accelerator": "cpu", "progress": False}
    return tree


def project(folder: Path) -> Path:
    """A checkout with that study and a shorter pipeline."""
    checkout(folder)
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text())
    for stage in LATER:
        del pipeline["stages"][stage]
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    (folder / "studies" / "tiny.yaml").write_text(yaml.safe_dump(tiny_study(), sort_keys=False))
    return folder


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["add", "-A"], [*identity, "commit", "-qm", "tiny"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def variables(folder: Path) -> dict[str, str]:
    """The environment of a machine with a home folder and caches of its own."""
    home = folder.with_name(f"{folder.name}_home")
    home.mkdir(exist_ok=True)
    own = {k: v for k, v in environment(folder).items() if k not in ("MLFLOW_TRACKING_URI",)}
    return own | {"HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}


@contextmanager
def networks() -> Iterator[tuple[str, list[list[str]]]]:
    """The address of the study's machine, and what makes a command run on it and each worker.

    They are network namespaces joined by a bridge; without the right to make them, all machines are
    the loopback interface.
    """
    with ExitStack() as stack:
        spaces = []
        try:
            for _ in range(WORKERS + 1):
                command = ["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"]
                process = stack.enter_context(
                    subprocess.Popen(
                        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                    )
                )
                stack.callback(process.kill)
                assert process.stdout is not None
                if process.stdout.readline() != "\n":
                    raise PermissionError("no namespaces")
                spaces.append(process.pid)
            prefixes = [["nsenter", f"--net=/proc/{pid}/ns/net"] for pid in spaces]
            _join(spaces, prefixes)
        except (OSError, subprocess.CalledProcessError):
            yield "127.0.0.1", [[]] * (WORKERS + 1)
            return
        yield "10.77.0.1", prefixes


def _join(spaces: Sequence[int], prefixes: Sequence[Sequence[str]]) -> None:
    def ip(prefix: Sequence[str], words: str) -> None:
        subprocess.run([*prefix, "ip", *words.split()], check=True, capture_output=True)

    head = prefixes[0]
    for words in ("link add br0 type bridge", "addr add 10.77.0.1/24 dev br0", "link set br0 up"):
        ip(head, words)
    ip(head, "link set lo up")
    for number, (pid, prefix) in enumerate(zip(spaces[1:], prefixes[1:], strict=True)):
        ip(head, f"link add v{number} type veth peer name eth0 netns {pid}")
        ip(head, f"link set v{number} master br0 up")
        for words in (f"addr add 10.77.0.{number + 2}/24 dev eth0", "link set eth0 up"):
            ip(prefix, words)
        ip(prefix, "link set lo up")


@contextmanager
def started(command: Sequence[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all that it starts, which ends with the block."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=variables(folder), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition, log: Path, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)


def worker_in_training(clones: Sequence[Path]) -> int | None:
    """The number of a clone in which a training has written a checkpoint."""
    for number, clone in enumerate(clones):
        if any(path.is_file() for path in clone.glob(".cache/checkpoints/*/*")):
            return number
    return None


def lose(worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Kill a worker and the process that would start it again; give what they had started."""
    root = psutil.Process(worker.pid)
    own = [root, *(p for p in root.children() if "multiprocessing" in " ".join(p.cmdline()))]
    rest = [p for p in root.children(recursive=True) if p not in own]
    for process in own:
        process.kill()
    worker.wait()
    return rest


def trained(folder: Path) -> list[str]:
    """The trainings that ran to their end in a checkout."""
    path = folder / ".cache" / "stage_times.csv"
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "0"]
    return [row["stage"] for row in rows if row["stage"].startswith("train@")]


def digests(folder: Path) -> dict[str, str]:
    """MD5 of every result of the runs, without the time that an epoch took."""
    for path in (folder / "runs").rglob("history.csv"):
        rows = [line.split(",") for line in path.read_text().splitlines()]
        place = rows[0].index("seconds")
        path.unlink()  # DVC links it to its cache
        path.write_text("\n".join(",".join(row[:place] + row[place + 1 :]) for row in rows))
    return {
        str(path.relative_to(folder)): md5_file(path)
        for name in RESULTS
        for path in sorted(folder.glob(f"runs/tiny/*/*/*/{name}"))
    }


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The checkout of the study, with a folder for a remote, and clones beside it."""
    folder = project(tmp_path / "home")
    words = ["remote", "add", "--default", "store", str(tmp_path / "store")]
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True)
    commit(folder)
    for number in range(WORKERS):
        clone = ["git", "clone", "-q", str(folder), str(tmp_path / f"clone{number}")]
        subprocess.run(clone, check=True)
    (folder / ".cache").mkdir(exist_ok=True)
    return folder


def compute(home: Path, clones: Sequence[Path]) -> None:
    """Run the study on workers in the clones, one of which is lost while it trains."""
    log = home.with_name("log")
    with networks() as (address, prefixes), ExitStack() as stack:
        scheduler = f"tcp://{address}:{PORT}"
        words = ["-m", "distributed.cli.dask_scheduler", "--host", address, "--port", str(PORT)]
        command = [*prefixes[0], sys.executable, *words, "--no-dashboard"]
        stack.enter_context(started(command, home, home.with_name("scheduler.log")))
        workers = []
        for prefix, clone in zip(prefixes[1:], clones, strict=True):
            command = [*prefix, *FERBENCH, "worker", scheduler]
            own_log = clone.with_name(f"{clone.name}.log")
            workers.append(stack.enter_context(started(command, clone, own_log)))
        where = home / ".cache" / "cluster.yaml"
        where.write_text(json.dumps({"address": scheduler, "shared": False}))
        command = [*prefixes[0], *FERBENCH, "repro", "--study", "tiny", "--cluster", str(where)]
        study = stack.enter_context(started(command, home, log))
        wait_until(lambda: worker_in_training(clones) is not None or study.poll() is not None, log)
        number = worker_in_training(clones)
        assert number is not None, log.read_text()[-3000:]
        orphans = lose(workers[number])
        assert study.wait() == 0, log.read_text()[-3000:]
        assert orphans
        assert not [p for p in orphans if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_three_clones_of_which_one_is_lost_compute_what_one_machine_does(
    home: Path, tmp_path: Path
) -> None:
    clones = [tmp_path / f"clone{number}" for number in range(WORKERS)]
    compute(home, clones)
    names = [f"train@{VARIANT}-synthetic_smoke-{seed}" for seed in range(3)]
    assert trained(home) == []
    assert sorted(stage for clone in clones for stage in trained(clone)) == names
    command = [sys.executable, "-m", "dvc", "status"]
    done = subprocess.run(
        command, cwd=home, env=variables(home), capture_output=True, text=True, check=True
    )
    assert "up to date" in done.stdout

    straight, log = project(tmp_path / "straight"), tmp_path / "straight.log"
    commit(straight)
    with started([*FERBENCH, "repro", "--study", "tiny", "--jobs", "1"], straight, log) as alone:
        assert alone.wait() == 0, log.read_text()[-3000:]
    found = digests(home)
    assert len(found) == len(names) * len(RESULTS)
    assert found == digests(straight)
