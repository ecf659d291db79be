"""P1's equation 5, taken literally, starves the network behind it.

Source: P1, "IVSA", equation 5: channel weights times |gamma| / sum |gamma|, which sum to 1.
Differs: nothing; the literal form is this project's option `gamma_scale: literal`.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench.findings.networks import CLASSES, NATIVE, noise, seeded
from ferbench.findings.result import Finding, judged
from ferbench.models.attention.sab import SAB
from ferbench.models.backbones.vgg import vgg_improved
from ferbench.models.heads.classify import FC1000

__all__ = ["p1_gamma_shrinks"]

_PX, _BATCH = 40, 16
_STARVED = 0.02  # of a map's deviation, left by a block
_FED = 0.2


class _Flow(NamedTuple):
    """Deviations of the map before and after each block, and the first layer's gradient."""

    before: list[float]
    after: list[float]
    gradient: float

    @property
    def left(self) -> list[float]:
        """What each block leaves of its map's deviation."""
        return [after / before for before, after in zip(self.before, self.after, strict=True)]


def p1_gamma_shrinks() -> Finding:
    """Follow a batch of noise through IVSA at its initial weights, in either form."""
    flows = {form: _flow(form) for form in ("literal", "mean1")}
    literal, mean1 = flows["literal"], flows["mean1"]
    ratio = mean1.gradient / literal.gradient
    measured: dict[str, float] = {}
    for form, flow in flows.items():
        for stage, (before, after) in enumerate(zip(flow.before, flow.after, strict=True), 1):
            measured[f"{form}, stage {stage}: deviation before"] = before
            measured[f"{form}, stage {stage}: deviation after"] = after
        measured[f"{form}: norm of the first layer's gradient"] = flow.gradient
    return judged(
        "p1_gamma_shrinks",
        "P1, equation 5",
        "Channel weights that sum to 1 shrink the map to about 1/C at every stage, and with it the "
        "gradient.",
        measured=measured,
        checks={
            f"every literal block leaves less than {_STARVED}": max(literal.left) < _STARVED,
            f"every block of mean 1 leaves more than {_FED}": min(mean1.left) > _FED,
            "the literal form costs the first layer 99 % of its gradient": ratio > 100,
        },
        verdict=f"The literal blocks leave {_range(literal.left)} of their maps' deviation, those "
        f"of mean 1 leave {_range(mean1.left)}, and the first layer's gradient is {ratio:.0f} "
        "times smaller.",
        ours="The weights have mean 1 (`gamma_scale: mean1`); `gamma_scale: literal` is the "
        "equation.",
    )


def _flow(form: str) -> _Flow:
    """What one training step on noise shows of a form."""
    attention = partial(SAB, gamma_scale=form)

    def step() -> _Flow:
        body = vgg_improved(attention, "stage_end", NATIVE, 1)
        network = FC1000(body, CLASSES, _PX, 1).train()
        before: list[float] = []
        after: list[float] = []

        def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            del module
            before.append(float(inputs[0].detach().std()))
            after.append(float(output.detach().std()))

        for module in network.modules():
            if isinstance(module, SAB):
                module.register_forward_hook(note)
        target = torch.arange(_BATCH) % CLASSES
        loss = F.cross_entropy(network(noise(_BATCH, 1, _PX, _PX)), target)
        (gradient,) = torch.autograd.grad(loss, [next(network.parameters())])
        return _Flow(before, after, float(gradient.norm()))

    return seeded(step)


def _range(shares: list[float]) -> str:
    """The smallest and the largest share."""
    return f"{min(shares):.2g} to {max(shares):.2g}"
