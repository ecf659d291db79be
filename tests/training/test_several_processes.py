"""Two processes on one run, as two GPUs would be: here two CPU processes under DDP.

The effective batch, the number of steps and the gradient of each step are those of one process.
BatchNorm layers are frozen for the comparison, because PyTorch synchronises their statistics
on GPUs only.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.errors import InputError
from ferbench.training.fit import batch_share, placement
from ferbench.training.modules import RunModule

pytestmark = pytest.mark.thorough

PROJECT = Path(__file__).parents[2]

SCRIPT = """
import dataclasses, json, sys
from pathlib import Path
import torch
from torch import nn
from lightning.pytorch.utilities import rank_zero_only
from tests.narrow_networks import fold_norms, narrow_networks
from tests.tiny_study import small_params
from ferbench.data.dataset import open_dataset
from ferbench.training import modules
from ferbench.training.fit import TrainingData, fit
from ferbench.training.modules import RunModule

root, out, devices, variant = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
norms, options = json.loads(sys.argv[5]), json.loads(sys.argv[6])
stored, params = open_dataset("tiny", 0, root), small_params()
gradients, at_steps = [], []
if norms == "folded":
    modules.load_initial = fold_norms

def on_train_epoch_start(self):
    for module in self.network.modules():
        if isinstance(module, nn.BatchNorm2d) and norms == "rest":
            module.eval()
        if isinstance(module, nn.Dropout):
            module.eval()

def on_before_optimizer_step(self, optimizer):
    with_gradient = [p.grad for p in self.network.parameters() if p.grad is not None]
    gradients.append(torch.cat([g.flatten() for g in with_gradient]).double())
    at_steps.append(sum(float(p.detach().double().sum()) for p in self.network.parameters()))

RunModule.on_train_epoch_start = on_train_epoch_start
RunModule.on_before_optimizer_step = on_before_optimizer_step
train = dataclasses.replace(params.train, devices=devices)
recipe = dataclasses.replace(
    params.recipe_of(variant), epochs=2, optimizer="sgd", lr=1e-4, momentum=0.0, nesterov=False,
    ema_decay=0.0, schedule="constant", **options,
)
row = (params.variants[variant], recipe, 5)
data = TrainingData(stored.pack, stored.faces("train"), stored.faces("val"))
epochs = []
with narrow_networks():
    fitted = fit(row, data, train, out / "checkpoints", epochs.append)
rank = rank_zero_only.rank
weights = float(sum(v.double().sum() for v in fitted.state.values()))
torch.save(gradients, out / f"gradients{rank}.pt")
reported = {
    "observed": len(epochs), "epochs": len(fitted.history), "weights": weights,
    "steps": len(gradients), "devices": fitted.devices,
    "at_steps": at_steps,
}
(out / f"rank{rank}.json").write_text(json.dumps(reported))
"""


def run(
    stored: PackedDataset, folder: Path, devices: int, variant: str, **options: Any
) -> dict[str, Any]:
    """What rank 0 reports of a training on so many processes, and its gradients.

    One process is this one; several start in processes of their own.
    """
    import torch

    folder.mkdir()
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    norms = options.pop("norms", "rest")
    words = [stored.paths.root, folder, devices, variant, json.dumps(norms), json.dumps(options)]
    command = [str(script), *map(str, words)]
    if devices == 1:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", command)
            for name in ("on_train_epoch_start", "on_before_optimizer_step"):  # set by the script
                patch.setattr(RunModule, name, getattr(RunModule, name))
            runpy.run_path(str(script), run_name="__main__")
    else:
        done = subprocess.run(
            [sys.executable, *command],
            check=False,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": f"{PROJECT}:{PROJECT / 'src'}", "PATH": "/usr/bin:/bin"},
            timeout=500,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    reported = json.loads((folder / "rank0.json").read_text())
    return reported | {"gradients": torch.load(folder / "gradients0.pt", weights_only=True)}


@pytest.mark.parametrize(
    ("variant", "options"),
    [
        ("vgg_improved", {"batch_size": 4}),
        pytest.param(
            "yolov5s",
            {"batch_size": 4, "nominal_batch": 8, "weight_decay": 0.0},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_take_the_same_steps_and_gradients_as_one(
    stored: PackedDataset, tmp_path: Path, variant: str, options: dict[str, Any]
) -> None:
    import torch

    one = run(stored, tmp_path / "one", 1, variant, **options)
    two = run(stored, tmp_path / "two", 2, variant, **options)
    assert (one["devices"], two["devices"]) == ("1 cpu", "2 cpu")
    assert one["steps"] == two["steps"]
    for first, second in zip(one["gradients"], two["gradients"], strict=True):
        assert float((first - second).norm() / first.norm()) < 1e-3
    torch.testing.assert_close(one["weights"], two["weights"], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("norms", ["learn", "folded"])
def test_two_processes_end_with_equal_weights_and_one_reports_epochs(
    stored: PackedDataset, tmp_path: Path, norms: str
) -> None:
    run(stored, tmp_path / "two", 2, "ivsa", norms=norms)
    first, second = (json.loads((tmp_path / "two" / f"rank{r}.json").read_text()) for r in (0, 1))
    assert first["weights"] == second["weights"]
    assert first["at_steps"] == second["at_steps"]
    assert first["epochs"] == second["epochs"] == 2
    assert (first["observed"], second["observed"]) == (2, 0)


def test_auto_places_a_run_on_one_device(params: Params) -> None:
    assert params.train.devices == "auto"
    assert placement(params.train) == ("cpu", 1)


def test_batch_that_devices_cannot_divide_evenly_is_refused(params: Params) -> None:
    recipe = params.recipe_of("ivsa")
    assert batch_share(recipe, 2) == recipe.batch_size // 2
    with pytest.raises(InputError, match="a batch of 4 cannot be divided among 3 devices"):
        batch_share(recipe, 3)
