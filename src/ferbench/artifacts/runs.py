"""The records of one run: `run.json`, `history.csv` and `evaluation.json` in its folder.

`train` writes the first two, `evaluate` the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from ferbench.errors import InputError
from ferbench.files import read_json, whole_file, write_json

__all__ = ["EvaluationRecord", "RunRecord", "RunSetup", "read_history", "write_history"]


class _Record(BaseModel):
    """A JSON file with exactly the fields of the class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file.

        Raises:
            InputError: the file is absent, or its fields are not those of the class.
        """
        try:
            return cls.model_validate(read_json(path))
        except FileNotFoundError as error:
            raise InputError("missing", where=path, remedy="`dvc repro` writes it") from error
        except ValidationError as error:
            fault = error.errors()[0]
            field = ".".join(str(part) for part in fault["loc"])
            raise InputError(
                f"{field}: {fault['msg']}",
                where=path,
                remedy="another version of ferbench wrote it; `dvc repro` writes it again",
            ) from error

    def write(self, path: Path) -> None:
        """Write the record whole or not at all."""
        write_json(path, self.model_dump())


class RunSetup(_Record):
    """What is known of a run before its first epoch.

    Args:
        study: name of the study.
        variant: key of a row of the variants table.
        dataset: key of a row of the data-set table.
        name: the data set's name in tables, such as `fer2013`.
        protocol: rule of its split.
        seed: of weights, order and augmentation.
        task: `classify` or `detect`.
        paper: the paper that the variant is from.
        classes: in the order of the network's outputs.
        run_key: digest of all that decides the result; identifies the run in MLflow.
        data_digest: of the data set's images, faces and split.
        select: metric on val that selects the checkpoint.
        input_px: side of the network's input.
        channels: of its input.
        hardware: of the machine.
        versions: of Python and libraries.
        commit: of the code.
        started: UTC time.
    """

    study: str
    variant: str
    dataset: str
    name: str
    protocol: str
    seed: int
    task: str
    paper: str
    classes: list[str]
    run_key: str
    data_digest: str
    select: str
    input_px: int
    channels: int
    hardware: dict[str, Any]
    versions: dict[str, str]
    commit: str
    started: str


class RunRecord(RunSetup):
    """A finished training, as `run.json` holds it.

    Args:
        best_epoch: selected epoch, counted from 0.
        epochs: number of epochs trained.
        val_score: `select` at the best epoch.
        val_loss: at the best epoch.
        train_seconds: of all epochs, including those before an interruption.
        train_images: number of images trained on.
        val_images: number of images validated on.
        parameters: number of them.
        precision: Lightning's name, such as `32-true`.
        devices: number and kind, such as `1 cpu`.
        resumed: whether training resumed from a checkpoint.
        initial_weights: the file of initial weights and how many tensors matched; empty for none.
    """

    best_epoch: int
    epochs: int
    val_score: float
    val_loss: float
    train_seconds: float
    train_images: int
    val_images: int
    parameters: int
    precision: str
    devices: str
    resumed: bool
    initial_weights: dict[str, Any]


class EvaluationRecord(_Record):
    """How a run was evaluated, as `evaluation.json` holds it.

    Args:
        device: that ran the network.
        splits: number of `faces` and of predicted `boxes`, by split.
    """

    device: str
    splits: dict[str, dict[str, int]]


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write the training curve.

    Args:
        path: of `history.csv`.
        rows: epoch, train_loss, val_loss, val_score, lr and seconds of each epoch.
    """
    with whole_file(path) as temporary:
        pd.DataFrame(rows).astype({"epoch": int}).to_csv(temporary, index=False)


def read_history(path: Path) -> pd.DataFrame:
    """The training curve, one row an epoch."""
    return pd.read_csv(path)
