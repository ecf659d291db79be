"""What `ferbench doctor` asks of the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator

from ferbench.cli.check import Check

__all__ = ["machine_checks"]

GIB = 2**30
# One cell on a CPU peaks below this, torch and a packed data set of 35,000 grey crops included.
CELL_GIB = 2
# The demo study writes less than one; a study over all real sets some ten.
DISK_GIB = 10


def machine_checks() -> Iterator[Check]:
    """Python, processor, accelerator, memory and disk."""
    yield _python()
    yield _cores()
    yield _gpu()
    yield _memory()
    yield _disk()


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return Check("ok", "python", found)
    return Check("fail", "python", found, "install Python 3.11, delete .venv and run `make setup`")


def _cores() -> Check:
    cores = os.cpu_count() or 1
    advice = f"; `make repro JOBS={cores}` trains as many cells at a time" if cores > 1 else ""
    return Check("ok", "cores", f"{cores}{advice}")


def _gpu() -> Check:
    """A GPU that the driver shows, and whether torch can use it; torch is imported only then."""
    if not shutil.which("nvidia-smi"):
        return Check("ok", "gpu", "none; training runs on the processor")
    answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    names = [line for line in answer.stdout.splitlines() if line.startswith("GPU ")]
    if not names:
        return Check("ok", "gpu", "none; training runs on the processor")
    import torch

    if torch.cuda.is_available():
        return Check("ok", "gpu", f"{len(names)}: {torch.cuda.get_device_name(0)}")
    needed = f"torch {torch.__version__} needs a driver for CUDA {torch.version.cuda}"
    return Check("warn", "gpu", f"{len(names)}, but torch cannot use it", f"{needed}; renew it")


def _memory() -> Check:
    import psutil

    free = psutil.virtual_memory().available / GIB
    found = f"{free:.1f} GiB free, enough for {int(free // CELL_GIB)} cells at a time"
    if free >= CELL_GIB:
        return Check("ok", "memory", found)
    return Check("warn", "memory", found, f"end other programs; a cell needs {CELL_GIB} GiB")


def _disk() -> Check:
    free = shutil.disk_usage(".").free / GIB
    found = f"{free:.0f} GiB free here"
    if free >= DISK_GIB:
        return Check("ok", "disk", found)
    return Check("warn", "disk", found, "free some; `dvc gc --workspace` drops old cached results")
