"""A model as a folder that describes itself.

- `model.json`: the network's row and recipe, classes, score threshold, origin, metrics on val, and
  the SHA-256 digest of every other file and of itself;
- `model.safetensors`: the weights. The format holds tensors alone, no code;
- `card.md`: the model card;
- `model.onnx` and `model.int8.onnx`, where they were exported: the network in float32 and with
  8-bit weights and activations.

A folder can come from anywhere: all values are checked, no file is read before its digest, and
nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import ferbench
from ferbench.artifacts.runs import Record, RunRecord
from ferbench.config.params import Recipe, Variant
from ferbench.config.records import build_record
from ferbench.emotions import EMOTIONS
from ferbench.errors import DAMAGED, InputError
from ferbench.files import digest, fresh_folder, sha256_file
from ferbench.models.build import build_network, task_of
from ferbench.models.weights import Trained

__all__ = [
    "CARD",
    "INT8",
    "ONNX",
    "ModelRecord",
    "describe_model",
    "open_folder",
    "read_network",
    "write_folder",
]

DESCRIPTION, WEIGHTS, CARD = "model.json", "model.safetensors", "card.md"
ONNX, INT8 = "model.onnx", "model.int8.onnx"
_FILES = (WEIGHTS, CARD, ONNX, INT8)
_MAX_DESCRIPTION = 2**20  # bytes
_REMEDY = "get the folder again from where it comes from; do not use this one"
_SOURCE = {
    *("study", "dataset", "name", "protocol", "seed", "best_epoch", "epochs", "run_key"),
    *("data_digest", "commit", "precision"),
}
_PICKLED = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".bin")


class ModelRecord(Record):
    """`model.json`: all that is needed to use a model, and where it is from."""

    remedy: ClassVar[str] = "export it again with this version of ferbench"

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = 1
    name: str  # of the variant's row
    task: str  # `classify` or `detect`
    variant: dict[str, Any]  # the row of the variants table
    recipe: dict[str, Any]  # gives size, channels, crops and normalisation of the input
    classes: list[str]  # in the order of the network's outputs
    # The least score of a detector's box that is shown as a face
    score_threshold: float = Field(ge=0, le=1)
    # Study, data set, protocol, seed, epoch, commit and digests of the run
    source: dict[str, Any]
    metrics: dict[str, float | None]  # on val
    # Of the exported networks, by file: accuracy on val and the greatest difference in probability
    exports: dict[str, dict[str, Any]] = Field(default_factory=dict)
    version: str = ferbench.__version__  # of ferbench
    files: dict[str, str] = Field(default_factory=dict)  # SHA-256 by name
    digest: str = ""  # of all other fields

    @property
    def row(self) -> Variant:
        """The row of the variants table, checked."""
        return build_record(Variant, self.variant, f"{DESCRIPTION}: variant")

    @property
    def settings(self) -> Recipe:
        """The recipe, checked, without the paper's."""
        return build_record(Recipe, {**self.recipe, "paper": {}}, f"{DESCRIPTION}: recipe")

    def own_digest(self) -> str:
        """Digest of all fields but `digest`."""
        return digest(self.model_dump(exclude={"digest"}))


def write_folder(
    folder: Path, trained: Trained, record: ModelRecord, card: str, more: dict[str, Path]
) -> ModelRecord:
    """Write a model folder, as a whole or not at all.

    Args:
        folder: that must not exist.
        trained: the network.
        record: without digests.
        card: Markdown.
        more: exported files by their names in the folder; they are moved.

    Returns:
        The record as it was written.

    Raises:
        InputError: the folder exists.
    """
    if folder.exists():
        raise InputError(
            "exists already; nothing is overwritten",
            where=folder,
            remedy="name another folder, or delete this one",
        )
    state = {name: value.cpu().contiguous() for name, value in trained.network.state_dict().items()}
    with fresh_folder(folder) as place:
        # Cloned: tensors that share memory are refused.
        save_file({name: value.clone() for name, value in state.items()}, place / WEIGHTS)
        (place / WEIGHTS).chmod(0o644)
        (place / CARD).write_text(card, encoding="utf-8")
        for name, path in more.items():
            path.replace(place / name)
        names = [name for name in _FILES if (place / name).is_file()]
        named = record.model_copy(
            update={"files": {name: sha256_file(place / name) for name in names}}
        )
        complete = named.model_copy(update={"digest": named.own_digest()})
        complete.write(place / DESCRIPTION)
    return complete


def open_folder(path: Path) -> tuple[Path, ModelRecord]:
    """The folder and the record of a model, with every file's digest checked.

    Args:
        path: the folder, or its `model.json`.

    Raises:
        InputError: it is no model folder, a file is absent or was changed, or a value is wrong.
    """
    if path.suffix in _PICKLED or (path / "model.pt").is_file():
        raise InputError(
            "is a checkpoint, which could hold code; models are used from exported folders",
            where=path,
            remedy="export the run: `ferbench export runs/<study>/<variant>/<dataset>/<seed>`",
        )
    folder = path.parent if path.name == DESCRIPTION else path
    description = folder / DESCRIPTION
    if not description.is_file():
        raise InputError(
            f"no model: there is no {DESCRIPTION}",
            where=folder,
            remedy="name a folder that `ferbench export` wrote",
        )
    if description.stat().st_size > _MAX_DESCRIPTION:
        raise InputError("far too long", where=description, remedy=_REMEDY)
    try:
        record = ModelRecord.read(description)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no JSON ({error})", where=description, remedy=_REMEDY) from error
    _check(folder, record)
    return folder, record


def _check(folder: Path, record: ModelRecord) -> None:
    where = folder / DESCRIPTION
    if record.digest != record.own_digest():
        raise InputError("was changed: its digest differs", where=where, remedy=_REMEDY)
    if not {WEIGHTS, CARD} <= record.files.keys() <= set(_FILES):
        raise InputError(f"lists the files {sorted(record.files)}", where=where, remedy=_REMEDY)
    for name, expected in record.files.items():
        path = folder / name
        if not path.is_file():
            raise InputError("missing", where=path, remedy=_REMEDY)
        if sha256_file(path) != expected:
            raise InputError("was changed: its digest differs", where=path, remedy=_REMEDY)
    if not record.classes or not set(record.classes) <= set(EMOTIONS):
        raise InputError(f"classes are {record.classes}", where=where, remedy=_REMEDY)
    if task_of(record.row) != record.task:
        raise InputError(
            f"task is {record.task}, head {record.row.head!r} is made for another",
            where=where,
            remedy=_REMEDY,
        )


def read_network(folder: Path, record: ModelRecord) -> Trained:
    """The network of an opened folder, in evaluation mode on the CPU.

    Raises:
        InputError: the weights are damaged or do not fit the row.
    """
    row, recipe, path = record.row, record.settings, folder / WEIGHTS
    try:
        network = build_network(row, recipe, len(record.classes), seed=0)
        network.load_state_dict(load_file(path))
    except InputError:
        raise
    except (*DAMAGED, SafetensorError) as error:
        raise InputError(f"does not fit the row ({error})", where=path, remedy=_REMEDY) from error
    return Trained(network.eval(), row, recipe, tuple(record.classes))


def describe_model(
    record: RunRecord, trained: Trained, score_threshold: float, val: Mapping[str, float]
) -> ModelRecord:
    """The description of a run's model, without digests.

    Args:
        record: the run's `run.json`.
        trained: its network.
        score_threshold: least score of a detector's box that is shown as a face.
        val: metrics on val.
    """
    return ModelRecord(
        name=record.variant,
        task=task_of(trained.variant),
        variant=asdict(trained.variant),
        recipe=trained.recipe.settings(),
        classes=list(trained.classes),
        score_threshold=score_threshold,
        source=record.model_dump(include=_SOURCE),
        metrics={name: value if isfinite(value) else None for name, value in val.items()},
    )
