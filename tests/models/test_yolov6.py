"""YOLOv6 v3.0: its sizes, its two forms, its loss."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.narrow_networks import narrow_networks
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from ferbench.errors import InputError
from ferbench.models.attention.cbam import OSAM
from ferbench.models.attention.none import NoAttention
from ferbench.models.backbones.yolov6 import yolov6
from ferbench.models.blocks import ConvUnit
from ferbench.models.deploy import deployed, gflops
from ferbench.models.graph import LibraryGraph
from ferbench.models.loss_terms import class_weights
from ferbench.models.losses.yolo import YOLOLoss
from ferbench.models.losses.yolov6 import Assigned, Assigner, Faces, YOLOv6Loss, faces_of, varifocal
from ferbench.models.yolov6_blocks import RepVGG
from ferbench.models.yolov6_head import ANCHORS, AnchorAid, corners, grid

NATIVE = ConvUnit(None)
CLASSES = 7

# At 7 classes: without and with the anchors' predictors, branches merged, norms folded as well,
# multiply-adds x 2 in 10^9 at 640 pixels, by size and width. P3 prints 18.50, 34.81 and 59.54
# million. Half of S is the released N, 4.65 million at COCO's 80 classes.
COUNTS = {
    ("s", 0.5): (5_041_699, 5_049_190, 4_632_675, 4_630_403, 11.26),
    ("s", 1.0): (20_114_435, 20_129_318, 18_508_931, 18_504_387, 44.86),
    ("m", 1.0): (37_691_707, 37_713_982, 34_816_955, 34_806_683, 84.93),
    ("l", 1.0): (59_573_104, 59_602_771, 59_573_104, 59_541_936, 149.26),
}


@pytest.fixture
def narrow() -> Iterator[None]:
    """For what does not depend on the width."""
    with narrow_networks():
        yield


def network(
    size: str = "s", conv: ConvUnit = NATIVE, location: str = "none", width: float = 1.0
) -> Any:
    attention = OSAM if location == "neck" else NoAttention
    torch.manual_seed(0)
    return yolov6(attention, location, conv, 3, size=size, width=width).build(CLASSES)


def stirred(net: Any) -> Any:
    """The same with norms and predictors as no fresh network has them."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    head = net.model[-1]
    for layer in [*head.cls, *head.box]:
        nn.init.normal_(layer.weight, 0, 0.05)
    return net


def faces(images: int = 2, px: int = 64) -> dict[str, Tensor]:
    boxes = torch.tensor([[0.5, 0.5, 0.9, 0.8], [0.4, 0.6, 0.5, 0.5], [0.6, 0.4, 0.6, 0.7]])
    return {
        "img": torch.rand(images, 3, px, px, generator=torch.Generator().manual_seed(2)),
        "batch_idx": torch.arange(images).float(),
        "cls": torch.arange(images).float()[:, None] % CLASSES,
        "bboxes": boxes[torch.arange(images) % 3],
    }


def none_of(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k: v if k == "img" else v[:0] for k, v in batch.items()}


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "width"), COUNTS)
def test_a_size_has_the_published_number_of_parameters_in_every_form(
    size: str, width: float
) -> None:
    with torch.device("meta"):
        net = network(size, width=width).eval()
        aided = parameters(net)
        net.model[-1].aid = None
        plain = parameters(net)
        for module in list(net.modules()):
            if isinstance(module, RepVGG):
                module.merge()
        merged = parameters(net)
        net.fuse(verbose=False)
        cost = round(gflops(net, 3, 640), 2)
        assert (plain, aided, merged, parameters(net), cost) == COUNTS[size, width]


@pytest.mark.parametrize(("c_in", "c_out", "stride"), [(8, 8, 1), (8, 16, 1), (8, 8, 2)])
def test_a_merged_block_does_what_its_branches_did(c_in: int, c_out: int, stride: int) -> None:
    torch.manual_seed(0)
    block = RepVGG(c_in, c_out, stride, act=nn.ReLU())
    assert (block.same is not None) == (c_in == c_out and stride == 1)
    x = torch.randn(2, c_in, 9, 9)
    for _ in range(3):
        block.train()(x)  # gives the norms means and variances of their own
    expected = block.eval()(x)
    block.merge()
    assert [n for n, _ in block.named_parameters()] == ["merged.weight", "merged.bias"]
    assert (block(x) - expected).abs().max() < 1e-4


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("size", ["s", "m", "l"])
@torch.no_grad()
def test_deployed_network_predicts_as_the_trained_one(size: str) -> None:
    net = stirred(network(size)).eval()
    x = torch.rand(2, 3, 64, 64)
    random_state = torch.random.get_rng_state()
    served = deployed(net)
    assert torch.equal(torch.random.get_rng_state(), random_state)
    assert not [m for m in served.modules() if isinstance(m, nn.BatchNorm2d)]
    expected, got = net(x)[0], served(x)[0]
    assert expected.std(dim=2).min() > 0
    assert torch.allclose(expected[:, 4:], got[:, 4:], atol=1e-4)
    assert torch.allclose(expected[:, :4], got[:, :4], rtol=1e-4, atol=1e-2)
    assert net.model[-1].aid is not None


@pytest.mark.thorough
@pytest.mark.usefixtures("narrow")
@torch.no_grad()
def test_the_deployed_network_is_copied_and_exported_for_any_batch() -> None:
    served = copy.deepcopy(deployed(stirred(network())))
    served.model[-1].export = True
    x = torch.rand(3, 3, 64, 64)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(served, (x[:2],), dynamic_shapes=({0: batch},))
    assert torch.allclose(program.module()(x), served(x), rtol=1e-4, atol=1e-3)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("px", [64, 96])
@torch.no_grad()
def test_a_place_is_decoded_as_the_base_library_does_it(px: int) -> None:
    from ultralytics.utils.tal import dist2bbox, make_anchors

    net = stirred(network("m")).eval()
    decoded, raw = net(torch.rand(1, 3, px, px))
    points, strides = make_anchors(raw["feats"], [8, 16, 32])
    prob = raw["boxes"].transpose(1, 2).view(1, -1, 4, 17).softmax(3)
    box = dist2bbox(prob @ torch.arange(17.0), points) * strides
    assert torch.allclose(decoded[:, :4].transpose(1, 2), box, atol=1e-3)
    assert torch.equal(decoded[:, 4:], raw["scores"].sigmoid())
    assert net.stride.tolist() == [8, 16, 32]


@pytest.mark.usefixtures("narrow")
def test_fresh_network_predicts_one_per_cent_and_boxes_of_two_strides() -> None:
    decoded, raw = network().eval()(torch.rand(1, 3, 64, 64))
    assert torch.allclose(decoded[:, 4:], torch.tensor(0.01), atol=1e-6)
    _, strides = grid(raw["feats"], [8, 16, 32])
    assert torch.allclose(decoded[0, 2:4], 2 * strides.T.expand(2, -1))


def test_anchors_are_moved_and_stretched_place_by_place() -> None:
    torch.manual_seed(0)
    aid = AnchorAid(CLASSES, (4, 4, 4))
    for layer in [*aid.cls, *aid.box]:
        nn.init.normal_(layer.weight)
    maps = [torch.randn(2, 4, side, side) for side in (4, 2, 1)]
    out = aid(maps, maps)
    assert out["scores"].shape == (2, 3 * 21, CLASSES)
    # The second anchor of the place in row 1, column 0 of the second level, by hand.
    place, anchor, stride = 16 + 2, 1, 16
    raw = aid.box[1](maps[1])[1, 4 * anchor : 4 * anchor + 4, 1, 0]
    scores = aid.cls[1](maps[1])[1, CLASSES : 2 * CLASSES, 1, 0]
    centre = torch.tensor([8.0, 24.0]) + raw[:2] * stride
    side = (2 * raw[2:].sigmoid()) ** 2 * torch.tensor(ANCHORS[1][1])
    box = torch.cat((centre - side / 2, centre + side / 2))
    assert torch.allclose(out["boxes"][1, anchor * 21 + place], box, atol=1e-4)
    assert torch.allclose(out["scores"][1, anchor * 21 + place], scores, atol=1e-5)


@pytest.mark.usefixtures("narrow")
def test_the_conv_unit_changes_every_activation() -> None:
    kinds = {type(m) for m in network().modules() if isinstance(m, nn.ReLU | nn.SiLU)}
    assert kinds == {nn.ReLU, nn.SiLU}
    net = network(conv=ConvUnit("LeakyReLU", 0.01))
    assert not [m for m in net.modules() if isinstance(m, nn.ReLU | nn.SiLU)]
    assert not [m for m in network("l").modules() if isinstance(m, nn.ReLU | RepVGG)]


def test_attention_at_the_neck_stands_on_the_three_maps_of_the_head() -> None:
    gates = network(location="neck").model[2]
    assert [gate.channels for gate in gates] == [64, 128, 256]


def test_error_for_unknown_option_values_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="known: l, m, s"):
        yolov6(NoAttention, "none", NATIVE, 3, size="xl")
    with pytest.raises(InputError, match="known: neck, none"):
        yolov6(NoAttention, "branches", NATIVE, 3)
    with pytest.raises(InputError, match=r"known: 0\.5, 1\.0"):
        yolov6(NoAttention, "none", NATIVE, 3, width=0.25)


def test_varifocal_loss_is_the_papers_formula() -> None:
    logits = torch.tensor([[[0.3, -1.0], [2.0, 0.5]]])
    quality = torch.tensor([[[0.6, 0.0], [0.0, 0.0]]])
    p = logits.sigmoid()
    expected = -0.75 * p**2 * (1 - p).log()
    q = 0.6
    expected[0, 0, 0] = -q * (q * p[0, 0, 0].log() + (1 - q) * (1 - p[0, 0, 0]).log())
    label = (quality > 0).float()
    assert torch.allclose(varifocal(logits, Assigned(quality, label, quality)), expected)


def test_face_is_assigned_the_best_boxes_and_the_best_quality_is_its_overlap() -> None:
    points, strides = grid([torch.zeros(1, 1, 8, 8)], [8.0])
    distance = torch.rand(1, 4, 64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    boxes = corners(distance, points, strides, 1)
    prob = torch.rand(1, 64, CLASSES, generator=torch.Generator().manual_seed(1))
    face = torch.tensor([[[10.0, 10.0, 50.0, 50.0]]])
    truth = Faces(torch.full((1, 1, 1), 3.0), face, torch.ones(1, 1, 1))
    found = Assigner(13, CLASSES, [8.0]).assign(prob, boxes, points, truth)
    inside = ((points > 10) & (points < 50)).all(dim=1)
    overlap = _iou(boxes[0], face[0])
    t = torch.where(inside, prob[0, :, 3] * overlap**6, 0)
    best = t.topk(13).indices
    expected = torch.zeros(64)
    expected[best] = t[best] / t.max() * overlap[best].max()
    assert torch.allclose(found.quality[0, :, 3], expected, atol=1e-5)
    assert found.quality[0, :, [0, 1, 2, 4, 5, 6]].sum() == 0
    assert found.label[0].sum(dim=0).tolist() == [0, 0, 0, 13, 0, 0, 0]


def test_a_face_far_larger_than_any_box_of_a_fresh_network_is_learnt_from() -> None:
    points, strides = grid(
        [torch.zeros(1, 1, 640 // s, 640 // s) for s in (8, 16, 32)], [8, 16, 32]
    )
    boxes = corners(torch.ones(1, 4, len(points)), points, strides, 1)
    prob = torch.full((1, len(points), CLASSES), 0.01)
    face = torch.tensor([[[0.0, 0.0, 640.0, 640.0]]])
    truth = Faces(torch.zeros(1, 1, 1), face, torch.ones(1, 1, 1))
    found = Assigner(13, CLASSES, [8, 16, 32]).assign(prob, boxes, points, truth)
    assert found.quality.max().item() == pytest.approx(64**2 / 640**2, rel=1e-4)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("size", "weight"), [("s", "none"), ("m", "inv_freq")])
def test_the_loss_is_the_sum_of_its_terms_written_out(size: str, weight: str) -> None:
    net = stirred(network(size)).train()
    batch, counts = faces(), torch.arange(1, CLASSES + 1).float()
    raw = net(batch["img"])
    bins, truth = net.model[-1].reg_max, faces_of(batch)
    points, strides = grid(raw["feats"], [8, 16, 32])
    factor = class_weights(counts, weight)
    factor = torch.ones(CLASSES) if factor is None else factor
    expected = torch.zeros(())
    boxes = corners(raw["boxes"], points, strides, bins)
    for top, prob, box, place in (
        (13, raw["scores"].transpose(1, 2).sigmoid(), boxes, points),
        (26, raw["aided"]["scores"].sigmoid(), raw["aided"]["boxes"], points.repeat(3, 1)),
    ):
        found = Assigner(top, CLASSES, [8, 16, 32]).assign(prob, box, place, truth)
        q, entropy = found.quality, F.binary_cross_entropy(prob, found.quality, reduction="none")
        side = torch.where(found.label > 0, q * factor, 0.75 * prob**2) * entropy
        giou = generalized_box_iou_loss(box, found.xyxy, reduction="none")
        total = side.sum() + 2.5 * (giou * q.sum(dim=2)).sum()
        if bins > 1 and top == 13:
            total = total + 0.5 * _distribution_loss(raw["boxes"], points, strides, found, bins)
        expected = expected + total / max(float(q.sum()), 1.0)
    got = YOLOv6Loss(net, counts, class_weight=weight)(raw, batch)
    assert got.item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.usefixtures("narrow")
def test_the_loss_is_a_mean_over_images() -> None:
    net = stirred(network()).eval()
    loss, batch = YOLOv6Loss(net), faces(px=256)
    twice = {
        "img": batch["img"].repeat(2, 1, 1, 1),
        "batch_idx": torch.cat((batch["batch_idx"], batch["batch_idx"] + 2)),
        "cls": batch["cls"].repeat(2, 1),
        "bboxes": batch["bboxes"].repeat(2, 1),
    }
    values = [loss(net(b["img"])[1], b).item() for b in (batch, twice)]
    assert values[1] == pytest.approx(values[0], rel=1e-3)


@pytest.mark.usefixtures("narrow")
def test_the_loss_is_finite_with_and_without_faces_in_training_and_evaluation() -> None:
    net = network("m")
    loss, batch = YOLOv6Loss(net), faces()
    trained = [loss(net.train()(batch["img"]), b) for b in (batch, none_of(batch))]
    with torch.no_grad():
        raw = net.eval()(batch["img"])[1]
        evaluated = [loss(raw, b) for b in (batch, none_of(batch))]
    assert "aided" not in raw
    assert all(v.isfinite() and v > 0 for v in trained + evaluated)
    assert trained[0] > trained[1]
    trained[1].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("size", ["s", "m"])
def test_every_trainable_parameter_gets_a_gradient(size: str) -> None:
    net = stirred(network(size, location="neck")).train()
    head = net.model[-1]
    with torch.no_grad():
        # Boxes near the three faces' sizes, else a level is assigned no face.
        for layer in head.box if size == "m" else []:
            layer.bias.copy_(-torch.arange(17).repeat(4) / 2)
        head.aid.box[2].bias.fill_(-0.5)
    batch = faces(3, px=128)
    batch["bboxes"] = torch.tensor([[0.5, 0.5, side, side] for side in (0.18, 0.35, 0.75)])
    YOLOv6Loss(net)(net(batch["img"]), batch).backward()
    learnt = [(n, p) for n, p in net.named_parameters() if p.requires_grad]
    assert [n for n, p in learnt if p.grad is None or not p.grad.any()] == []
    frozen = [n for n, p in net.named_parameters() if not p.requires_grad]
    assert frozen
    assert all(".dfl." in name for name in frozen)


def test_weights_by_class_need_counts() -> None:
    with pytest.raises(InputError, match="needs the number of training faces"):
        YOLOv6Loss(network(), None, class_weight="inv_freq")


@pytest.mark.usefixtures("narrow")
def test_a_rare_class_weighs_more_where_it_is_the_faces_own() -> None:
    net = stirred(network()).train()
    batch, counts = faces(1), torch.tensor([1.0, 9, 9, 9, 9, 9, 9])
    raw = net(batch["img"])
    plain, heavy = (YOLOv6Loss(net, counts, class_weight=w)(raw, batch) for w in ("none", "raw"))
    assert heavy > plain
    batch["cls"] = torch.ones(1, 1)
    losses = [YOLOv6Loss(net, counts, class_weight=w) for w in ("inv_freq", "none")]
    lighter, plain = (loss(raw, batch) for loss in losses)
    assert lighter < plain  # 55 / (7 * 9) = 0.87


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("loss", [YOLOv6Loss, YOLOLoss])
@pytest.mark.parametrize("size", ["s", "m"])
def test_losses_and_detectors_of_both_kinds_go_together(loss: Any, size: str) -> None:
    plan = LibraryGraph("yolov8n.yaml", 3).build(CLASSES) if size == "s" else network("m")
    batch = faces()
    raw = plan.train()(batch["img"])
    value = loss(plan, None)(raw, batch)
    assert value.isfinite()
    assert value > 0


@pytest.mark.thorough
@pytest.mark.usefixtures("narrow")
def test_the_loss_falls_by_half_on_four_images() -> None:
    net = network().train()
    loss, batch = YOLOv6Loss(net), faces(4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9, nesterov=True)
    values = []
    for _ in range(40):
        optimizer.zero_grad()
        value = loss(net(batch["img"]), batch)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        values.append(value.item())
    assert values[-1] < values[0] / 2


def _iou(first: Tensor, second: Tensor) -> Tensor:
    from torchvision.ops import box_iou

    return box_iou(first, second)[:, 0]


def _distribution_loss(
    boxes: Tensor, points: Tensor, strides: Tensor, found: Assigned, bins: int
) -> Tensor:
    """Cross-entropy with the two bins beside each distance, before it is divided."""
    near, far = found.xyxy.chunk(2, dim=2)
    y = (torch.cat((points - near, far - points), dim=2) / strides).clamp(0, bins - 1.01)
    log_prob = boxes.transpose(1, 2).reshape(*y.shape, bins).log_softmax(dim=3)
    below = y.long()
    at = [log_prob.gather(3, (below + k)[..., None]).squeeze(3) for k in (0, 1)]
    loss = -((below + 1 - y) * at[0] + (y - below) * at[1]).mean(dim=2)
    return (loss * found.quality.sum(dim=2)).sum()


# Gradients of the stem in channels_last, as in training, beside those in float64, contiguous. The
# norms use their running statistics: a convolution of one channel has no gradient before the other.
STEM_STEP = """
import copy, torch
from torch import nn
from ferbench.models.yolov6_blocks import RepVGG
torch.set_num_threads(1)
for channels in (1, 3):
    torch.manual_seed(0)
    stem = RepVGG(channels, 32, 2, act=nn.ReLU()).eval()
    exact, image = copy.deepcopy(stem).double(), torch.rand(8, channels, 64, 64)
    exact(image.double()).square().mean().backward()
    stem = stem.to(memory_format=torch.channels_last)
    stem(image.to(memory_format=torch.channels_last)).square().mean().backward()
    for one, other in zip(stem.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-6)
"""


@pytest.mark.thorough
def test_stem_in_channels_last_on_avx2_has_the_gradients_of_float64() -> None:
    """In a process of its own: a strided 1x1 convolution of 3 channels ends it with a signal."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    setting = {"ONEDNN_MAX_CPU_ISA": "AVX2", "PYTHONPATH": path}
    run = subprocess.run(
        [sys.executable, "-c", STEM_STEP],
        check=False,
        capture_output=True,
        env=os.environ | setting,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-2000:]


def test_stem_subsamples_to_the_same_map_under_the_same_names() -> None:
    stem = RepVGG(3, 32, 2, act=nn.ReLU())
    assert stem.point is not None
    image = torch.rand(2, 3, 9, 12)
    expected = F.conv2d(image, stem.point.conv.weight, stride=2)
    torch.testing.assert_close(stem.point.conv(image), expected)
    assert "point.conv.weight" in stem.state_dict()
    assert type(RepVGG(8, 32, 2, act=nn.ReLU()).point.conv) is nn.Conv2d  # type: ignore[union-attr]
