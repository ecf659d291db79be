"""`ferbench doctor`: what of the machine and the checkout is fit for a study.

`pip check` and `dvc doctor` are asked where they know; own checks are for what they do not cover.
`--report` adds all that torch, DVC and MLflow tell of themselves, for a bug report.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil

from ferbench import plugins
from ferbench.config.params import Params, load_params
from ferbench.errors import InputError
from ferbench.files import sha256_file

__all__ = ["add_doctor"]

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
REPORTS = (
    ("-m", "torch.utils.collect_env"),
    ("-m", "dvc", "doctor"),
    ("-m", "mlflow", "doctor", "--mask-envs"),
)
SOURCES = "ferbench.data.sources"
SETUP = "run `make setup`"
GIB = 2**30
# A run on a CPU peaks below this, torch and a packed data set of 35,000 grey crops included.
RUN_GIB = 2
# The demo study writes less than one; a study over all real sets some ten.
DISK_GIB = 10


@dataclass(frozen=True)
class Check:
    """What was found.

    Args:
        state: `ok`, `warn` (works, but not as it could) or `fail` (something will not work).
        name: what was checked.
        found: its state in words.
        remedy: what the user can do, if it is not well.
    """

    state: Literal["ok", "warn", "fail"]
    name: str
    found: str
    remedy: str = ""


def add_doctor(commands: Any) -> None:
    """Add `doctor` to the commands."""
    parser = commands.add_parser("doctor", help="check machine, packages, data and tracking")
    parser.add_argument(
        "--report",
        action="store_true",
        help="also print what torch, DVC and MLflow report of themselves, for a bug report",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    states = set()
    for check in _checks():
        states.add(check.state)
        mark = Text(f"{check.state:5}", style=COLOURS[check.state])
        console.print(mark + Text(f"{check.name:14} {check.found}", style="default"))
        if check.remedy:
            console.print(Text(f"     remedy: {check.remedy}"))
    for words in REPORTS if args.report else ():
        print(f"\n$ python {' '.join(words)}", flush=True)
        subprocess.run([sys.executable, *words], check=False)
    return 1 if "fail" in states else 0


def _checks() -> Iterator[Check]:
    yield _python()
    yield _cores()
    yield _gpu()
    yield _memory()
    yield _disk()
    yield _packages()
    yield _processor()
    yield from _params()
    yield _dvc()
    yield from _archives()
    yield _kaggle(os.environ, Path.home())
    yield _tracking(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))


def _output(*words: str) -> tuple[bool, str]:
    """Whether a command of this Python succeeds, and what it prints."""
    done = subprocess.run(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout.strip()


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return Check("ok", "python", found)
    return Check("fail", "python", found, "install Python 3.11, delete .venv and run `make setup`")


def _cores() -> Check:
    cores = os.cpu_count() or 1
    advice = f"; `make repro JOBS={cores}` trains as many runs at a time" if cores > 1 else ""
    return Check("ok", "cores", f"{cores}{advice}")


def _gpu() -> Check:
    """A GPU that the driver shows, and whether torch can use it; torch is imported only then."""
    names: list[str] = []
    if shutil.which("nvidia-smi"):
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
    free = psutil.virtual_memory().available / GIB
    found = f"{free:.1f} GiB free, enough for {int(free // RUN_GIB)} runs at a time"
    if free >= RUN_GIB:
        return Check("ok", "memory", found)
    return Check("warn", "memory", found, f"end other programs; a run needs {RUN_GIB} GiB")


def _disk() -> Check:
    free = shutil.disk_usage(".").free / GIB
    found = f"{free:.0f} GiB free here"
    if free >= DISK_GIB:
        return Check("ok", "disk", found)
    return Check("warn", "disk", found, "free some; `dvc gc --workspace` drops old cached results")


def _packages() -> Check:
    """`pip check`, then installed versions against the lock file."""
    well, found = _output("-m", "pip", "check")
    if not well:
        return Check("fail", "packages", found.replace("\n", "; "), SETUP)
    lock = Path("requirements.lock")
    if not lock.is_file():
        return Check("warn", "packages", "no requirements.lock here", "run in the project's folder")
    pins = re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    installed = {name: _version(name) or pinned for name, pinned in pins}
    differ = [
        f"{name} {installed[name]} instead of {pinned}"
        for name, pinned in pins
        if installed[name] != pinned
    ]
    if differ:
        return Check("warn", "packages", f"not as locked: {', '.join(differ)}", SETUP)
    return Check("ok", "packages", "requirements are met, versions as locked")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> Check:
    """The precision and the memory format that suit the processor, as training chooses them."""
    try:
        from ferbench.training.arithmetic import processor_times

        threads = load_params().train.threads
    except ImportError as error:
        return Check("fail", "processor", f"PyTorch cannot be imported: {error}", SETUP)
    except InputError:  # reported as a fault of params.yaml
        threads = 1
    times = processor_times(threads)
    best = times.precision()
    layout = times.memory_format(best).replace("_", " ")
    steps = (f"{min(times.step_ms[name].values()):.0f} ms in {name}" for name in times.step_ms)
    found = f"{times.processor['name']}, {threads} thread{'s' * (threads > 1)}: a step takes "
    return Check("ok", "processor", f"{found}{', '.join(steps)}; {best}, {layout} suits it")


def _params() -> Iterator[Check]:
    """What reading refuses, then what parts refuse of the values of their options."""
    try:
        params = load_params()
    except InputError as error:
        yield Check("fail", "params.yaml", f"{error.where}: {error.what}", error.remedy)
        return
    sizes = f"{len(params.variants)} variants, {len(params.datasets)} data sets"
    yield Check(
        "ok", "params.yaml", f"study {params.study.name}: {sizes}, {len(params.seeds)} seeds"
    )
    for table, key, refusal in _refused_options(params):
        place = f"{table}: {key}: {refusal.where}" if refusal.where else f"{table}: {key}"
        yield Check("fail", "options", f"{place}: {refusal.what}", refusal.remedy)


def _refused_options(params: Params) -> Iterator[tuple[str, str, InputError]]:
    """Rows whose part refuses an option's value; stages find that when they build the part."""
    from ferbench.evaluation.robustness_test import build_robustness_test

    for key, row in params.datasets.items():
        try:
            plugins.load(SOURCES, row.source)(row.options)
        except InputError as error:
            yield "datasets", key, error
    for key, test in params.robustness.items():
        try:
            build_robustness_test(test)
        except InputError as error:
            yield "robustness", key, error


def _dvc() -> Check:
    """`dvc doctor` finds DVC's own folder and the git repository around it."""
    well, found = _output("-m", "dvc", "doctor")
    repository = re.search(r"^Repo: (.*)$", found, re.MULTILINE)
    if not well or repository is None:
        return Check("fail", "dvc", "no repository of DVC here", "run in a clone of the project")
    if "git" not in repository[1]:
        return Check("fail", "dvc", "this folder is no git repository", "clone it, or `git init`")
    return Check("ok", "dvc", f"{importlib.metadata.version('dvc')}, cache in .dvc/cache")


def _archives() -> Iterator[Check]:
    """Every archive that a source knows a checksum of, in the user's data folder."""
    word = os.environ.get("FERBENCH_DATA")
    if not word:
        yield Check("ok", "archives", "FERBENCH_DATA is not set; only embedded data can be used")
        return
    folder = Path(word)
    if not folder.is_dir():
        yield Check("fail", "archives", f"FERBENCH_DATA: no folder {folder}", "correct its path")
        return
    for name in plugins.names(SOURCES):
        metadata = plugins.load(SOURCES, name).METADATA
        for archive in metadata.archives:
            if (folder / archive).is_file():
                yield _archive(name, folder / archive, metadata.sha256)


def _archive(source: str, path: Path, sums: Mapping[str, str]) -> Check:
    name = f"archive {path.name}"
    if path.name not in sums:
        return Check("warn", name, f"for {source}; no checksum of it is known", "check its origin")
    if sha256_file(path) == sums[path.name]:
        return Check("ok", name, f"for {source}, checksum as published")
    return Check("fail", name, f"for {source}, but not the known file", "get it again")


def _kaggle(environ: Mapping[str, str], home: Path) -> Check:
    """Whether there are credentials; they are neither read nor shown."""
    keyed = {"KAGGLE_USERNAME", "KAGGLE_KEY"} <= environ.keys() or "KAGGLE_API_TOKEN" in environ
    files = [home / ".kaggle" / name for name in ("kaggle.json", "access_token")]
    if keyed or any(file.is_file() for file in files):
        return Check("ok", "kaggle", "credentials are there")
    return Check("ok", "kaggle", "no credentials; only needed to fetch data sets from Kaggle")


def _tracking(uri: str) -> Check:
    """Whether the tracking store can be reached; one that is not there is not made."""
    from ferbench.tracking.store import check_store, shown, sqlite_file

    if uri.startswith(("http://", "https://")):
        return _tracking_server(shown(uri))
    path = sqlite_file(uri)
    if path is not None and not path.is_file():
        return Check("ok", "mlflow", f"{path} is made on first use")
    try:
        check_store(uri)
    except InputError as error:
        return Check("fail", "mlflow", f"{error.where}: {error.what}", error.remedy)
    if path is None:
        return Check("ok", "mlflow", f"{shown(uri)} can be reached")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        (runs,) = database.execute("select count(*) from runs").fetchone()
    return Check("ok", "mlflow", f"{path} holds {runs} runs")


def _tracking_server(address: str) -> Check:
    answers = Check("ok", "mlflow", "the tracking server answers")
    try:
        with urlopen(f"{address.rstrip('/')}/health", timeout=5):
            return answers
    except HTTPError:  # it may want credentials, which are not sent here
        return answers
    except (HTTPException, OSError, ValueError) as error:
        return Check("fail", "mlflow", f"no answer: {error}", "correct MLFLOW_TRACKING_URI")
