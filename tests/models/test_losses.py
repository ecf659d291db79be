"""Losses: weights of classes, adaptive threshold focal loss, the detection loss with both."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ferbench.errors import InputError
from ferbench.models.graph import LibraryGraph
from ferbench.models.loss_terms import ATFL, class_weights, column_factor, focal_weight
from ferbench.models.losses.cross_entropy import CrossEntropy
from ferbench.models.losses.label_distribution import LabelDistribution
from ferbench.models.losses.weighted_ce import WeightedCrossEntropy
from ferbench.models.losses.yolo import YOLOLoss

COUNTS = torch.tensor([10.0, 30.0, 60.0])


def weights(kind: str, counts: Tensor = COUNTS, **options: Any) -> Tensor:
    found = class_weights(counts, kind, **options)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("inv_freq", [100 / 30, 100 / 90, 100 / 180]),
        ("raw", [10.0, 100 / 30, 100 / 60]),
        ("mean1", [3 * 6 / 9, 3 * 2 / 9, 3 * 1 / 9]),  # 1/10 : 1/30 : 1/60 = 6 : 2 : 1
    ],
)
def test_class_weights_are_those_by_hand(kind: str, expected: list[float]) -> None:
    assert weights(kind).tolist() == pytest.approx(expected)


def test_class_weights_have_the_mean_of_their_kind() -> None:
    counts = torch.tensor([436.0, 7215, 4097, 4830, 3171, 4965, 3995])
    by_face = (counts * weights("inv_freq", counts)).sum() / counts.sum()
    assert float(by_face) == pytest.approx(1)
    assert float(weights("mean1", counts).mean()) == pytest.approx(1)
    assert torch.allclose(weights("raw", counts), 7 * weights("inv_freq", counts))


def test_a_class_without_a_face_gets_the_mean_of_the_others() -> None:
    found = weights("inv_freq", torch.tensor([10.0, 0.0, 40.0]))
    assert found.tolist() == pytest.approx([50 / 30, (50 / 30 + 50 / 120) / 2, 50 / 120])
    assert weights("mean1", torch.tensor([5.0, 0.0])).tolist() == [1, 1]


def test_class_weights_can_be_flattened_and_bounded() -> None:
    assert weights("raw", power=0.5).tolist() == pytest.approx(
        [10**0.5, (10 / 3) ** 0.5, 1.2909944]
    )
    assert weights("inv_freq", power=0).tolist() == [1, 1, 1]
    counts = torch.tensor([1.0, 1000.0])
    assert weights("inv_freq", counts).max() > 500
    assert weights("raw", counts, clip=True)[0] == 10
    assert weights("inv_freq", torch.tensor([1.0, 50.0, 0.0]), power=3, clip=True).min() >= 0.1


def test_class_weights_are_none_if_not_asked_for_and_need_counts() -> None:
    assert class_weights(None, "none") is None
    for counts in (None, torch.zeros(3)):
        with pytest.raises(InputError, match="number of training faces"):
            class_weights(counts, "inv_freq")
    with pytest.raises(InputError, match="did you mean 'inv_freq'"):
        class_weights(COUNTS, "inv_frq")


def test_positive_weighs_faces_alone_and_column_the_whole_class() -> None:
    target = torch.tensor([[0.0, 0.7, 0.0], [0.0, 0.0, 0.0]])
    factors = torch.tensor([2.0, 3.0, 4.0])
    assert column_factor(target, factors, "positive").tolist() == [[1, 3, 1], [1, 1, 1]]
    assert column_factor(target, factors, "column").tolist() == [[2, 3, 4], [2, 3, 4]]


def test_weighted_cross_entropy_without_weights_is_cross_entropy() -> None:
    logits, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 2, 0])
    for loss in (WeightedCrossEntropy(), WeightedCrossEntropy(None, COUNTS)):
        assert torch.equal(loss(logits, target), CrossEntropy()(logits, target))


def test_weighted_cross_entropy_is_divided_by_the_batch_and_not_by_the_weights() -> None:
    logits, target = torch.randn(4, 3), torch.tensor([0, 0, 1, 2])
    loss = WeightedCrossEntropy(None, COUNTS, class_weight="inv_freq")
    by_hand = sum(
        -float(weights("inv_freq")[y]) * math.log(float(z.softmax(0)[y]))
        for z, y in zip(logits, target.tolist(), strict=True)
    )
    assert float(loss(logits, target)) == pytest.approx(by_hand / 4, rel=1e-5)


# Rows of p_t, columns of lambda 1.5, 2.0 and 2.5; below 1e-4 the clamp holds the weight.
@pytest.mark.parametrize(
    ("p_t", "expected"),
    [
        (0.5, (1.000, 1.325, 1.617)),
        (0.3, (1.245, 1.894, 2.584)),
        (0.1, (2.170, 4.384, 7.507)),
        (0.01, (6.27, 23.8, 66.8)),
        (1e-3, (16.4, 120, 559)),
        (1e-4, (41.8, 592, 4624)),
        (1e-6, (41.8, 592, 4624)),
        (0.0, (41.8, 592, 4624)),
    ],
)
def test_hard_scores_weigh_as_computed_by_hand(p_t: float, expected: tuple[float, ...]) -> None:
    level = torch.tensor(0.9)
    found = [float(focal_weight(torch.tensor(p_t), level, lam)) for lam in (1.5, 2.0, 2.5)]
    assert found == pytest.approx(expected, rel=3e-3)


def test_easy_scores_weigh_by_the_level() -> None:
    def weight(p_t: float, level: float) -> float:
        return float(focal_weight(torch.tensor(p_t), torch.tensor(level), 2.0))

    assert weight(0.9, 0.5) == pytest.approx(0.1 ** math.log(2), rel=1e-4)  # 0.20
    assert weight(0.99, 0.99) == pytest.approx(0.955, abs=5e-4)
    assert weight(0.99, 0.9997) == pytest.approx(1, abs=2e-3)  # a dense detector at its start


def test_the_level_mixes_the_mean_of_all_earlier_steps() -> None:
    focal = ATFL().train()
    levels, means = [], []
    for logit in (0.0, 2.0, -1.0):
        z = torch.full((1, 4, 2), logit)
        means.append(float(torch.sigmoid(torch.tensor(logit))))
        levels.append(float(focal._level(z.sigmoid(), torch.ones_like(z))))
    assert levels[0] == pytest.approx(means[0])
    assert levels[1] == pytest.approx(0.05 * means[0] + 0.95 * means[1])
    assert levels[2] == pytest.approx(0.05 * (means[0] + means[1]) / 2 + 0.95 * means[2])
    assert int(focal.steps) == 3
    assert float(focal.past) == pytest.approx(sum(means) / 3)


def test_the_released_level_is_that_of_the_batch() -> None:
    focal = ATFL(running=False).train()
    first, second = torch.full((1, 2, 2), 0.2), torch.full((1, 2, 2), 0.6)
    focal._level(first, first)
    assert float(focal._level(second, second)) == pytest.approx(0.6)


def test_evaluation_leaves_the_memory_as_it_is_and_a_checkpoint_keeps_it() -> None:
    torch.manual_seed(0)
    z, y = torch.randn(2, 5, 3), torch.rand(2, 5, 3)
    focal = ATFL().train()
    focal(z, y)
    before = {k: v.clone() for k, v in focal.state_dict().items()}
    focal.eval()(3 * z, y)
    assert focal.state_dict() == before
    twin = ATFL()
    twin.load_state_dict(before)
    assert torch.equal(twin.train()(2 * z, y), focal.train()(2 * z, y))


def test_the_level_of_the_foreground_is_taken_at_places_with_a_face() -> None:
    focal = ATFL(mean_over="foreground").train()
    y = torch.tensor([[[0.0, 0.0], [0.0, 0.8]]])
    p_t = torch.tensor([[[0.9, 0.9], [0.3, 0.5]]])
    assert float(focal._level(p_t, torch.zeros_like(y))) == 1  # no face yet
    assert int(focal.steps) == 0
    assert float(focal._level(p_t, y)) == pytest.approx(0.4)
    assert float(focal._level(p_t, torch.zeros_like(y))) == pytest.approx(0.4)
    assert int(focal.steps) == 1


def test_distance_lets_a_soft_target_be_met() -> None:
    y = torch.full((1, 1, 1), 0.6)
    met = torch.logit(y)
    bce = F.binary_cross_entropy_with_logits(met, y)
    published, distance = ATFL(pt="published"), ATFL(pt="distance")
    # Published, p_t is 0.52: an easy score whose level is itself.
    assert float(published(met, y)) == pytest.approx(float(bce) * 0.48 ** -math.log(0.52), rel=1e-4)
    assert float(distance(met, y)) == pytest.approx(float(bce), rel=1e-4)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("lam", [1.5, 2.0, 2.5])
def test_atfl_and_its_gradients_are_finite_for_any_logit(detach: bool, lam: float) -> None:
    z = torch.tensor([[-200.0, -9.3, -1.0, 0.0, 1.0, 9.3, 200.0]] * 3, requires_grad=True)
    y = torch.tensor([[0.0], [1.0], [0.6]]).expand(3, 7)
    loss = ATFL(lam, detach=detach)(z, y)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert (loss >= 0).all()
    assert z.grad is not None
    assert z.grad.isfinite().all()


def test_a_detached_weight_is_a_constant_of_the_gradient() -> None:
    z = torch.tensor([[-1.0, 0.4]], requires_grad=True)
    y = torch.tensor([[1.0, 0.0]])
    for detach in (True, False):
        weight = ATFL(detach=detach)(z, y) / F.binary_cross_entropy_with_logits(
            z, y, reduction="none"
        )
        (gradient,) = torch.autograd.grad(ATFL(detach=detach)(z, y).sum(), z)
        constant = weight.detach() * (z.detach().sigmoid() - y)
        assert torch.allclose(gradient, constant, atol=1e-5) == detach


def test_atfl_of_half_precision_logits_is_float32() -> None:
    loss = ATFL()(torch.randn(2, 3).bfloat16(), torch.rand(2, 3).bfloat16())
    assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    "options", [{"lam": 1.0}, {"lam": "2"}, {"mean_over": "faces"}, {"pt": "p"}, {"detach": "no"}]
)
def test_atfl_refuses_unknown_option_values(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        ATFL(**options)


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    return LibraryGraph("yolo12n.yaml", 3).build(3).train()


@pytest.fixture(scope="module")
def two_branches() -> Any:
    torch.manual_seed(0)
    return LibraryGraph("yolov10n.yaml", 3).build(3).train()


def batch_of(faces: int) -> dict[str, Tensor]:
    boxes = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.3, 0.3, 0.4, 0.5], [0.7, 0.6, 0.3, 0.3]])
    generator = torch.Generator().manual_seed(0)
    return {
        "img": torch.rand(2, 3, 64, 64, generator=generator),
        "batch_idx": torch.tensor([0.0, 1.0, 1.0])[:faces],
        "cls": torch.tensor([[1.0], [2.0], [0.0]])[:faces],
        "bboxes": boxes[:faces],
    }


def library_loss(name: str, network: Any, raw: Any, batch: dict[str, Tensor]) -> Tensor:
    """The mean over images of the library's own loss."""
    from ultralytics.utils import loss

    network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)
    terms: Tensor = getattr(loss, name)(network)(raw, batch)[0]
    return terms.sum() / len(batch["img"])


def test_the_plain_detection_loss_is_the_librarys(network: Any) -> None:
    batch = batch_of(3)
    raw = network(batch["img"])
    expected = library_loss("v8DetectionLoss", network, raw, batch)
    assert torch.equal(YOLOLoss(network)(raw, batch), expected)
    assert torch.equal(YOLOLoss(network, COUNTS)(raw, batch), expected)
    assert YOLOLoss(network).state_dict() == {}


def test_a_head_of_two_branches_learns_from_the_sum_of_two_losses(two_branches: Any) -> None:
    batch = batch_of(3)
    raw = two_branches(batch["img"])
    expected = library_loss("E2EDetectLoss", two_branches, raw, batch)
    assert YOLOLoss(two_branches)(raw, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_column_mode_is_the_librarys_own_weighing_of_classes(network: Any) -> None:
    batch = batch_of(3)
    raw = network(batch["img"])
    network.class_weights = weights("mean1")
    expected = library_loss("v8DetectionLoss", network, raw, batch)
    del network.class_weights
    loss = YOLOLoss(network, COUNTS, class_weight="mean1", mode="column")
    assert loss(raw, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_weights_of_positives_leave_an_image_without_faces_alone(network: Any) -> None:
    options = {"class_weight": "inv_freq", "mode": "positive"}
    for faces, same in ((0, True), (3, False)):
        batch = batch_of(faces)
        raw = network(batch["img"])
        plain = YOLOLoss(network)(raw, batch).item()
        positive = YOLOLoss(network, COUNTS, **options)(raw, batch).item()
        column = YOLOLoss(network, COUNTS, **options | {"mode": "column"})(raw, batch).item()
        assert (positive == pytest.approx(plain, rel=1e-6)) == same
        assert column != pytest.approx(plain, rel=1e-6)


@pytest.mark.parametrize("faces", [0, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"cls": "atfl"},
        {"cls": "atfl", "lam": 1.5, "detach": False, "running": False},
        {"cls": "atfl", "mean_over": "foreground", "pt": "distance"},
        {"cls": "atfl", "class_weight": "inv_freq"},
        {"class_weight": "raw", "mode": "column"},
    ],
)
def test_the_detection_loss_and_its_gradients_are_finite(
    network: Any, options: dict[str, Any], faces: int
) -> None:
    network.zero_grad()
    batch = batch_of(faces)
    loss = YOLOLoss(network, COUNTS, **options)(network(batch["img"]), batch)
    loss.backward()
    assert loss.isfinite()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients
    assert all(g.isfinite().all() for g in gradients)


def test_the_class_gain_weighs_the_class_loss_alone(network: Any) -> None:
    batch = batch_of(3)
    raw = network(batch["img"])
    values = [YOLOLoss(network, cls_gain=gain)(raw, batch).item() for gain in (0.5, 1.0, 2.0)]
    assert values[0] == YOLOLoss(network)(raw, batch).item()
    assert values[2] - values[1] == pytest.approx(2 * (values[1] - values[0]), rel=1e-4)
    with pytest.raises(InputError, match="option cls_gain: must be above 0"):
        YOLOLoss(network, cls_gain=0.0)


def test_a_larger_lambda_makes_a_larger_class_loss(network: Any) -> None:
    batch = batch_of(3)
    raw = network(batch["img"])
    raw["scores"] = 3 * torch.randn(raw["scores"].shape, generator=torch.Generator().manual_seed(0))
    values = [YOLOLoss(network, cls="atfl", lam=lam)(raw, batch).item() for lam in (1.5, 2.0, 2.5)]
    assert values[0] < values[1] < values[2]


def test_atfl_moves_only_in_training_and_its_memory_survives(network: Any) -> None:
    batch = batch_of(3)
    loss = YOLOLoss(network, cls="atfl")
    loss(network(batch["img"]), batch)
    network.eval()
    loss(network(batch["img"])[1], batch)
    state = {k: v.clone() for k, v in loss.state_dict().items()}
    network.train()
    assert int(state["one2many.element.steps"]) == 1
    assert float(state["one2many.element.past"]) > 0.99  # nearly all scores are easy at the start
    resumed = YOLOLoss(network, cls="atfl")
    resumed.load_state_dict(state)
    raw = network(batch["img"])
    assert torch.equal(resumed(raw, batch), loss(raw, batch))
    assert resumed.state_dict() == loss.state_dict()


def test_each_of_two_branches_has_its_own_running_mean(two_branches: Any) -> None:
    batch = batch_of(3)
    loss = YOLOLoss(two_branches, cls="atfl")
    loss(two_branches(batch["img"]), batch)
    state = loss.state_dict()
    assert [int(state[f"{b}.element.steps"]) for b in ("one2many", "one2one")] == [1, 1]


@pytest.mark.parametrize("options", [{"cls": "focal"}, {"mode": "row"}, {"class_weight": "raw"}])
def test_detection_loss_refuses_unknown_options_and_missing_counts(
    network: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        YOLOLoss(network, None, **options)


def test_label_smoothing_spreads_a_share_of_the_target_evenly() -> None:
    logits, target = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]]), torch.tensor([0, 2])
    shares = 0.9 * F.one_hot(target, 3) + 0.1 / 3
    expected = -(shares * F.log_softmax(logits, dim=1)).sum(1).mean()
    smoothed = CrossEntropy(smoothing=0.1)
    torch.testing.assert_close(smoothed(logits, target), expected)
    torch.testing.assert_close(smoothed(logits, F.one_hot(target, 3).float()), expected)
    with pytest.raises(InputError, match="smoothing of 1"):
        CrossEntropy(smoothing=1.0)


def test_label_distribution_mixes_votes_with_the_label_by_hand() -> None:
    logits, target = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]]), torch.tensor([0, 2])
    votes = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.2, 0.8]])
    mixed = LabelDistribution(share=0.5)
    shares = mixed.targets(target, votes)
    torch.testing.assert_close(shares, torch.tensor([[0.75, 0.25, 0.0], [0.0, 0.1, 0.9]]))
    expected = -(shares * F.log_softmax(logits, dim=1)).sum(1).mean()
    torch.testing.assert_close(mixed(logits, shares), expected)
    assert torch.equal(LabelDistribution().targets(target, votes), votes)
    torch.testing.assert_close(mixed(logits, target), F.cross_entropy(logits, target))


def test_votes_of_a_face_nobody_rated_are_its_label() -> None:
    votes = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    expected = LabelDistribution().expected(votes, torch.tensor([2, 1]))
    assert expected.tolist() == [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]


def test_calibrated_votes_give_the_probability_of_the_label() -> None:
    """Raters who always say "0" where the label is 0 or 2, two times in three 0."""
    votes = torch.eye(4)[torch.tensor([0] * 300 + [1] * 100)]  # class 3 has no face
    labels = torch.tensor([0] * 200 + [2] * 100 + [1] * 100)
    votes, labels = torch.cat([votes, torch.zeros(1, 4)]), torch.cat([labels, torch.tensor([3])])
    expected = LabelDistribution(calibrated=True).expected(votes, labels)
    torch.testing.assert_close(expected.sum(1), torch.ones(401))
    assert expected[0].tolist() == pytest.approx([2 / 3, 0, 1 / 3, 0], abs=0.02)
    assert expected[300].tolist() == pytest.approx([0, 1, 0, 0], abs=0.05)
    assert expected[400].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_label_distribution_refuses_what_is_no_share(share: float) -> None:
    with pytest.raises(InputError, match="is not a share of the target"):
        LabelDistribution(share=share)
