"""Detector graphs with and without their gates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ferbench.models.attention.cbam import OSAM
from ferbench.models.attention.none import NoAttention
from ferbench.models.backbones.yolov5 import yolov5s
from ferbench.models.blocks import ConvUnit


def test_taking_gates_out_gives_the_librarys_own_yolov5s() -> None:
    from ultralytics.cfg import get_cfg  # noqa: F401  # its import prepares the package's paths
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(0)
    library = DetectionModel("yolov5s.yaml", nc=7, verbose=False).eval()
    torch.manual_seed(0)
    ours = yolov5s(NoAttention, "none", ConvUnit(None), 3).build(7).eval()
    theirs = library.state_dict()
    assert list(ours.state_dict()) == list(theirs)
    ours.load_state_dict(theirs)
    x = torch.rand(1, 3, 64, 64)
    assert torch.equal(ours(x)[0], library(x)[0])


def test_gates_stand_on_the_branches_and_get_the_scaled_channels() -> None:
    network = yolov5s(OSAM, "branches", ConvUnit(None), 3).build(7)
    gates = [(m.i, m.f, m.channels) for m in network.model if isinstance(m, OSAM)]
    assert gates == [(5, 4, 128), (8, 7, 256), (12, 11, 512)]
    assert network.model[6].f == 4  # the backbone's own path goes on ungated
    assert network.model[9].f == 7
    assert network.stride.tolist() == [8, 16, 32]


def test_every_parameter_of_the_gated_detector_gets_a_gradient() -> None:
    torch.manual_seed(0)
    network = yolov5s(OSAM, "branches", ConvUnit(None), 3).build(7).train()
    out = network(torch.rand(2, 3, 128, 128))
    sum(v.square().mean() for v in _tensors(out)).backward()  # type: ignore[union-attr]
    silent = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert [n for n in silent if ".dfl." not in n] == []


def test_the_conv_unit_changes_every_activation() -> None:
    network = yolov5s(NoAttention, "none", ConvUnit("LeakyReLU", 0.01), 3).build(7)
    kinds = {type(m) for m in network.model[:9].modules() if isinstance(m, nn.SiLU | nn.LeakyReLU)}
    assert kinds == {nn.LeakyReLU}


def test_building_leaves_no_name_behind_in_the_library() -> None:
    from ultralytics.nn import tasks

    yolov5s(OSAM, "branches", ConvUnit(None), 3).build(7)
    assert not hasattr(tasks, "Gate")


def _tensors(out: object) -> list[Tensor]:
    if isinstance(out, Tensor):
        return [out]
    values = out.values() if isinstance(out, dict) else out
    return [t for value in values for t in _tensors(value)]  # type: ignore[union-attr]


@pytest.mark.parametrize("px", [64, 128, 320])
def test_detectors_decode_one_place_a_cell(px: int) -> None:
    network = yolov5s(OSAM, "branches", ConvUnit(None), 3).build(7).eval()
    cells = sum((px // stride) ** 2 for stride in (8, 16, 32))
    assert network(torch.rand(1, 3, px, px))[0].shape == (1, 4 + 7, cells)
