"""MLflow runs: one experiment a study, one run a training, found again by its key.

The key is a digest of all that decides a result. A training that starts again with the same key
continues its unfinished run, or replaces the finished one of its checkout, so a repeated pipeline
never duplicates a run. A run that a live process of another checkout writes is left alone.

Tags, all set in this package:

- `run_tags`: what the UI groups and filters by, such as `variant`, `dataset` and `seed`;
- `run_key`: identifies a run; `superseded`: whether a newer run of the same variant, data set and
  seed replaces it;
- `CHECKOUT`, `OWNER`: the working folder that trained a run, and the process that writes it;
- `best_epoch`, `resumed`: set by `MlflowRun.complete` at the end of training;
- `best_seed`, `model_uri`: set by `publish` and `registry`.
"""

from __future__ import annotations

import json
import math
import socket
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.artifacts.runs import RunRecord, RunSetup
from ferbench.config.deviations import deviations
from ferbench.config.params import Params
from ferbench.files import read_json
from ferbench.locks import Process
from ferbench.tracking.store import artifact_place, connect, patient_uploads, store_lock

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

__all__ = [
    "CHECKOUT",
    "OWNER",
    "MlflowRun",
    "describe_study",
    "experiment_id",
    "find_run",
    "open_finished_run",
    "open_run",
    "run_params",
    "run_tags",
    "this_checkout",
]

OWNER = "ferbench.owner"
CHECKOUT = "ferbench.checkout"
# The tags that identify a run's place in its study.
_PLACE = ("variant", "dataset", "seed")
# MLflow accepts a thousand points in one call.
_BATCH = 500


def this_checkout() -> str:
    """Value of the tag `CHECKOUT`: machine and folder."""
    return f"{socket.gethostname()}:{Path.cwd()}"


def run_tags(setup: RunSetup) -> dict[str, str]:
    """Tags by which the UI groups and filters runs."""
    names = ("study", "variant", "name", "dataset", "protocol", "seed", "task", "paper", "commit")
    return {name: str(getattr(setup, name)) for name in names}


def run_params(variant: str, params: Params) -> dict[str, Any]:
    """Parameters of a run: the variant's row, its recipe, and its deviations from its paper."""
    study = params.study.name
    description = read_json(Path("reports", study, "variants", f"{variant}.json"))
    found = deviations(params.variants[variant], params.recipe_of(variant))
    return {
        "row": description["row"],
        "recipe": description["recipe"],
        "deviations": "; ".join(found) or "none",
    }


def experiment_id(client: MlflowClient, study: str) -> str:
    """Id of a study's experiment, which is created or restored if necessary."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        try:
            return str(client.create_experiment(study, artifact_location=artifact_place(study)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(study)  # another process was faster
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def describe_study(study: str, text: str) -> None:
    """Set the Markdown that the UI shows above a study's runs."""
    client = connect()
    client.set_experiment_tag(experiment_id(client, study), "mlflow.note.content", text)


def find_run(client: MlflowClient, experiment: str, key: str) -> Any | None:
    """The run of a key, or None if there is none that this process may write.

    If several checkouts have trained the key, this checkout's run comes first, then finished ones.

    Args:
        client: of the store.
        experiment: id of the study's experiment.
        key: `run_key` of the run's record.
    """

    def rank(run: Any) -> tuple[bool, bool]:
        return run.data.tags.get(CHECKOUT) != this_checkout(), run.info.status != "FINISHED"

    runs = client.search_runs([experiment], f"tags.run_key = '{key}'")
    return min((run for run in runs if not _is_taken(run)), key=rank, default=None)


def open_run(setup: RunSetup) -> MlflowRun:
    """A run for a training that starts: new, or the unfinished one of the same key.

    A finished run of this key and this checkout is deleted, because it is trained again. Runs that
    another process writes, and finished runs of other checkouts, stay.
    """
    client = connect()
    with store_lock():
        experiment = experiment_id(client, setup.study)
        found = client.search_runs([experiment], f"tags.run_key = '{setup.run_key}'")
        for run in found:
            if run.info.status == "FINISHED" and run.data.tags.get(CHECKOUT) == this_checkout():
                client.delete_run(run.info.run_id)
        free = [r for r in found if r.info.status != "FINISHED" and not _is_taken(r)]
        free.sort(key=lambda r: r.data.tags.get(CHECKOUT) != this_checkout())
        run = _claim(client, free[0] if free else _new_run(client, experiment, setup))
        run.set_tags({CHECKOUT: this_checkout(), **run_tags(setup)})
        _mark_superseded(client, experiment, run.run_id, setup)
    return run


def open_finished_run(record: RunRecord) -> MlflowRun:
    """The run of a finished training; new if this store has none."""
    client = connect()
    with store_lock():
        experiment = experiment_id(client, record.study)
        found = find_run(client, experiment, record.run_key)
        run = _claim(client, found or _new_run(client, experiment, record))
        if found is None:
            _mark_superseded(client, experiment, run.run_id, record)
    return run


def _new_run(client: MlflowClient, experiment: str, setup: RunSetup) -> Any:
    name = f"{setup.variant}-{setup.dataset}-s{setup.seed}"
    owner = {OWNER: Process.current().to_json(), CHECKOUT: this_checkout()}
    tags = {**run_tags(setup), "run_key": setup.run_key, **owner}
    return client.create_run(experiment, run_name=name, tags=tags)


def _claim(client: MlflowClient, found: Any) -> MlflowRun:
    """Tell other processes that this one writes a run from now on."""
    run = MlflowRun(client, str(found.info.run_id))
    run.set_tags({OWNER: Process.current().to_json()})
    client.update_run(run.run_id, status="RUNNING")
    return run


def _is_taken(run: Any) -> bool:
    """Whether another live process writes a run."""
    owner = Process.from_json(run.data.tags.get(OWNER, ""))
    is_open = run.info.status not in ("FINISHED", "FAILED", "KILLED")
    return is_open and owner is not None and owner.is_other()


def _mark_superseded(client: MlflowClient, experiment: str, run_id: str, setup: RunSetup) -> None:
    """Mark older runs of the same place with another key, unless they are being written."""
    same = " and ".join(f"tags.{name} = '{getattr(setup, name)}'" for name in _PLACE)
    for old in client.search_runs([experiment], same):
        if old.info.run_id == run_id:
            if old.data.tags.get("superseded") == "true":  # its code and data are current again
                client.set_tag(run_id, "superseded", "false")
        elif old.data.tags.get("run_key") != setup.run_key and not _is_taken(old):
            client.set_tag(old.info.run_id, "superseded", "true")


class MlflowRun:
    """One MLflow run, open for writing. Nothing that is there is written twice.

    Args:
        client: of the store.
        run_id: of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self._steps: set[int] | None = None  # epochs that are recorded; None if unknown

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history with its `epoch` as the step, unless the step is recorded.

        A training that resumes repeats the epoch in which it was killed.
        """
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        if self._steps is None:
            names = [name for name in row if name != "epoch"]
            self._steps = {step for name in names for step in self._recorded(name)}
        if step in self._steps:
            return
        points = [Metric(k, float(v), now, step) for k, v in row.items() if k != "epoch"]
        self.client.log_batch(self.run_id, metrics=points)
        self._steps.add(step)

    def complete(self, record: RunRecord, history: Sequence[Mapping[Any, Any]]) -> None:
        """Add what the run lacks of a finished training.

        Args:
            record: `run.json`.
            history: rows of `history.csv`.
        """
        names = [name for name in history[0] if name != "epoch"] if history else []
        self.log_points((name, int(row["epoch"]), row[name]) for name in names for row in history)
        final = {"best_val_score": record.val_score, "train_seconds": record.train_seconds}
        self.log_points((name, 0, value) for name, value in final.items())
        self.set_tags({"best_epoch": record.best_epoch, "resumed": record.resumed})
        known = ("initial_weights", "precision", "memory_format")
        self.log_params({name: getattr(record, name) for name in known})

    def log_points(self, points: Iterable[tuple[str, int, float]]) -> None:
        """Add numbers by name and step that are not recorded yet.

        `seconds` of an epoch is recorded once: a repeated epoch took another time.
        """
        from mlflow.entities import Metric

        known = self.client.get_run(self.run_id).data.metrics
        curves: dict[str, dict[int, float]] = {}
        for name, step, value in points:
            curves.setdefault(name, {})[step] = float(value)
        now, new = int(time.time() * 1000), []
        for name, curve in curves.items():
            # A curve's points are queried only if the run has the metric and they are several.
            if name not in known:
                recorded = {}
            elif len(curve) == 1:
                recorded = dict.fromkeys(curve, known[name])
            else:
                recorded = self._recorded(name)
            new += [
                Metric(name, value, now, step)
                for step, value in curve.items()
                if step not in recorded
                or not (name == "seconds" or _is_same(value, recorded[step]))
            ]
        for start in range(0, len(new), _BATCH):
            self.client.log_batch(self.run_id, metrics=new[start : start + _BATCH])

    def _recorded(self, name: str) -> dict[int, float]:
        """Value by step of the points of a curve, the newest of each step."""
        points = self.client.get_metric_history(self.run_id, name)
        return {p.step: p.value for p in sorted(points, key=lambda p: p.timestamp)}

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Set parameters, nested ones as `recipe.lr`; existing ones keep their value."""
        from mlflow.entities import Param

        known = self.client.get_run(self.run_id).data.params
        flat = _flat(params)
        new = [Param(k, str(v)[:6000]) for k, v in flat.items() if k not in known]
        self.client.log_batch(self.run_id, params=new)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, replacing existing ones of the same name."""
        from mlflow.entities import RunTag

        self.client.log_batch(self.run_id, tags=[RunTag(k, str(v)) for k, v in tags.items()])

    def log_dataset(self, record: RunSetup, report: Path) -> None:
        """Record the training data once: name, digest and counts of the data report."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        if self.client.get_run(self.run_id).inputs.dataset_inputs:
            return
        dataset = Dataset(
            name=record.dataset,
            digest=record.data_digest[:36],
            source_type="ferbench",
            source=json.dumps({"protocol": record.protocol}),
            profile=json.dumps({k: v for k, v in read_json(report).items() if isinstance(v, int)}),
        )
        tag = InputTag("mlflow.data.context", "training")
        self.client.log_inputs(self.run_id, [DatasetInput(dataset, [tag])])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Add a file to a folder of the run's artifacts, replacing one of the same name."""
        with patient_uploads():
            self.client.log_artifact(self.run_id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        """Add a text file, such as an SVG chart, replacing one of the same name."""
        with patient_uploads():
            self.client.log_text(self.run_id, text, name)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Add a matplotlib figure, replacing one of the same name."""
        with patient_uploads():
            self.client.log_figure(self.run_id, figure, name)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run."""
        self.client.set_terminated(self.run_id, status)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _is_same(one: float, other: float) -> bool:
    """Whether a store that clips infinity records the same number for both."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    most = sys.float_info.max
    return max(-most, min(one, most)) == max(-most, min(other, most))
