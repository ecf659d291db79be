"""The MLflow record: one experiment a study, one flat run a cell, found again by its key.

A run's key is a digest of all that decides its result. A cell that is started again with the same
key goes on in its unfinished run, or replaces the finished one of its checkout; so a repeated
pipeline never doubles a run. A run that a living process of another checkout writes is left alone.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.files import read_json
from ferbench.tracking.store import (
    CHECKOUT,
    OWNER,
    Owner,
    artifact_place,
    connect,
    one_at_a_time,
    patient_uploads,
    store_uri,
    this_checkout,
    this_process,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

__all__ = [
    "MlflowRun",
    "connect",
    "describe_study",
    "experiment_id",
    "find_run",
    "open_run",
    "open_run_of",
    "run_of",
    "run_tags",
    "store_uri",
]

# The tags that name a cell within its study's experiment.
_CELL = ("variant", "dataset", "seed")
# What MLflow takes at once is a thousand.
_BATCH = 500


def experiment_id(client: MlflowClient, study: str) -> str:
    """The id of a study's experiment, which is made if it is not there."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(study)
    if found is None:
        try:
            return str(client.create_experiment(study, artifact_location=artifact_place(study)))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(study)  # another process was quicker
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def find_run(client: MlflowClient, experiment: str, key: str) -> Any | None:
    """The newest run of a key, or None."""
    found = client.search_runs([experiment], f"tags.run_key = '{key}'", max_results=1)
    return found[0] if found else None


def run_of(client: MlflowClient, experiment: str, record: Mapping[str, Any]) -> Any | None:
    """The run of a finished cell, or None if there is none that nobody else writes.

    If several checkouts have trained the same key, it is the run that the record names, else one of
    this checkout, else a finished one.

    Args:
        client: of the store.
        experiment: id of the study's.
        record: the cell's `run.json`.
    """

    def rank(run: Any) -> tuple[bool, bool, bool]:
        return (
            run.info.run_id != record.get("mlflow_run_id"),
            run.data.tags.get(CHECKOUT) != this_checkout(),
            run.info.status != "FINISHED",
        )

    runs = client.search_runs([experiment], f"tags.run_key = '{record['run_key']}'")
    return min((run for run in runs if not _is_taken(run)), key=rank, default=None)


def _is_taken(run: Any) -> bool:
    """Whether another process that may be alive writes a run."""
    owner = Owner.of(run.data.tags)
    is_open = run.info.status not in ("FINISHED", "FAILED", "KILLED")
    return is_open and owner is not None and owner.is_another()


class MlflowRun:
    """One MLflow run, open for writing.

    Args:
        client: of the store.
        run_id: of the run.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self.client, self.run_id = client, run_id
        self._steps: set[int] | None = None  # epochs that stand; None before the first look

    def log_epoch(self, row: Mapping[str, float]) -> None:
        """Add one row of the history; its `epoch` is the step. A step that stands stays as it is.

        A training that was killed and goes on repeats the epoch that it was killed in.
        """
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        if self._steps is None:
            names = [name for name in row if name != "epoch"]
            self._steps = {step for name in names for step in self._standing(name)}
        if step in self._steps:
            return
        points = [Metric(k, float(v), now, step) for k, v in row.items() if k != "epoch"]
        self.client.log_batch(self.run_id, metrics=points)
        self._steps.add(step)

    def log_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Add what the run lacks of a whole history."""
        names = [name for name in rows[0] if name != "epoch"] if rows else []
        self.log_points((name, int(row["epoch"]), row[name]) for name in names for row in rows)

    def log_points(self, points: Iterable[tuple[str, int, float]]) -> None:
        """Add numbers by name and step, but for those that stand.

        How long an epoch took is said once: an epoch that was repeated took another time.
        """
        from mlflow.entities import Metric

        known = self.client.get_run(self.run_id).data.metrics
        curves: dict[str, dict[int, float]] = {}
        for name, step, value in points:
            curves.setdefault(name, {})[step] = float(value)
        now, new = int(time.time() * 1000), []
        for name, curve in curves.items():
            # One look at what is known; a curve's points are asked for only if there is one.
            if name not in known:
                standing = {}
            elif len(curve) == 1:
                standing = dict.fromkeys(curve, known[name])
            else:
                standing = self._standing(name)
            new += [
                Metric(name, value, now, step)
                for step, value in curve.items()
                if step not in standing
                or not (name == "seconds" or _is_same(value, standing[step]))
            ]
        for some in _batches(new):
            self.client.log_batch(self.run_id, metrics=some)

    def _standing(self, name: str) -> dict[int, float]:
        """Value by step of the points of a curve, the newest of each step."""
        points = self.client.get_metric_history(self.run_id, name)
        return {p.step: p.value for p in sorted(points, key=lambda p: p.timestamp)}

    def log_values(self, metrics: Mapping[str, float]) -> None:
        """Set final numbers, such as `test/accuracy`; the same value a second time adds nothing."""
        self.log_points((name, 0, value) for name, value in metrics.items())

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
        with patient_uploads():
            self.client.log_artifact(self.run_id, str(path), folder)

    def log_figure(self, figure: Figure, name: str) -> None:
        """Add a matplotlib figure, over one of the same name."""
        with patient_uploads():
            self.client.log_figure(self.run_id, figure, name)

    def finish(self, status: str = "FINISHED") -> None:
        """Close the run."""
        self.client.set_terminated(self.run_id, status)


def open_run(study: str, name: str, key: str, tags: Mapping[str, Any]) -> MlflowRun:
    """A run for a training that begins: new, or the unfinished one of the same key.

    A finished run of the key and of this checkout is put into MLflow's bin: the training is done
    over. A run that another process writes, and the finished runs of other checkouts, stay.

    Args:
        study: name of the experiment.
        name: of the run in the UI.
        key: digest of all that decides its result.
        tags: what the UI groups and filters by.
    """
    client = connect()
    tags = {CHECKOUT: this_checkout(), **tags}
    with one_at_a_time():
        experiment = experiment_id(client, study)
        found = client.search_runs([experiment], f"tags.run_key = '{key}'")
        for run in found:
            if run.info.status == "FINISHED" and run.data.tags.get(CHECKOUT) == tags[CHECKOUT]:
                client.delete_run(run.info.run_id)
        free = [r for r in found if r.info.status != "FINISHED" and not _is_taken(r)]
        free.sort(key=lambda r: r.data.tags.get(CHECKOUT) != tags[CHECKOUT])
        words = {"run_key": key, **tags}
        run_id = free[0].info.run_id if free else _new_run(client, experiment, name, words)
        run = _claim(client, run_id)
        run.set_tags(tags)
        _mark_superseded(client, experiment, run_id, words)
    return run


def open_run_of(record: Mapping[str, Any], name: str) -> tuple[MlflowRun, bool]:
    """The run of a finished cell, and whether it had to be made.

    Args:
        record: the cell's `run.json`.
        name: of the run in the UI, if it is made.
    """
    client = connect()
    with one_at_a_time():
        experiment = experiment_id(client, record["study"])
        found = run_of(client, experiment, record)
        if found is not None:
            return _claim(client, found.info.run_id), False
        tags = {"run_key": record["run_key"], CHECKOUT: this_checkout(), **run_tags(record)}
        run = _claim(client, _new_run(client, experiment, name, tags))
        _mark_superseded(client, experiment, run.run_id, tags)
    return run, True


def _claim(client: MlflowClient, run_id: str) -> MlflowRun:
    """A run that this process writes from now on, as other processes see."""
    run = MlflowRun(client, run_id)
    run.set_tags({OWNER: this_process().tag()})
    client.update_run(run_id, status="RUNNING")
    return run


def describe_study(study: str, text: str) -> None:
    """Set what the UI shows above a study's runs, as Markdown."""
    client = connect()
    client.set_experiment_tag(experiment_id(client, study), "mlflow.note.content", text)


def _new_run(client: MlflowClient, experiment: str, name: str, tags: Mapping[str, Any]) -> str:
    words = {k: str(v) for k, v in tags.items()} | {OWNER: this_process().tag()}
    return str(client.create_run(experiment, run_name=name, tags=words).info.run_id)


def _mark_superseded(
    client: MlflowClient, experiment: str, run_id: str, tags: Mapping[str, Any]
) -> None:
    """Mark older runs of a run's cell, of other code, data or rows; not those being written."""
    same = " and ".join(f"tags.{k} = '{tags[k]}'" for k in _CELL if k in tags)
    for old in client.search_runs([experiment], same) if same else ():
        marked = old.data.tags.get("superseded")
        if old.info.run_id == run_id:
            if marked == "true":  # its code, data and row are back
                client.set_tag(run_id, "superseded", "false")
        elif old.data.tags.get("run_key") != tags["run_key"] and not _is_taken(old):
            client.set_tag(old.info.run_id, "superseded", "true")


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


def _batches(points: Sequence[Any]) -> Iterable[list[Any]]:
    return (list(points[i : i + _BATCH]) for i in range(0, len(points), _BATCH))


def _is_same(one: float, other: float) -> bool:
    """Whether a store that knows no infinity holds the same number twice."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    most = sys.float_info.max
    return max(-most, min(one, most)) == max(-most, min(other, most))
