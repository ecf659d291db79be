"""One checkout's process, for `test_shared_store`: a tiny training, or its record by stage `track`.

Command: python -m tests.training.one_training train|track FOLDER DATA SEED, in the project's root.
`train` says in files of the folder how far it is: `ready`, `epoch_0`, ... Where `hold_ready` or
`hold_epoch_0` is, it waits until that is gone.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny_study import small_params

from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import open_dataset
from ferbench.files import read_json, write_json
from ferbench.models.describe import describe
from ferbench.training import run as record

VARIANT = "vgg_improved"


def study() -> Params:
    """Three epochs of one classifier."""
    params = small_params()
    recipe = dataclasses.replace(params.recipe_of(VARIANT), epochs=3)
    return dataclasses.replace(
        params, recipes={**params.recipes, params.variants[VARIANT].recipe: recipe}
    )


def cell_of(params: Params, seed: int) -> Run:
    return Run(params.study.name, VARIANT, next(iter(params.datasets)), seed)


def reach(point: str) -> None:
    """Say that a point is reached, and wait there as long as the test wants."""
    Path(point).touch()
    while Path(f"hold_{point}").exists():
        time.sleep(0.05)


def train(params: Params, cell: Run, data: Path) -> None:
    fit = record.fit

    def followed(row: Any, sides: Any, train: Any, checkpoints: Path, follow: Any) -> Any:
        def on(values: dict[str, float]) -> None:
            follow(values)
            reach(f"epoch_{values['epoch']:.0f}")

        return fit(row, sides, train, checkpoints, on)

    record.fit = followed
    record.open_dataset = lambda dataset, seed: open_dataset("tiny", 0, data)
    record.CACHE = Path(".cache").absolute()
    reach("ready")
    record.train_cell(cell, params)


def track(params: Params, cell: Run, data: Path) -> None:
    from ferbench.tracking import publish

    del params, data
    publish._run_of(cell, read_json(cell.folder / "run.json")).finish()


def main() -> None:
    what, folder, data, seed = sys.argv[1:]
    params = study()
    cell = cell_of(params, int(seed))
    row, recipe = params.variants[VARIANT], params.recipe_of(VARIANT)
    os.chdir(folder)
    write_json(
        Path("reports", cell.study, "variants", f"{VARIANT}.json"), describe(VARIANT, row, recipe)
    )
    acts: dict[str, Callable[[Params, Run, Path], None]] = {"train": train, "track": track}
    acts[what](params, cell, Path(data))


if __name__ == "__main__":
    from ferbench.cli.stage import run_stage

    run_stage(main)
