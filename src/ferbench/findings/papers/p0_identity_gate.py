"""P0's released attention gates give back what they are given.

Source: P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445, equations 1 and
4-8; the authors' code calls softmax without an axis on a map (N, 1, H, W), which takes axis 1, the
one with a single entry.
Differs: the gates are this project's, with the released norm, kernel and start.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ferbench.findings.networks import built, distance, gradients, noise, seeded
from ferbench.findings.result import Finding, judged
from ferbench.models.attention.cbam import OSAM, SAM
from ferbench.models.attention.none import NoAttention

__all__ = ["p0_identity_gate"]

_CHANNELS, _PX = 32, 64
_RELEASED: dict[str, Any] = {"norm": "channel", "gamma_init": 1.0, "form": "released"}


def p0_identity_gate() -> Finding:
    """Feed the gates noise, then take them out of the whole detector."""
    released, corrected, (inside, apart) = _released(), _corrected(), _in_the_detector()
    lowest, highest, weakest = corrected
    return judged(
        "p0_identity_gate",
        "P0, equations 1 and 4-8, released code",
        "The released gates are exact identities, so rows with and without them, and every number "
        "of CBL units, are one function.",
        measured={
            **released,
            "yolov5s4h: largest change of an output by released gates": inside,
            "yolov5s4h: largest change of an output by corrected gates": apart,
            "corrected OSAM: smallest mean weight of a map": lowest,
            "corrected OSAM: largest mean weight of a map": highest,
            "corrected OSAM: largest gradient of the convolution it moves least": weakest,
        },
        checks={
            "released gates change nothing and have no gradient": not any(released.values()),
            "the detector with released gates gives the same bits as without": inside == 0,
            "corrected weights have mean 1": max(1 - lowest, highest - 1) < 1e-5,
            "every convolution of a corrected gate has a gradient": weakest > 1e-3,
            "corrected gates change what the detector gives": apart > 0,
        },
        verdict="Released SAM and OSAM gates return their input bit for bit and get no gradient, "
        "so if P0's tables come from this code, rows with and without them differ by chance.",
        ours="The softmax runs over positions and is scaled to mean 1 (`norm: spatial`); "
        "`norm: channel` keeps the released gate for comparison.",
    )


def _released() -> dict[str, float]:
    """Of every released gate, how far it moves its input and how far that could move it."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        f"OSAM, n = {n}": partial(OSAM, _CHANNELS, n, **_RELEASED) for n in range(1, 5)
    }
    kinds["SAM"] = partial(SAM, _CHANNELS, kernel=3, norm=_RELEASED["norm"])
    x = noise(4, _CHANNELS, 8, 8)
    measured: dict[str, float] = {}
    for name, make in sorted(kinds.items()):
        gate = seeded(make)
        measured[f"{name}: largest |T - F|"] = distance([gate(x)], [x])
        measured[f"{name}: largest gradient"] = max(_largest(gate, x))
    return measured


def _corrected() -> tuple[float, float, float]:
    """Lowest and highest mean of a corrected gate's weights; its convolutions' least gradient."""
    gate, x = seeded(lambda: OSAM(_CHANNELS)), noise(4, _CHANNELS, 8, 8)
    means = gate.gate(x).detach().mean(dim=(2, 3))  # (N, 1)
    weakest = min(_largest(gate, x, "0.weight"))  # of convolutions, the first of a unit
    return float(means.min()), float(means.max()), weakest


def _in_the_detector() -> tuple[float, float]:
    """How far released and corrected gates change what the whole network gives."""
    outputs = {name: _outputs(network) for name, network in _networks().items()}
    plain = outputs["plain"]
    return distance(outputs["released"], plain), distance(outputs["corrected"], plain)


def _largest(gate: nn.Module, x: Tensor, ending: str = "") -> list[float]:
    """The largest entry of each parameter's gradient; 0 for one out of reach."""
    found = [g for name, g in gradients(gate, x).items() if name.endswith(ending)]
    return [0.0 if g is None else float(g.abs().max()) for g in found]


def _networks() -> dict[str, Any]:
    """The four-headed detector without gates and with either kind; all other weights are equal."""
    plain: Any = built("yolov5s4h", NoAttention, "none")
    networks = {"plain": plain}
    for name, options in (("released", _RELEASED), ("corrected", {})):
        gated: Any = built("yolov5s4h", partial(OSAM, **options), "branches")
        layers = [layer for layer in gated.model if not isinstance(layer, OSAM)]
        for layer, twin in zip(layers, plain.model, strict=True):
            layer.load_state_dict(twin.state_dict())
        networks[name] = gated
    return networks


def _outputs(network: nn.Module) -> list[Tensor]:
    """What a detector gives in training, and then in evaluation, for two pictures of noise."""
    x = noise(2, 3, _PX, _PX)
    with torch.no_grad():
        raw = network.train()(x)
        return [raw["boxes"], raw["scores"], network.eval()(x)[0]]
