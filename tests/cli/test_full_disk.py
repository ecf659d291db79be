"""A full disk ends a stage with a message, and the stage runs once there is space."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.whole_checkout import REPRO, checkout, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.getuid() != 0, reason="only root mounts a small disk"),
]

RUN = ("ivsa_quarter", "synthetic_smoke", "0")
STAGES = {
    "pack": (("synthetic_smoke",), "data/pack/synthetic_smoke"),
    "train": (RUN, "runs/smoke/ivsa_quarter/synthetic_smoke/0/model.pt"),
    "explain": (("default", *RUN[:2]), "runs/smoke/_explain/default/ivsa_quarter/synthetic_smoke"),
    "score": ((), "reports/smoke/results.csv"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout with a finished smoke study on a disk of two gigabytes."""
    disk = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", str(disk)], check=True)
    try:
        folder = checkout(disk / "checkout")
        command = [sys.executable, "-c", REPRO, "repro", "--study", "smoke"]
        subprocess.run(command, cwd=folder, env=environment(folder), check=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _run(folder: Path, stage: str) -> subprocess.CompletedProcess[str]:
    words, _ = STAGES[stage]
    command = [sys.executable, f"pipeline/{stage}.py", *words]
    return subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )


def _bytes(path: Path) -> dict[str, int]:
    paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(p.relative_to(path.parent)): p.stat().st_size for p in paths}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_survives_a_full_disk(finished: Path, stage: str) -> None:
    output = finished / STAGES[stage][1]
    before = _bytes(output)
    assert before
    (shutil.rmtree if output.is_dir() else Path.unlink)(output)
    ballast = finished / "ballast"
    with ballast.open("wb") as file:
        file.truncate(0)
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(finished).free - 16_384)
    failed = _run(finished, stage)
    assert failed.returncode == 2, failed.stderr[-3000:]
    assert "error: disk full" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not output.exists(), "nothing half-written is left"
    ballast.unlink()
    again = _run(finished, stage)
    assert again.returncode == 0, again.stderr[-3000:]
    assert _bytes(output).keys() == before.keys()
