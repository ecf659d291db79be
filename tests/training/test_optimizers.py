"""Optimizers and learning-rate schedules of recipes."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from ferbench.config.params import Params, Recipe
from ferbench.models.build import build_network
from ferbench.training.optimizers import (
    accumulated_batches,
    build_optimizer,
    build_plateau,
    build_schedule,
    momentum_at,
    schedule_factor,
)


@pytest.fixture
def recipe(params: Params) -> Recipe:
    return dataclasses.replace(
        params.recipes["p1"], epochs=10, lr=0.1, lr_final=0.01, weight_decay=0.5
    )


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("word", "kind"),
    [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)],
)
def test_weight_decay_applies_to_weights_but_not_to_biases_and_norms(
    recipe: Recipe, word: str, kind: type
) -> None:
    network = small_network()
    optimizer = build_optimizer(network, dataclasses.replace(recipe, optimizer=word))  # type: ignore[arg-type]
    assert isinstance(optimizer, kind)
    weights, norms, biases = optimizer.param_groups
    assert [g["weight_decay"] for g in (weights, norms, biases)] == [0.5, 0.0, 0.0]
    assert {id(p) for p in weights["params"]} == {id(network[0].weight), id(network[3].weight)}
    assert {id(p) for p in norms["params"]} == {id(network[1].weight)}
    assert {id(p) for p in biases["params"]} == {id(network[i].bias) for i in (0, 1, 3)}


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s_osam"])
def test_every_trainable_parameter_is_in_one_group(params: Params, variant: str) -> None:
    recipe = params.recipe_of(variant)
    network = build_network(params.variants[variant], recipe, 3, seed=0)
    groups = build_optimizer(network, recipe).param_groups
    given = [id(p) for group in groups for p in group["params"]]
    assert sorted(given) == sorted(id(p) for p in network.parameters() if p.requires_grad)


def test_momentum_is_the_first_beta_of_adam(recipe: Recipe) -> None:
    adam = dataclasses.replace(recipe, optimizer="adam", momentum=0.8)
    assert build_optimizer(small_network(), adam).defaults["betas"] == (0.8, 0.999)
    sgd = dataclasses.replace(recipe, optimizer="sgd", momentum=0.8, nesterov=True)
    defaults = build_optimizer(small_network(), sgd).defaults
    assert (defaults["momentum"], defaults["nesterov"]) == (0.8, True)


@pytest.mark.parametrize(
    ("schedule", "middle", "end"),
    [("constant", 1.0, 1.0), ("linear", 0.505, 0.01), ("cosine", 0.505, 0.01)],
)
def test_schedule_falls_from_one_to_its_final_fraction(
    recipe: Recipe, schedule: str, middle: float, end: float
) -> None:
    plain = dataclasses.replace(recipe, schedule=schedule, warmup_epochs=0)  # type: ignore[arg-type]
    factors = [schedule_factor(epoch, plain) for epoch in (0, 5, 10, 12)]
    assert factors == pytest.approx([1.0, middle, end, end])


def test_cosine_schedule_falls_slowest_at_both_ends(recipe: Recipe) -> None:
    plain = dataclasses.replace(recipe, schedule="cosine", warmup_epochs=0)
    steps = [schedule_factor(e, plain) - schedule_factor(e + 1, plain) for e in range(10)]
    assert steps[0] < steps[2] < steps[4]
    assert steps == pytest.approx(steps[::-1])


def test_warm_up_raises_weights_from_zero_and_lowers_biases_from_their_own_rate(
    recipe: Recipe,
) -> None:
    warm = dataclasses.replace(
        recipe, schedule="constant", warmup_epochs=2, lr=0.01, warmup_bias_lr=0.1
    )
    weights = [schedule_factor(epoch, warm) for epoch in (0, 1, 2, 3)]
    assert weights == pytest.approx([0.0, 0.5, 1.0, 1.0])
    biases = [schedule_factor(epoch, warm, biases=True) for epoch in (0, 1, 2, 3)]
    assert biases == pytest.approx([10.0, 5.5, 1.0, 1.0])
    optimizer = build_optimizer(small_network(), warm)
    build_schedule(optimizer, warm, steps_per_epoch=4)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([0.0, 0.0, 0.1])


def test_momentum_rises_during_warm_up(recipe: Recipe) -> None:
    warm = dataclasses.replace(recipe, warmup_epochs=2, momentum=0.9, warmup_momentum=0.8)
    assert [momentum_at(e, warm) for e in (0, 1, 2, 5)] == pytest.approx([0.8, 0.85, 0.9, 0.9])


@pytest.mark.parametrize(
    ("nominal", "batch", "batches", "decay"),
    [(0, 16, 1, 0.5), (64, 16, 4, 0.5), (64, 24, 3, 0.5 * 72 / 64), (64, 128, 1, 1.0)],
)
def test_batches_are_accumulated_to_the_nominal_batch(
    recipe: Recipe, nominal: int, batch: int, batches: int, decay: float
) -> None:
    gathered = dataclasses.replace(recipe, nominal_batch=nominal, batch_size=batch)
    assert accumulated_batches(gathered) == batches
    weights = build_optimizer(small_network(), gathered).param_groups[0]
    assert weights["weight_decay"] == pytest.approx(decay)


def test_schedule_changes_the_rate_every_step(recipe: Recipe) -> None:
    linear = dataclasses.replace(recipe, schedule="linear", warmup_epochs=0, optimizer="sgd")
    optimizer = build_optimizer(small_network(), linear)
    schedule = build_schedule(optimizer, linear, steps_per_epoch=4)
    for _ in range(20):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * schedule_factor(5, linear))


def test_plateau_lowers_the_rate_when_the_score_stops_rising(recipe: Recipe) -> None:
    patient = dataclasses.replace(
        recipe, schedule="plateau", plateau_patience=1, plateau_factor=0.5, optimizer="sgd"
    )
    optimizer = build_optimizer(small_network(), patient)
    plateau = build_plateau(optimizer, patient, higher_is_better=True)
    rates = []
    for score in (0.5, 0.6, 0.6, 0.6, 0.7):
        plateau.step(score)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05])
