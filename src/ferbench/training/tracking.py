"""The MLflow record: one experiment a study, one flat run a cell, found again by its key.

A run's key is a digest of all that decides its result. A cell that is started again with the same
key goes on in its unfinished run, or replaces its finished one; so a repeated pipeline never
doubles a run.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from ferbench.environment import CACHE
from ferbench.files import read_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

__all__ = [
    "Run",
    "connect",
    "describe_study",
    "experiment_id",
    "find_run",
    "open_run",
    "open_run_of",
    "run_tags",
    "store_uri",
]

# The tags that name a cell within its study's experiment.
_CELL = ("variant", "dataset", "seed")


def store_uri() -> str:
    """The tracking server of `MLFLOW_TRACKING_URI`, else the project's own SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path('mlflow.db').absolute()}"


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Eight processes that open a new SQLite store at once break it for good; so one at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "mlflow.lock"):
        yield


def connect() -> MlflowClient:
    """A client of the store, which is made if it is not there."""
    from mlflow import MlflowClient

    with _one_at_a_time():
        client = MlflowClient(tracking_uri=store_uri())
        client.search_experiments(max_results=1)  # the first contact runs the migrations
    return client


def experiment_id(client: MlflowClient, study: str) -> str:
    """The id of a study's experiment, which is made if it is not there."""
    with _one_at_a_time():
        found = client.get_experiment_by_name(study)
        if found is None:
            place = None
            if store_uri().startswith("sqlite:"):
                place = Path("mlartifacts", study).absolute().as_uri()
            return str(client.create_experiment(study, artifact_location=place))
        if found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def find_run(client: MlflowClient, experiment: str, key: str) -> Any | None:
    """The run of a key, or None."""
    found = client.search_runs([experiment], f"tags.run_key = '{key}'", max_results=1)
    return found[0] if found else None


class Run:
    """One MLflow run, open for writing.

    Args:
        client: of the store.
        run_id: of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history; its `epoch` is the step."""
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        points = [Metric(k, float(v), now, step) for k, v in row.items() if k != "epoch"]
        self.client.log_batch(self.run_id, metrics=points)

    def log_values(self, metrics: Mapping[str, float]) -> None:
        """Set final numbers, such as `test/accuracy`; the same value a second time adds nothing."""
        from mlflow.entities import Metric

        known = self.client.get_run(self.run_id).data.metrics
        now = int(time.time() * 1000)
        points = [Metric(k, float(v), now, 0) for k, v in metrics.items() if known.get(k) != v]
        self.client.log_batch(self.run_id, metrics=points)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Set parameters, nested ones as `recipe.lr`; those already there are left alone."""
        from mlflow.entities import Param

        known = self.client.get_run(self.run_id).data.params
        flat = _flat(params)
        new = [Param(k, str(v)[:6000]) for k, v in flat.items() if k not in known]
        self.client.log_batch(self.run_id, params=new)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, over those there are."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(k, str(v)) for k, v in tags.items()])

    def log_dataset(self, record: Mapping[str, Any], report: Path) -> None:
        """Say what was learnt from: name, digest and the data report; once."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if self.client.get_run(self.run_id).inputs.dataset_inputs:
            return
        dataset = Dataset(
            name=record["dataset"],
            digest=record["data_digest"][:36],
            source_type="ferbench",
            source=json.dumps({"protocol": record["protocol"]}),
            profile=json.dumps({k: v for k, v in read_json(report).items() if isinstance(v, int)}),
        )
        tag = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [tag])])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Add a file, over one of the same name, to a folder of the run's files."""
        self.client.log_artifact(self.run_id, str(path), folder)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Add a matplotlib figure, over one of the same name."""
        self.client.log_figure(self.run_id, figure, name)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run."""
        self.client.set_terminated(self.run_id, status)


def open_run(study: str, name: str, key: str, tags: Mapping[str, Any]) -> Run:
    """A run for a training that begins: new, or the unfinished one of the same key.

    A finished run of the key is put into MLflow's bin: the training is done over.

    Args:
        study: name of the experiment.
        name: of the run in the UI.
        key: digest of all that decides its result.
        tags: what the UI groups and filters by.
    """
    client = connect()
    experiment = experiment_id(client, study)
    found = find_run(client, experiment, key)
    if found is not None and found.info.status == "FINISHED":
        client.delete_run(found.info.run_id)
        found = None
    if found is None:
        found = _new_run(client, experiment, name, {"run_key": key, **tags})
    client.update_run(found.info.run_id, status="RUNNING")
    run = Run(client, found.info.run_id)
    run.set_tags(tags)
    return run


def open_run_of(record: Mapping[str, Any], name: str) -> tuple[Run, bool]:
    """The run of a finished cell, and whether it had to be made.

    Args:
        record: the cell's `run.json`.
        name: of the run in the UI, if it is made.
    """
    client = connect()
    experiment = experiment_id(client, record["study"])
    found = find_run(client, experiment, record["run_key"])
    if found is not None:
        return Run(client, found.info.run_id), False
    tags = {"run_key": record["run_key"]} | run_tags(record)
    return Run(client, _new_run(client, experiment, name, tags).info.run_id), True


def describe_study(study: str, text: str) -> None:
    """Set what the UI shows above a study's runs, as Markdown."""
    client = connect()
    client.set_experiment_tag(experiment_id(client, study), "mlflow.note.content", text)


def _new_run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, Any]) -> Any:
    """A new run; older ones of the same cell, made by other code, data or rows, are marked so."""
    same = " and ".join(f"tags.{k} = '{tags[k]}'" for k in _CELL if k in tags)
    for old in client.search_runs([experiment], same) if same else ():
        client.set_tag(old.info.run_id, "superseded", "true")
    return client.create_run(experiment, run_name=name, tags={k: str(v) for k, v in tags.items()})


def run_tags(record: Mapping[str, Any]) -> dict[str, str]:
    """What the UI groups and filters runs by."""
    names = ("study", "variant", "name", "dataset", "protocol", "seed", "task", "paper", "commit")
    return {name: str(record[name]) for name in names}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
