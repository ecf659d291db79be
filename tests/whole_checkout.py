"""The whole project as a checkout of its own, for tests of the pipeline as a user runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.example_study import PROJECT

REPRO = "import sys; from ferbench.cli.main import main; sys.exit(main())"


def checkout(folder: Path) -> Path:
    """The tracked files of the project, as a repository of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, text=True
    )
    for name in listed.stdout.split("\0"):
        if name and (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, folder / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Variables of a process that works in a checkout, with a store and a cache of its own."""
    return {
        **os.environ,
        "PYTHONPATH": str(folder / "src"),
        "FERBENCH_CACHE": str(folder / ".cache"),
        "DVC_SITE_CACHE_DIR": str(folder / ".cache" / "dvc"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
    }
