"""Where a number is from: hardware, versions, commit."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil
import torch

from ferbench.files import digest, md5_file

__all__ = ["code_digest", "commit", "hardware", "versions"]

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
    """Python and the libraries that a result depends on."""
    found = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return {"python": platform.python_version(), **found}


def commit() -> str:
    """The commit of the working tree, as `git describe --dirty` puts it; `none` outside git.

    `-dirty` follows the hash if code or studies differ from the commit, or if a Python file of the
    code is not in it. What a running pipeline writes (`dvc.lock`, `reports`, `params.yaml`) is not
    looked at: runs record their parameters themselves.
    """
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", *_CODE, "studies")
        new = _git(
            "ls-files", "--others", "--exclude-standard", "--", *(f"{f}/*.py" for f in _CODE)
        )
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return f"{head}-dirty" if changed or new else head


def _git(*words: str) -> str:
    run = subprocess.run(["git", *words], check=True, capture_output=True, text=True)
    return run.stdout.strip()


def code_digest(*roots: Path) -> str:
    """One digest of all Python files below the given folders and files, wherever these are."""
    found = {
        str(file.relative_to(root.parent)): md5_file(file)
        for root in roots
        for file in ([root] if root.is_file() else sorted(root.rglob("*.py")))
    }
    return digest(found)
