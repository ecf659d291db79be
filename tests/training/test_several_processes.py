"""Two processes on one cell, as two GPUs would be: here two CPU processes under DDP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ferbench.data.stored import Stored

PROJECT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
import torch
from lightning.pytorch.utilities import rank_zero_only
from tests.tiny_study import small_params
from ferbench.data.stored import open_stored
from ferbench.training.fit import fit
from ferbench.training.outcome import Sides

root, out = Path(sys.argv[1]), Path(sys.argv[2])
stored, params = open_stored("tiny", 0, root), small_params()
train = dataclasses.replace(params.train, devices=2)
row = (params.variants["ivsa"], params.recipe_of("ivsa"), 5)
sides = Sides(stored.pack, stored.side("train"), stored.side("val"))
followed = []
fitted = fit(row, sides, train, out / "checkpoints", followed.append)
rank = rank_zero_only.rank
weights = float(sum(v.double().sum() for v in fitted.state.values()))
told = {"followed": len(followed), "epochs": len(fitted.history), "weights": weights}
(out / f"rank{rank}.json").write_text(json.dumps(told))
"""


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights_and_one_of_them_writes(
    stored: Stored, tmp_path: Path
) -> None:
    script = tmp_path / "two.py"
    script.write_text(SCRIPT, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, str(script), str(stored.pack.parents[1]), str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{PROJECT}:{PROJECT / 'src'}", "PATH": "/usr/bin:/bin"},
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1))
    assert first["weights"] == second["weights"]
    assert first["epochs"] == second["epochs"] == 3
    assert (first["followed"], second["followed"]) == (3, 0)
