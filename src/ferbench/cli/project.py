"""What `ferbench doctor` asks of the checkout: packages, parameters, DVC, data, tracking."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from ferbench import plugins
from ferbench.cli.check import Check
from ferbench.errors import InputError
from ferbench.files import sha256_file
from ferbench.params import Params, load_params

__all__ = ["project_checks"]

SOURCES = "ferbench.data.sources"
SETUP = "run `make setup`"


def project_checks() -> Iterator[Check]:
    """Packages, parameters, DVC, archives, credentials and the tracking store."""
    yield _packages()
    yield from _params()
    yield _dvc()
    yield from _archives()
    yield _kaggle(os.environ, Path.home())
    yield _tracking(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))


def _packages() -> Check:
    """What ferbench itself asks for, and installed versions against the lock."""
    installed = {_key(d.name): d.version for d in importlib.metadata.distributions()}
    if missing := [name for name in _required() if _key(name) not in installed]:
        return Check("fail", "packages", f"missing: {', '.join(missing)}", SETUP)
    lock = Path("requirements.lock")
    if not lock.is_file():
        return Check("warn", "packages", "no requirements.lock here", "run in the project's folder")
    lines = lock.read_text(encoding="utf-8").splitlines()
    pins = [line.strip().split("==") for line in lines if "==" in line]
    differ = [
        f"{name} {installed[_key(name)]} instead of {version}"
        for name, version in pins
        if installed.get(_key(name), version) != version
    ]
    if differ:
        return Check("warn", "packages", f"not as locked: {', '.join(differ)}", SETUP)
    return Check("ok", "packages", f"{len(installed)} installed, versions as locked")


def _key(name: str) -> str:
    """A package's name as all spellings of it come out."""
    return name.lower().replace("_", "-").replace(".", "-")


def _required() -> list[str]:
    """Names of the packages that ferbench cannot do without."""
    lines = importlib.metadata.requires("ferbench") or []
    return [re.split(r"[^\w.-]", line)[0] for line in lines if "extra ==" not in line]


def _params() -> Iterator[Check]:
    """What reading refuses, then what parts say of the values of their options."""
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
    from ferbench.evaluation.probing import build_probe

    for key, row in params.datasets.items():
        try:
            plugins.load(SOURCES, row.source)(row.options)
        except InputError as error:
            yield "datasets", key, error
    for key, probe in params.probes.items():
        try:
            build_probe(probe)
        except InputError as error:
            yield "probes", key, error


def _dvc() -> Check:
    """DVC needs its own folder and a git repository around it."""
    if not Path(".dvc/config").is_file():
        return Check("fail", "dvc", "no .dvc/config here", "run in a clone of the project")
    git = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=False
    )
    if git.returncode != 0:
        return Check("fail", "dvc", "this folder is no git repository", "clone it, or `git init`")
    version = importlib.metadata.version("dvc")
    return Check("ok", "dvc", f"{version}, cache in {Path('.dvc/cache')}")


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
    """Whether the tracking store can be used; one that is not there is not made."""
    from ferbench.training.store import probe, shown, sqlite_file

    if uri.startswith(("http://", "https://")):
        return _tracking_server(shown(uri))
    path = sqlite_file(uri)
    if path is not None and not path.is_file():
        return Check("ok", "mlflow", f"{path} is made on first use")
    try:
        probe(uri)
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
