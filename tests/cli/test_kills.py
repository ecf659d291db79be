"""A whole study survives kills at any time: it goes on, and ends with the very same results."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.whole_checkout import REPRO, checkout, environment

pytestmark = pytest.mark.slow

KILLS = 20
# Results that hold no time, no process and no folder.
RESULTS = ("history.csv", "predictions.parquet", "model.pt", "results.csv", "comparisons.csv")


def _start(folder: Path) -> subprocess.Popen[bytes]:
    """`ferbench repro` of the smoke study in a checkout, with a store and a cache of its own."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", REPRO, "repro", "--study", "smoke"],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _processes(root: psutil.Process) -> dict[str, psutil.Process]:
    """Our processes by their part: ferbench, DVC and the stage that runs."""
    found = {"ferbench": root}
    for process in root.children(recursive=True):
        try:
            command = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if "ferbench.cli.lifeline" in command:
            found["dvc"] = process
        elif "pipeline/" in command:
            found["stage"] = process
    return found


def _digests(folder: Path) -> dict[str, str]:
    """MD5 of every result of a finished study."""
    paths = [path for root in ("runs", "reports/smoke") for path in (folder / root).rglob("*")]
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted(paths)
        if path.name in RESULTS
    }


def _columns_without_time(folder: Path) -> None:
    """Take the one column out of every history that is a time."""
    paths = [*(folder / "runs").rglob("history.csv"), *(folder / "reports").rglob("history.csv")]
    for path in paths:
        rows = [line.split(",") for line in path.read_text().splitlines()]
        place = rows[0].index("seconds")
        path.unlink()  # DVC links it to its cache
        path.write_text("\n".join(",".join(r[:place] + r[place + 1 :]) for r in rows))


def test_a_study_survives_kills_at_any_time(tmp_path: Path) -> None:
    straight, killed = checkout(tmp_path / "straight"), checkout(tmp_path / "killed")
    assert _start(straight).wait() == 0, (straight / "log").read_text()[-3000:]
    draw = random.Random(0)
    hit = {"ferbench": 0, "dvc": 0, "stage": 0}
    while sum(hit.values()) < KILLS:
        run = _start(killed)
        time.sleep(draw.uniform(4, 25))
        assert run.poll() in (None, 0), (killed / "log").read_text()[-3000:]
        if run.poll() == 0:  # all is done: a part is thrown away, and made again
            shutil.rmtree(killed / "runs" / "smoke")
            shutil.rmtree(killed / ".dvc" / "cache", ignore_errors=True)
            (killed / "dvc.lock").unlink()
            continue
        there = _processes(psutil.Process(run.pid))
        part = min(there, key=lambda name: hit[name])
        there[part].send_signal(signal.SIGKILL)
        hit[part] += 1
        run.wait()
    assert min(hit.values()) >= 1
    assert _start(killed).wait() == 0, (killed / "log").read_text()[-3000:]
    for folder in (straight, killed):
        _columns_without_time(folder)
    assert _digests(killed) == _digests(straight)
    abandoned = [*killed.glob("runs/**/.partial-*"), *killed.glob("data/**/.partial-*")]
    assert abandoned == []
