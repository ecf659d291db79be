"""P0's released gate with four CBL units is the one with three.

Source: P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445, table 4 (numbers
of units); the authors' module with four units applies the third one twice to the same map, and the
fourth one never.
Differs: with the corrected norm, since under the released one every number of units is the
identity (`p0_identity_gate`).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from ferbench.findings.networks import distance, gradients, noise, seeded
from ferbench.findings.result import Finding, judged
from ferbench.models.attention.cbam import OSAM

__all__ = ["p0_cbl4_is_cbl3"]

_CHANNELS = 32
_UNREACHED = 22  # parameters of a fourth unit in each of the two branches


class _ReleasedBranch(nn.Module):
    """Four units, called as the released module calls them."""

    def __init__(self, units: nn.Sequential) -> None:
        super().__init__()
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        """The map of the third unit; (N, 1, H, W) -> (N, 1, H, W)."""
        first, second, third, _ = self.units
        x = second(first(x))
        third(x)
        return third(x)


def p0_cbl4_is_cbl3() -> Finding:
    """Compare the released order of four units with three, and with four in a row."""
    x = noise(4, _CHANNELS, 8, 8)
    three, released, ours = _gates()
    maps = [_maps(gate, x) for gate in (three, released, ours)]
    same, apart = distance(maps[1], maps[0]), distance(maps[2], maps[0])
    lost, unused = _out_of_reach(released, x), _out_of_reach(ours, x)
    return judged(
        "p0_cbl4_is_cbl3",
        "P0, table 4, released code",
        "The released module with four CBL units computes what three units compute.",
        measured={
            "largest difference of released n = 4 and n = 3": same,
            "parameters of released n = 4 without a gradient": lost,
            "largest difference of our n = 4 and n = 3": apart,
            "parameters of our n = 4 without a gradient": unused,
        },
        checks={
            "released n = 4 equals n = 3 at the same weights": same == 0,
            "the fourth unit of each branch has no gradient": lost == _UNREACHED,
            "our n = 4 differs from n = 3": apart > 0,
            "our n = 4 uses all its units": unused == 0,
        },
        verdict=f"Released n = 4 gives the bits of n = 3 and leaves {lost} parameters without a "
        "gradient, so if P0's table comes from this code, 3 and 4 units differ in it by chance.",
        ours="`repeat: 4` calls all four units; `form: released` keeps the fourth out of reach.",
    )


def _gates() -> tuple[OSAM, OSAM, OSAM]:
    """Three units, four as released, and four in a row, all with the same weights."""
    three, released, ours = (seeded(partial(OSAM, _CHANNELS, n)) for n in (3, 4, 4))
    three.load_state_dict({name: ours.state_dict()[name] for name in three.state_dict()})
    released.add_module("maximum", _ReleasedBranch(released.maximum))
    released.add_module("mean", _ReleasedBranch(released.mean))
    return three, released, ours


def _maps(gate: nn.Module, x: Tensor) -> list[Tensor]:
    """What a gate makes of x in evaluation and in training, from fresh running statistics."""
    with torch.no_grad():
        return [gate.eval()(x), gate.train()(x)]


def _out_of_reach(gate: nn.Module, x: Tensor) -> int:
    """How many parameters no gradient comes to."""
    found = gradients(gate.train(), x)
    return sum(gate.get_parameter(name).numel() for name, g in found.items() if g is None)
