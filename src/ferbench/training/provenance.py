"""Provenance of a result: hardware, library versions, commit and digest of the code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
import torch
import yaml

import ferbench
from ferbench.files import digest, md5_file

__all__ = ["code_digest", "commit", "hardware", "stage_code", "versions"]

_LIBRARIES = (
    "torch",
    "torchvision",
    "lightning",
    "ultralytics",
    "albumentations",
    "numpy",
    "mlflow",
)
_CODE = ("src", "pipeline")
_CHECKOUT = Path(ferbench.__file__).parents[2]


def hardware() -> dict[str, Any]:
    """Processor, cores, memory and GPUs of this machine."""
    capabilities = torch.cpu.get_capabilities()
    return {
        "cpu": capabilities.get("cpu_name", platform.processor()),
        "cores": psutil.cpu_count(logical=True),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result depends on."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # training does without MLflow
        return "not installed"


def commit() -> str:
    """The commit of the working tree.

    Outside git it is the value of the environment variable FERBENCH_COMMIT, which whoever copies
    the code to a machine or into an image sets, or else `none`.

    `-dirty` is appended if code or studies differ from the commit or a Python file of the code is
    untracked. Files that a running pipeline writes (`dvc.lock`, `reports`, `params.yaml`) are
    ignored, because every run records its parameters.
    """
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE, "studies")
        new = _git(
            "ls-files", "--others", "--exclude-standard", "--", *(f"{f}/*.py" for f in _CODE)
        )
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("FERBENCH_COMMIT", "none")
    return f"{head}-dirty" if changed or new else head


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def stage_code(stage: str, checkout: Path = _CHECKOUT) -> list[Path]:
    """Files and folders of `src/` that `dvc.yaml` lists as dependencies of a stage.

    `tests/test_stage_dependencies.py` compares the list with the imports of the stage's script.

    Args:
        stage: its name in `dvc.yaml`.
        checkout: folder of `dvc.yaml`.
    """
    content = yaml.safe_load((checkout / "dvc.yaml").read_text(encoding="utf-8"))
    deps = content["stages"][stage]["deps"]
    return [checkout / dep for dep in deps if dep.startswith("src/")]


def code_digest(roots: Iterable[Path]) -> str:
    """One digest of all Python files in the given folders and files, wherever these are."""
    found = {
        str(file.relative_to(root.parent)): md5_file(file)
        for root in roots
        for file in ([root] if root.is_file() else sorted(root.rglob("*.py")))
    }
    return digest(found)
