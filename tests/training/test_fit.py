"""Training learns, is reproducible, and resumes exactly after an interruption.

The networks are narrow: what is tested here is the same at any width.
"""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.example_study import PROJECT
from tests.narrow_networks import fold_norms, narrow_networks
from tests.tiny_study import make_stored

from ferbench.config.params import Params
from ferbench.data.dataset import PackedDataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import SceneDataset, loader
from ferbench.errors import InputError
from ferbench.evaluation.predict import predict_split
from ferbench.evaluation.scoring import Predictions, score_predictions
from ferbench.models.build import build_network
from ferbench.models.weights import Trained
from ferbench.training import modules
from ferbench.training.callbacks import History, train_classifier_alone
from ferbench.training.fit import Fitted, TrainingData, _trainer, fit, loader_workers
from ferbench.training.modules import DetectorModule, SelectionMetric

VARIANTS = ["ivsa", "yolov5s_osam"]
METRIC = SelectionMetric("accuracy", 0.5)


def train(
    params: Params,
    stored: PackedDataset,
    folder: Path,
    variant: str,
    on_epoch: Any = None,
    **changes: Any,
) -> Fitted:
    recipe = dataclasses.replace(params.recipe_of(variant), **changes)
    data = TrainingData(stored.pack, stored.faces("train"), stored.faces("val"))
    row = (params.variants[variant], recipe, 5)
    with narrow_networks():
        return fit(row, data, params.train, folder, on_epoch or (lambda row: None))


def assert_same(a: Fitted, b: Fitted) -> None:
    def numbers(fitted: Fitted) -> list[dict[str, float]]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in fitted.history]

    assert numbers(a) == numbers(b)
    assert a.best_epoch == b.best_epoch
    assert a.state.keys() == b.state.keys()
    assert all(torch.equal(a.state[k], b.state[k]) for k in a.state)


class KilledError(Exception):
    """Stands for a kill: it leaves the checkpoints as they are."""


def die_after(epoch: int) -> Any:
    def follow(row: dict[str, float]) -> None:
        if row["epoch"] == epoch:
            raise KilledError

    return follow


Straight = Callable[..., Fitted]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> PackedDataset:
    """Three batches an epoch, for tests that ask whether two trainings are equal, not good."""
    return make_stored(tmp_path_factory.mktemp("few"), images=18)


@pytest.fixture(scope="module")
def straight(
    params: Params, few: PackedDataset, tmp_path_factory: pytest.TempPathFactory
) -> Straight:
    """Trains without an interruption; the same settings once."""
    done: dict[str, Fitted] = {}

    def act(variant: str, **changes: Any) -> Fitted:
        key = f"{variant} {changes}"
        if key not in done:
            folder = tmp_path_factory.mktemp("straight")
            done[key] = train(params, few, folder, variant, **changes)
        return done[key]

    return act


@pytest.fixture(scope="module")
def killed_once(
    params: Params, few: PackedDataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """Folder of checkpoints of `vgg_improved`, killed in epoch 2, and a copy of it."""
    folder, copy = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("copy")
    with pytest.raises(KilledError):
        train(params, few, folder, "vgg_improved", die_after(2))
    return folder, Path(shutil.copytree(folder, copy, dirs_exist_ok=True))


@pytest.fixture
def killed(killed_once: tuple[Path, Path]) -> Path:
    """The checkpoints as they were left; Lightning wants them in their own folder."""
    folder, copy = killed_once
    shutil.rmtree(folder)
    return Path(shutil.copytree(copy, folder))


@pytest.mark.parametrize(
    "variant", ["ivsa", pytest.param("yolov5s_osam", marks=pytest.mark.thorough)]
)
def test_killed_training_resumes_to_the_same_result(
    params: Params, few: PackedDataset, tmp_path: Path, straight: Straight, variant: str
) -> None:
    whole = straight(variant)
    with pytest.raises(KilledError):
        # Dies in epoch 2, before that epoch's checkpoint: epochs 0 and 1 are safe.
        train(params, few, tmp_path, variant, die_after(2))
    resumed = train(params, few, tmp_path, variant)
    assert resumed.resumed
    assert not whole.resumed
    assert [row["epoch"] for row in resumed.history] == [0, 1, 2]
    assert_same(whole, resumed)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:.*training starts from epoch 0")
@pytest.mark.parametrize("damaged", ["best.ckpt", "last.ckpt"])
@pytest.mark.parametrize("how", ["absent", "cut", "junk"])
def test_training_survives_a_lost_or_damaged_checkpoint(
    params: Params,
    few: PackedDataset,
    straight: Straight,
    killed: Path,
    damaged: str,
    how: str,
) -> None:
    path = killed / damaged
    content = path.read_bytes()
    path.unlink()
    if how != "absent":
        path.write_bytes(content[: len(content) // 2] if how == "cut" else b"junk")
    assert_same(straight("vgg_improved"), train(params, few, killed, "vgg_improved"))


@pytest.mark.parametrize("lost", [0.1, 0.3])
def test_lost_best_checkpoint_is_replaced_by_the_last_if_that_is_best(
    params: Params,
    few: PackedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: float,
) -> None:
    scores = iter([0.2, lost, 0.15, 0.25, 0.2, 0.2])
    monkeypatch.setattr(SelectionMetric, "value", lambda *_, **__: next(scores))
    with pytest.raises(KilledError):
        train(params, few, tmp_path, "vgg_improved", die_after(2))
    (tmp_path / "best.ckpt").unlink()
    last_is_best = lost > 0.2
    with nullcontext() if last_is_best else pytest.warns(UserWarning, match="from epoch 0"):
        fitted = train(params, few, tmp_path, "vgg_improved")
    assert fitted.resumed == last_is_best
    assert fitted.best_epoch == (1 if last_is_best else 0)
    assert (tmp_path / "best.ckpt").is_file()


@pytest.mark.thorough
@pytest.mark.parametrize("epoch", [1, 3])
def test_two_stages_resume_after_a_kill_in_either(
    params: Params, few: PackedDataset, tmp_path: Path, straight: Straight, epoch: int
) -> None:
    changes = {"head_epochs": 2, "head_lr": 0.01, "epochs": 3}
    whole = straight("vgg_improved", **changes)
    assert [row["epoch"] for row in whole.history] == [0, 1, 2, 3, 4]
    assert whole.val_score == max(row["val_score"] for row in whole.history)
    with pytest.raises(KilledError):
        train(params, few, tmp_path, "vgg_improved", die_after(epoch), **changes)
    assert_same(whole, train(params, few, tmp_path, "vgg_improved", **changes))


@pytest.mark.parametrize(("terminal", "wanted"), [(True, True), (True, False), (False, True)])
def test_progress_bar_is_for_terminals(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, wanted: bool
) -> None:
    monkeypatch.setattr("sys.stdout", SimpleNamespace(isatty=lambda: terminal))
    settings = dataclasses.replace(params.train, progress=wanted)
    trainer = _trainer(settings, params.recipe_of("ivsa"), tmp_path, History(None), METRIC)
    assert (trainer.progress_bar_callback is not None) == (terminal and wanted)


def test_first_stage_trains_the_last_linear_layer_only(params: Params) -> None:
    network = build_network(params.variants["ivsa"], params.recipe_of("ivsa"), 7, seed=0)
    train_classifier_alone(network)
    learns = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    assert sorted(learns.values()) == [7, 7 * 1000]


def test_detector_with_a_first_stage_is_refused(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="head_epochs: 0"):
        train(params, few, tmp_path, "yolov5s", head_epochs=1)


@pytest.mark.thorough
def test_gradient_accumulation_resumes(params: Params, few: PackedDataset, tmp_path: Path) -> None:
    changes = {"nominal_batch": 8, "warmup_epochs": 2, "warmup_momentum": 0.5, "optimizer": "sgd"}
    straight = train(params, few, tmp_path / "straight", "yolov5s", **changes)
    with pytest.raises(KilledError):
        train(params, few, tmp_path / "killed", "yolov5s", die_after(2), **changes)
    assert_same(straight, train(params, few, tmp_path / "killed", "yolov5s", **changes))


def test_ten_crops_resume(params: Params, few: PackedDataset, tmp_path: Path) -> None:
    changes = {"crops": 10, "augment": "p1", "epochs": 2}
    straight = train(params, few, tmp_path / "straight", "vgg_improved", **changes)
    with pytest.raises(KilledError):
        train(params, few, tmp_path / "killed", "vgg_improved", die_after(1), **changes)
    assert_same(straight, train(params, few, tmp_path / "killed", "vgg_improved", **changes))


@pytest.mark.thorough
@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_schedule_resumes(
    params: Params, few: PackedDataset, tmp_path: Path, schedule: str
) -> None:
    changes = {"schedule": schedule, "plateau_patience": 0, "epochs": 4, "lr": 0.0}
    straight = train(params, few, tmp_path / "straight", "vgg_improved", **changes)
    with pytest.raises(KilledError):
        train(params, few, tmp_path / "killed", "vgg_improved", die_after(3), **changes)
    resumed = train(params, few, tmp_path / "killed", "vgg_improved", **changes)
    assert_same(straight, resumed)


def test_finished_training_is_not_repeated(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    first = train(params, few, tmp_path, "vgg_improved")
    again = train(params, few, tmp_path, "vgg_improved", die_after(0))
    assert_same(first, again)


def test_training_stops_early_and_stays_stopped(
    params: Params, few: PackedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.5, 0.5, 0.4, 0.4])  # the tie of epoch 1 is where patience counts from
    monkeypatch.setattr(SelectionMetric, "value", lambda *_, **__: next(scores))
    changes = {"lr": 0.0, "epochs": 9, "patience": 2, "ema_decay": 0.0, "bn_momentum": 0.0}
    first = train(params, few, tmp_path, "vgg_improved", **changes)
    assert len(first.history) == 4
    assert first.best_epoch in (0, 1)
    again = train(params, few, tmp_path, "vgg_improved", die_after(3), **changes)
    assert len(again.history) == 4


@pytest.mark.thorough
@pytest.mark.parametrize("variant", ["vgg_improved", "yolov5s"])
def test_val_score_equals_the_metric_that_evaluation_reports(
    params: Params, stored: PackedDataset, tmp_path: Path, variant: str
) -> None:
    fitted = train(params, stored, tmp_path, variant, epochs=4, lr=0.002)
    recipe = dataclasses.replace(params.recipe_of(variant), epochs=4, lr=0.002)
    with narrow_networks():
        network = build_network(params.variants[variant], recipe, len(stored.classes), 0)
    network.load_state_dict(fitted.state)
    trained = Trained(network.eval(), params.variants[variant], recipe, stored.classes)
    read = predict_split(trained, stored, "val", "cpu")
    threshold = 0.5 if variant == "yolov5s" else None
    metrics = score_predictions(Predictions(read.predictions, read.boxes, threshold), ["accuracy"])
    assert fitted.val_score == pytest.approx(metrics["accuracy"], abs=1e-6)


def test_metric_of_selection_is_minimised_if_lower_is_better(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    data = TrainingData(few.pack, few.faces("train"), few.faces("val"), SelectionMetric("nll", 0.5))
    row = (params.variants["vgg_improved"], params.recipe_of("vgg_improved"), 5)
    fitted = fit(row, data, params.train, tmp_path, None)
    scores = [epoch["val_score"] for epoch in fitted.history]
    assert fitted.val_score == min(scores)
    assert fitted.val_score == pytest.approx(fitted.val_loss, rel=1e-4)  # both are cross-entropy


def test_classifier_selected_by_a_metric_of_boxes_is_refused(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    data = TrainingData(
        few.pack, few.faces("train"), few.faces("val"), SelectionMetric("map50", 0.5)
    )
    row = (params.variants["vgg_improved"], params.recipe_of("vgg_improved"), 5)
    with pytest.raises(InputError, match="a classifier has no map50"):
        fit(row, data, params.train, tmp_path, None)


@pytest.mark.thorough
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_mixed_precision_trains_every_task_with_every_optimizer(
    params: Params, few: PackedDataset, tmp_path: Path, variant: str, optimizer: str
) -> None:
    changes = {"optimizer": optimizer, "epochs": 1, "clip_norm": 1.0, "precision": "bf16-mixed"}
    fitted = train(params, few, tmp_path, variant, **changes)
    assert fitted.precision == "bf16-mixed"
    assert all(torch.isfinite(value).all() for value in fitted.state.values())


def test_gradient_norm_is_clipped(params: Params, few: PackedDataset, tmp_path: Path) -> None:
    changes = {"optimizer": "sgd", "epochs": 1, "weight_decay": 0.0, "momentum": 0.0, "lr": 1.0}
    changes |= {"nesterov": False, "schedule": "constant", "ema_decay": 0.0}
    start = train(params, few, tmp_path / "still", "vgg_improved", **{**changes, "lr": 0.0})
    bound = 1e-4
    moved = train(params, few, tmp_path / "moved", "vgg_improved", **changes, clip_norm=bound)
    weights = [name for name in start.state if name.endswith(("weight", "bias"))]
    step = sum((moved.state[n] - start.state[n]).square().sum() for n in weights) ** 0.5
    steps = -(-len(few.faces("train").frame) // params.recipe_of("vgg_improved").batch_size)
    assert 0 < step <= steps * bound * 1.01


def test_classifier_learns_obvious_classes(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    fitted = train(params, stored, tmp_path, "vgg_improved", epochs=12, lr=0.001, patience=12)
    assert fitted.val_score >= 0.8
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]


@pytest.mark.thorough
def test_detector_learns_obvious_faces(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    fitted = train(params, stored, tmp_path, "yolov5s", epochs=12, lr=0.002, patience=12)
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"] / 2
    assert fitted.val_score > 0.3


def test_constants_of_the_detection_head_are_not_trained(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    fitted = train(params, few, tmp_path, "yolov5s", epochs=1)
    (kernel,) = [v for k, v in fitted.state.items() if ".dfl." in k]
    assert torch.equal(kernel.flatten(), torch.arange(16.0))


@pytest.mark.slow
def test_sigkill_costs_at_most_one_epoch(
    params: Params, few: PackedDataset, tmp_path: Path, straight: Straight
) -> None:
    script = f"""
import os, signal, sys
sys.path[:0] = [{str(PROJECT)!r}, {str(Path(__file__).parent)!r}]
from pathlib import Path
import test_fit
from tests.tiny_study import small_params
from ferbench.data.dataset import open_dataset
def follow(row):
    if row["epoch"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
few = open_dataset("tiny", 0, Path({str(few.paths.root)!r}))
test_fit.train(small_params(), few, Path({str(tmp_path / "killed")!r}), "ivsa", follow)
"""
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert run.returncode == -signal.SIGKILL, run.stderr.decode()[-2000:]
    resumed = train(params, few, tmp_path / "killed", "ivsa")
    assert resumed.resumed
    assert_same(straight("ivsa"), resumed)


def test_detector_loss_is_summed_over_images_batches_and_processes_and_its_mean_logged(
    params: Params, stored: PackedDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = params.recipe_of("yolov5s")
    counts = torch.ones(len(stored.classes))
    module = DetectorModule(params.variants["yolov5s"], recipe, counts, 0, METRIC).train()
    module.trainer = SimpleNamespace(  # type: ignore[assignment]
        accumulate_grad_batches=3, world_size=2
    )
    logged: dict[str, Any] = {}
    monkeypatch.setattr(module, "log", lambda name, value, **_: logged.update({name: value}))
    scenes = SceneDataset(stored.pack, stored.faces("train"), recipe, 0)
    batch = next(iter(loader(scenes, EpochSampler(len(scenes), None), 4)))
    loss = module.training_step(batch, 0)
    torch.testing.assert_close(loss, 2 * 3 * 4 * logged["train_loss"])


def test_initial_weights_are_reported_after_two_stages(
    params: Params, few: PackedDataset, tmp_path: Path
) -> None:
    row, recipe = params.variants["ivsa"], params.recipe_of("ivsa")
    with narrow_networks():
        state = build_network(row, recipe, len(few.classes), seed=9).state_dict()
    named = {k: v for k, v in state.items() if k.startswith("body.")}
    torch.save(named, tmp_path / "start.pt")
    begun = dataclasses.replace(row, weights=str(tmp_path / "start.pt"))
    study = dataclasses.replace(params, variants={**params.variants, "begun": begun})
    fitted = train(study, few, tmp_path / "run", "begun", head_epochs=1, epochs=1)
    floats = sum(v.is_floating_point() for v in named.values())
    assert fitted.initial["matched"] == floats
    assert fitted.initial["missing"] == sum(v.is_floating_point() for v in state.values()) - floats


def test_loader_processes_are_set_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FERBENCH_LOADER_WORKERS", raising=False)
    assert loader_workers(on_gpu=False) == 0
    assert 0 <= loader_workers(on_gpu=True) <= 4
    monkeypatch.setenv("FERBENCH_LOADER_WORKERS", "3")
    assert loader_workers(on_gpu=False) == 3
    monkeypatch.setenv("FERBENCH_LOADER_WORKERS", "many")
    with pytest.raises(InputError, match="'many' is not a number of processes"):
        loader_workers(on_gpu=True)


@pytest.mark.thorough
@pytest.mark.parametrize("variant", VARIANTS)
def test_loader_processes_do_not_change_a_training(
    params: Params,
    few: PackedDataset,
    tmp_path: Path,
    variant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = []
    for workers in ("0", "2"):
        monkeypatch.setenv("FERBENCH_LOADER_WORKERS", workers)
        results.append(train(params, few, tmp_path / workers, variant, epochs=2))
    assert_same(*results)


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_folded_norms_take_their_statistics_from_the_first_batch(
    params: Params,
    few: PackedDataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ema_decay: float,
) -> None:
    """They start as published norms do, so a step of no length leaves the published function."""
    monkeypatch.setattr(modules, "load_initial", fold_norms)
    seen: list[dict[str, Any]] = []
    unfold = modules.unfold_norms

    def spy(network: Any, images: torch.Tensor) -> int:
        number = unfold(network, images)
        state = {name: value.clone() for name, value in network.state_dict().items()}
        seen.append({"norms": number, **state})
        return number

    monkeypatch.setattr(modules, "unfold_norms", spy)
    changes = {"epochs": 2, "lr": 0.0, "weight_decay": 0.0, "ema_decay": ema_decay}
    fitted = train(params, few, tmp_path, "vgg_improved", **changes)
    assert len(seen) == 1
    assert seen[0]["norms"] == 8
    for name, value in fitted.state.items():
        if name.endswith(".folded"):
            assert value == 0
        elif name.endswith((".weight", ".bias")):
            torch.testing.assert_close(value, seen[0][name])
        elif name.endswith(".running_var"):
            assert (value != 1).any()
