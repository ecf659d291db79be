"""What a classifier is trained on: mixed images, and which trainings use CUDA graphs."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.models.losses.label_distribution import LabelDistribution
from ferbench.training.cuda_graphs import graphs_apply
from ferbench.training.modules import ClassifierModule, SelectionMetric

METRIC = SelectionMetric("accuracy", 0.5)


class Seen:
    """A loss that keeps what it is given."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        self.target = target
        return logits.mean()


class SeenVotes(LabelDistribution):
    """The loss of votes; keeps its target."""

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        self.target = target
        return super().__call__(logits, target)


def given_to_the_loss(params: Params, alpha: float) -> tuple[Tensor, Tensor]:
    """Images that reach the network, and the loss's target, of a batch of four."""
    recipe = dataclasses.replace(params.recipe_of("ivsa"), mixup_alpha=alpha, crops=1)
    module = ClassifierModule(params.variants["ivsa"], recipe, torch.ones(3), 0, METRIC)
    module._loss = seen = Seen()
    images: list[Tensor] = []
    module.network.register_forward_pre_hook(lambda _, inputs: images.append(inputs[0]))
    side = recipe.input_px
    pictures = torch.arange(4, dtype=torch.uint8).mul(60).view(4, 1, 1, 1)
    pictures = pictures.expand(4, recipe.channels, side, side)
    torch.manual_seed(3)
    module.batch_loss((pictures, torch.tensor([0, 1, 2, 0]), torch.arange(4)))
    return images[0][:, 0, 0, 0] * 255, seen.target


def test_mixup_mixes_images_and_classes_by_one_factor(params: Params) -> None:
    grey, target = given_to_the_loss(params, 1.0)
    share = target[2, 2]  # of the third image, whose class no other image of the batch has
    assert 0 < share < 1
    values, classes = torch.tensor([0.0, 60, 120, 180]), torch.eye(3)[[0, 1, 2, 0]]
    torch.testing.assert_close(grey, share * values + (1 - share) * values.roll(1))
    torch.testing.assert_close(target, share * classes + (1 - share) * classes.roll(1, 0))


def test_without_mixup_a_batch_stays_as_it_is(params: Params) -> None:
    grey, target = given_to_the_loss(params, 0.0)
    torch.testing.assert_close(grey, torch.tensor([0.0, 60, 120, 180]))
    assert target.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("crops", [1, 10])
def test_votes_reach_the_loss_by_the_number_of_the_face(
    params: Params, alpha: float, crops: int
) -> None:
    row = dataclasses.replace(
        params.variants["ivsa"], loss="label_distribution", options={"loss": {"share": 0.5}}
    )
    recipe = dataclasses.replace(params.recipe_of("ivsa"), mixup_alpha=alpha)
    votes = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
    module = ClassifierModule(row, recipe, torch.ones(3), 0, METRIC)
    module.raters = votes, torch.tensor([0, 1, 2, 0])
    module._loss = seen = SeenVotes(share=0.5)
    shape = (2, recipe.channels, recipe.input_px, recipe.input_px)
    images = torch.zeros(shape if crops == 1 else (2, 10, *shape[1:]), dtype=torch.uint8)
    torch.manual_seed(3)
    loss, size = module.batch_loss((images, torch.tensor([1, 0]), torch.tensor([2, 3])))
    assert torch.isfinite(loss)
    assert size == 2 * crops
    expected = torch.tensor([[0, 0.75, 0.25], [0.75, 0, 0.25]]).repeat_interleave(crops, dim=0)
    if alpha:
        torch.testing.assert_close(seen.target.sum(1), torch.ones(size))
        assert seen.target[:, 2].tolist() == pytest.approx([0.25] * size)
        assert not torch.allclose(seen.target[0], expected[0])
    else:
        torch.testing.assert_close(seen.target, expected)


def test_a_loss_of_votes_needs_a_data_set_with_raters(params: Params) -> None:
    row = dataclasses.replace(params.variants["ivsa"], loss="label_distribution")
    recipe = dataclasses.replace(params.recipe_of("ivsa"), crops=1)
    module = ClassifierModule(row, recipe, torch.ones(3), 0, METRIC)
    image = torch.zeros(2, recipe.channels, recipe.input_px, recipe.input_px, dtype=torch.uint8)
    with pytest.raises(InputError, match="needs raters' votes") as error:
        module.batch_loss((image, torch.tensor([0, 1]), torch.arange(2)))
    assert "label: fer2013" in error.value.remedy


def test_graphs_need_a_gpu_one_process_and_one_batch_a_step(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(params.recipe_of("ivsa"), nominal_batch=0)
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert graphs_apply(recipe, gpu, 1)
    assert not graphs_apply(recipe, cpu, 1)
    assert not graphs_apply(recipe, gpu, 2)
    accumulated = dataclasses.replace(recipe, nominal_batch=4 * recipe.batch_size)
    assert not graphs_apply(accumulated, gpu, 1)
    monkeypatch.setenv("FERBENCH_CUDA_GRAPHS", "0")
    assert not graphs_apply(recipe, gpu, 1)
