"""One checkout's process for `test_shared_store`: a tiny training, or its completion in MLflow.

Command: python -m tests.training.one_training train|track FOLDER DATA SEED, in the project's root.
`train` reports its progress by files in the folder: `ready`, `epoch_0`, ... While `hold_ready` or
`hold_epoch_0` exists, it waits there.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.tiny_study import small_params

from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.data.dataset import open_dataset
from ferbench.files import write_json
from ferbench.models.describe import describe
from ferbench.tracking.live import Recorder
from ferbench.tracking.publish import complete_run
from ferbench.training import run as training

VARIANT = "vgg_improved"


def study() -> Params:
    """Three epochs of one classifier."""
    params = small_params()
    recipe = dataclasses.replace(params.recipe_of(VARIANT), epochs=3)
    return dataclasses.replace(
        params, recipes={**params.recipes, params.variants[VARIANT].recipe: recipe}
    )


def run_of(params: Params, seed: int) -> Run:
    return Run(params.study.name, VARIANT, next(iter(params.datasets)), seed)


def reach(point: str) -> None:
    """Report a point, and wait there as long as the test holds it."""
    Path(point).touch()
    while Path(f"hold_{point}").exists():
        time.sleep(0.05)


class Reporting(Recorder):
    """Reaches a point after each epoch, also if the store fails."""

    def on_epoch(self, row: dict[str, float]) -> None:
        try:
            super().on_epoch(row)
        finally:
            reach(f"epoch_{row['epoch']:.0f}")


def train(params: Params, run: Run, data: Path) -> None:
    training.open_dataset = lambda dataset, seed: open_dataset("tiny", 0, data)
    training.CACHE = Path(".cache").absolute()
    reach("ready")
    training.train_run(run, params, lambda: Reporting(run, params))


def track(params: Params, run: Run, data: Path) -> None:
    del data
    complete_run(run, params).finish()


def main() -> None:
    what, folder, data, seed = sys.argv[1:]
    params = study()
    run = run_of(params, int(seed))
    row, recipe = params.variants[VARIANT], params.recipe_of(VARIANT)
    os.chdir(folder)
    write_json(
        Path("reports", run.study, "variants", f"{VARIANT}.json"), describe(VARIANT, row, recipe)
    )
    acts: dict[str, Callable[[Params, Run, Path], None]] = {"train": train, "track": track}
    acts[what](params, run, Path(data))


if __name__ == "__main__":
    from ferbench.cli.stage import run_stage

    run_stage(main)
