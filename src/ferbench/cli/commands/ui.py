"""`ferbench ui`: MLflow's pages, with the address of the active study's runs."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ferbench.cli.arguments import whole_number
from ferbench.errors import InputError

if TYPE_CHECKING:
    from ferbench.config.params import Params

__all__ = ["add_ui"]

# MLflow opens an experiment on its pages for language models unless the address says otherwise.
_RUNS = "/#/experiments/{}/runs?workflowType=machine_learning"


def add_ui(commands: Any) -> None:
    """Add `ui` to the commands."""
    parser = commands.add_parser(
        "ui",
        help="browse runs and models in MLflow",
        description="Start MLflow's pages on this machine and print the address of the active "
        "study's runs. Finished runs that the store lacks, as after `dvc pull`, are added from "
        "their files. If MLFLOW_TRACKING_URI names a server, nothing is started or added.",
    )
    parser.add_argument("--port", type=whole_number(1, 2**16 - 1), default=5000)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.config.params import load_params
    from ferbench.tracking.store import connect, shown, store_uri

    uri = store_uri()
    is_server = uri.startswith(("http://", "https://"))
    params = load_params()
    study = params.study.name
    if not is_server:
        _add_missing(params)
    client = connect()
    found = client.get_experiment_by_name(study)
    base = shown(uri).rstrip("/") if is_server else f"http://127.0.0.1:{args.port}"
    if found is None:
        print(f"{base} (study {study} has no runs yet)", flush=True)
    else:
        print(f"{base}{_RUNS.format(found.experiment_id)}", flush=True)
    if is_server:
        return 0
    print("Ctrl-C ends it", flush=True)
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(args.port),
    ]
    # Not as an argument: all users of a machine see those, and the address may hold a password.
    environment = {**os.environ, "MLFLOW_BACKEND_STORE_URI": uri}
    with suppress(KeyboardInterrupt):  # which MLflow has received as well
        return subprocess.run(command, env=environment, check=False).returncode
    return 0


def _add_missing(params: Params) -> None:
    """Add the study's finished runs to a store that lacks some, from their files."""
    from ferbench.reporting.run_charts import run_charts
    from ferbench.tracking.publish import missing_runs, publish_study

    lacking, study = missing_runs(params), params.study.name
    if not lacking:
        return
    try:
        publish_study(params, run_charts)
    except (InputError, FileNotFoundError) as error:
        print(
            f"finished runs of study {study} that MLflow lacks: {len(lacking)}; they cannot be "
            f"added: {error}\n  remedy: run `dvc pull` or `ferbench repro` first",
            file=sys.stderr,
        )
    else:
        print(f"runs of study {study} added to MLflow from their files: {len(lacking)}")
