"""The records of one run: `run.json`, `history.csv` and `evaluation.json` in its folder.

`train` writes the first two, `evaluate` the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from ferbench.errors import InputError
from ferbench.files import read_json, whole_file, write_json

__all__ = ["EvaluationRecord", "Record", "RunRecord", "RunSetup", "read_history", "write_history"]


class Record(BaseModel):
    """A JSON file with exactly the fields of the class; `remedy` is for one that has others."""

    remedy: ClassVar[str] = "another version of ferbench wrote it; `dvc repro` writes it again"

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
                remedy=cls.remedy,
            ) from error

    def write(self, path: Path) -> None:
        """Write the record whole or not at all."""
        write_json(path, self.model_dump())


class RunSetup(Record):
    """What is known of a run before its first epoch."""

    study: str  # name of the study
    variant: str  # key of a row of the variants table
    dataset: str  # key of a row of the data-set table
    name: str  # the data set's name in tables, such as `fer2013`
    protocol: str  # rule of its split
    seed: int  # of weights, order and augmentation
    task: str  # `classify` or `detect`
    paper: str  # the paper that the variant is from
    classes: list[str]  # in the order of the network's outputs
    run_key: str  # digest of all that decides the result; identifies the run in MLflow
    data_digest: str  # of the data set's images, faces and split
    select: str  # metric on val that selects the checkpoint
    input_px: int  # side of the network's input
    channels: int  # of its input
    hardware: dict[str, Any]  # of the machine
    versions: dict[str, str]  # of Python and libraries
    commit: str  # of the code
    started: str  # UTC time


class RunRecord(RunSetup):
    """A finished training, as `run.json` holds it."""

    best_epoch: int  # selected epoch, counted from 0
    epochs: int  # number of epochs trained
    val_score: float  # `select` at the best epoch
    val_loss: float  # at the best epoch
    train_seconds: float  # of all epochs, including those before an interruption
    train_images: int  # number of images trained on
    val_images: int  # number of images validated on
    parameters: int  # number of them
    precision: str  # Lightning's name, such as `32-true`
    devices: str  # number and kind, such as `1 cpu`
    resumed: bool  # whether training resumed from a checkpoint
    # The file of initial weights and how many tensors matched; empty for none
    initial_weights: dict[str, Any]
    # Where faces are augmented: `sample by sample` by the loader, `in batches` on the device
    augmented: str = "sample by sample"
    memory_format: str = "channels_last"  # of images and weights; `contiguous` is the other one


class EvaluationRecord(Record):
    """How a run was evaluated, as `evaluation.json` holds it."""

    device: str  # that ran the network
    splits: dict[str, dict[str, int]]  # number of `faces` and of predicted `boxes`, by split


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
