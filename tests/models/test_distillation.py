"""Distillation: the loss by hand, what teachers see, and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench.config.params import Params, Variant
from ferbench.errors import InputError
from ferbench.models.build import build_loss, build_network
from ferbench.models.describe import describe
from ferbench.models.losses.distillation import Distillation
from ferbench.models.weights import save_trained
from ferbench.training.modules import ClassifierModule, SelectionMetric

ROW = "ivsa"
CLASSES = ("anger", "fear", "happiness")
TARGET = torch.tensor([0, 2])


def teacher(
    params: Params, path: Path, seed: int, variant: str = ROW, input_px: int | None = None
) -> str:
    """A trained network with random weights, in a file like a run's."""
    row, recipe = params.variants[variant], params.recipe_of(variant)
    if input_px is not None:
        recipe = dataclasses.replace(recipe, input_px=input_px)
    network = build_network(row, recipe, len(CLASSES), seed)
    save_trained(path, network.state_dict(), row, recipe, CLASSES)
    return str(path)


def distilled(params: Params, teachers: list[str], **options: float) -> Variant:
    loss = {"teachers": teachers, **options}
    return dataclasses.replace(
        params.variants[ROW], loss="distillation", options={"loss": loss}, paper="none"
    )


def images_of(params: Params) -> Tensor:
    recipe = params.recipe_of(ROW)
    shape = (2, recipe.channels, recipe.input_px, recipe.input_px)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


class Fixed(nn.Module):
    """A teacher of the same logits for every image."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits.expand(len(images), -1)


def test_the_loss_is_that_of_hinton_et_al_by_hand() -> None:
    loss = Distillation(share=0.25, temperature=2.0)
    first, second = [2.0, 0.0, -2.0], [0.0, 4.0, 0.0]
    loss.teachers = [Fixed(first), Fixed(second)]
    z = torch.tensor([[1.0, -1.0, 0.5], [0.0, 0.3, 2.0]])
    p = (torch.tensor(first).div(2).softmax(0) + torch.tensor(second).div(2).softmax(0)) / 2
    taught = -(p * (z / 2).log_softmax(1)).sum(1).mean() * 4
    labelled = -z.log_softmax(1)[[0, 1], [0, 2]].mean()
    found = loss(z, TARGET, torch.zeros(2, 1, 8, 8))
    torch.testing.assert_close(found, 0.75 * labelled + 0.25 * taught)


def test_without_images_and_with_no_share_it_is_cross_entropy() -> None:
    z = torch.randn(2, 3)
    loss = Distillation(share=0.0)
    loss.teachers = [Fixed([9.0, 0.0, 0.0])]
    expected = F.cross_entropy(z, TARGET)
    torch.testing.assert_close(loss(z, TARGET), expected)
    torch.testing.assert_close(loss(z, TARGET, torch.zeros(2, 1, 8, 8)), expected)


def test_teachers_give_mean_probabilities_and_never_learn(params: Params, tmp_path: Path) -> None:
    paths = [teacher(params, tmp_path / f"{seed}.pt", seed) for seed in (1, 2)]
    row = distilled(params, paths, share=1.0)
    network = build_network(row, params.recipe_of(ROW), len(CLASSES), seed=0)
    loss, images = build_loss(row, network, torch.ones(3)), images_of(params)
    before = [p.clone() for t in loss.teachers for p in t.state_dict().values()]
    expected = torch.stack([t(images).softmax(1) for t in loss.teachers]).mean(0)
    torch.testing.assert_close(loss.probabilities(images), expected)
    loss(network(images), TARGET, images).backward()
    assert all(p.grad is not None for p in network.parameters())
    assert all(p.grad is None for t in loss.teachers for p in t.parameters())
    after = [p for t in loss.teachers for p in t.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_student_that_equals_its_only_teacher_has_no_gradient(
    params: Params, tmp_path: Path
) -> None:
    path = teacher(params, tmp_path / "model.pt", seed=1)
    loss, images = Distillation(None, torch.ones(3), [path], share=1.0), images_of(params)
    z = loss.teachers[0](images).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z, TARGET, images), z)
    torch.testing.assert_close(gradient, torch.zeros(2, 3))


def test_a_training_shows_its_teachers_the_mixed_images(params: Params, tmp_path: Path) -> None:
    path = teacher(params, tmp_path / "model.pt", seed=1)
    recipe = dataclasses.replace(params.recipe_of(ROW), mixup_alpha=1.0, crops=1)
    module = ClassifierModule(
        distilled(params, [path]), recipe, torch.ones(3), 0, SelectionMetric("accuracy", 0.5)
    )
    seen: dict[str, Tensor] = {}
    module.network.register_forward_pre_hook(lambda _, given: seen.update(student=given[0]))
    module.loss.teachers[0].register_forward_pre_hook(
        lambda _, given: seen.update(teacher=given[0])
    )
    side = recipe.input_px
    pictures = torch.randint(0, 256, (2, recipe.channels, side, side), dtype=torch.uint8)
    loss, size = module.batch_loss((pictures, TARGET, torch.arange(2)))
    assert size == 2
    assert torch.isfinite(loss)
    assert torch.equal(seen["student"], seen["teacher"])
    assert not torch.allclose(seen["student"], pictures / 255)


def test_a_teacher_of_another_input_size_sees_the_image_scaled(
    params: Params, tmp_path: Path
) -> None:
    images = images_of(params)
    side = images.shape[-1]
    path = teacher(params, tmp_path / "model.pt", seed=1, input_px=2 * side)
    loss = Distillation(None, torch.ones(3), [path], share=1.0)
    seen: list[Tensor] = []
    *_, network = loss.teachers[0].children()
    network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    loss.probabilities(images)
    expected = F.interpolate(images, size=2 * side, mode="bilinear")
    torch.testing.assert_close(seen[0], expected)


def test_a_description_holds_the_digests_of_the_teachers(params: Params, tmp_path: Path) -> None:
    recipe, path = params.recipe_of(ROW), tmp_path / "model.pt"
    row = distilled(params, [teacher(params, path, seed=1)])
    first = describe("student", row, recipe)
    teacher(params, path, seed=2)
    second = describe("student", row, recipe)
    assert first["teachers_md5"].keys() == {str(path)}
    assert first["teachers_md5"] != second["teachers_md5"]
    assert "teachers_md5" not in describe(ROW, params.variants[ROW], recipe)
    path.unlink()
    with pytest.raises(InputError, match="no such teacher"):
        describe("student", row, recipe)


def test_what_cannot_teach_is_refused(params: Params, tmp_path: Path) -> None:
    path = teacher(params, tmp_path / "model.pt", seed=1)
    with pytest.raises(InputError, match="knows 3 classes, the data set has 7"):
        Distillation(None, torch.ones(7), [path])
    detector = teacher(params, tmp_path / "detector.pt", seed=1, variant="yolov5s_osam")
    with pytest.raises(InputError, match="is made to detect"):
        Distillation(None, torch.ones(3), [detector])
    with pytest.raises(InputError, match="no such model"):
        Distillation(None, None, [str(tmp_path / "absent.pt")])
    for options in ({"share": 1.5}, {"temperature": 0.0}):
        with pytest.raises(InputError, match="define no distillation"):
            Distillation(None, None, [path], **options)
    with pytest.raises(InputError, match="no teachers"):
        Distillation()(torch.randn(2, 3), TARGET, torch.zeros(2, 1, 8, 8))
