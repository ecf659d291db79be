"""`ferbench ui`: MLflow's pages, with the address of the active study's runs."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

from ferbench.cli.arguments import whole_number

__all__ = ["add_ui"]

# MLflow opens an experiment on its pages for language models unless the address says otherwise.
_RUNS = "/#/experiments/{}/runs?workflowType=machine_learning"


def add_ui(commands: Any) -> None:
    """Add `ui` to the commands."""
    parser = commands.add_parser(
        "ui",
        help="browse runs and models in MLflow",
        description="Start MLflow's pages on this machine and print the address of the active "
        "study's runs. If MLFLOW_TRACKING_URI names a server, nothing is started.",
    )
    parser.add_argument("--port", type=whole_number(1, 2**16 - 1), default=5000)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.config.params import load_params
    from ferbench.tracking.store import connect, shown, store_uri

    uri = store_uri()
    client = connect()
    study = load_params().study.name
    found = client.get_experiment_by_name(study)
    is_server = uri.startswith(("http://", "https://"))
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
