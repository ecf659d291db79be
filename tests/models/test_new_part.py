"""A new attention is one file and one row, and nothing else."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.example_study import EXAMPLE, PROJECT

from ferbench.config.params import Params, load_params
from ferbench.data.dataset import PackedDataset
from ferbench.models import attention
from ferbench.models.describe import describe
from ferbench.plugins import names
from ferbench.training.fit import TrainingData, fit

FILE = '''"""Weigh channels by their mean.

Source: this test.
Differs: nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MeanGate"]


class MeanGate(nn.Module):
    def __init__(self, channels: int, *, scale: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x.mean(dim=(2, 3)) * self.weight)[:, :, None, None]
'''
ROWS = """
variants:
  - vgg_improved
  - mine: {like: ivsa, attention: mean_gate}
  - mine_strong: {like: ivsa, attention: mean_gate, options: {attention: {scale: 2.0}}}
  - mine_detector: {like: yolov5s_osam, attention: mean_gate}
"""


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Params]:
    """The example study with rows of an attention that is one new file."""
    (tmp_path / "attention").mkdir()
    (tmp_path / "attention" / "mean_gate.py").write_text(FILE)
    monkeypatch.setattr(attention, "__path__", [*attention.__path__, str(tmp_path / "attention")])
    text = EXAMPLE.read_text()
    before, after = text.split("variants:", 1)
    study = tmp_path / "studies" / "example.yaml"
    study.parent.mkdir()
    (study.parent / "catalogue").symlink_to(PROJECT / "studies" / "catalogue")
    shutil.copy(PROJECT / "studies" / "defaults.yaml", study.parent)
    study.write_text(before + ROWS.lstrip() + after[after.index("\nrecipes:") :])
    yield load_params(study)
    sys.modules.pop("ferbench.models.attention.mean_gate", None)


def test_the_file_is_found_by_its_name(params: Params) -> None:
    assert "mean_gate" in names("ferbench.models.attention")
    assert params.variants["mine_strong"].options == {"attention": {"scale": 2.0}}


@pytest.mark.parametrize(
    ("variant", "control", "gates"),
    [("mine", "vgg_improved", 64 + 128 + 256 + 512), ("mine_detector", None, 128 + 256 + 512)],
)
def test_its_row_is_described_with_its_own_code(
    params: Params, variant: str, control: str | None, gates: int
) -> None:
    text = describe(variant, params.variants[variant], params.recipe_of(variant))
    assert "ferbench.models.attention.mean_gate" in text["code"]
    if control is None:
        assert text["params_train"] == 9_124_901 + gates
        return
    plain = describe(control, params.variants[control], params.recipe_of(control))
    assert text["params_train"] == plain["params_train"] + gates
    assert "ferbench.models.attention.mean_gate" not in plain["code"]


def test_its_row_trains(params: Params, stored: PackedDataset, tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        params.recipe_of("mine_strong"), input_px=16, resize_px=18, epochs=1, batch_size=4, lr=0.01
    )
    train = dataclasses.replace(params.train, accelerator="cpu", progress=False)
    sides = TrainingData(stored.pack, stored.faces("train"), stored.faces("val"))
    row = (params.variants["mine_strong"], recipe, 0)
    state = fit(row, sides, train, tmp_path / "checkpoints", None).state
    weight = state["body.stages.2.weight"]  # of the gate behind the first stage
    assert weight.shape == (64,)
    assert 0 < (weight - 2.0).abs().max() < 1
