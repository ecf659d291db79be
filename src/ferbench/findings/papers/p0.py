"""Findings about P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445.

`p0_identity_gate`: equations 1 and 4-8; the authors' code calls softmax without an axis on a map
(N, 1, H, W), which takes axis 1, the one with a single entry. Measured on this project's attention
modules with the released norm, kernel and start.

`p0_cbl4_is_cbl3`: table 4, numbers of CBL units; the authors' module with four units applies the
third one twice to the same map, and the fourth one never. Differs: with the corrected norm, since
under the released one every number of units is the identity.

`p0_headline_is_a_best`: tables 1 and 3, accuracy on CK+ once, and as mean and deviation of ten
rounds, with an independent-samples t-test against the bare backbone. The test is computed from the
printed summary values.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

import torch
from scipy import stats
from torch import Tensor, nn

from ferbench.findings.networks import built, distance, gradients, noise, seeded
from ferbench.findings.result import Finding, judged
from ferbench.models.attention.cbam import OSAM, SAM
from ferbench.models.attention.none import NoAttention

__all__ = ["p0_cbl4_is_cbl3", "p0_headline_is_a_best", "p0_identity_gate"]

_CHANNELS, _PX = 32, 64
_RELEASED: dict[str, Any] = {"norm": "channel", "gamma_init": 1.0, "form": "released"}
_UNREACHED = 22  # parameters of a fourth unit in each of the two branches
_ROUNDS = 10
_BACKBONE = (76.8, 8.26)  # P0, table 3: mean and deviation of accuracy, per cent
_MODEL = (86.33, 6.84)
_T, _P = 2.81, 0.01
_HEADLINE = 98.1  # P0, table 1


def p0_identity_gate() -> Finding:
    """Measure released and corrected attention alone, then within the detector."""
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
    """How far every released module changes its input, and its largest gradient."""
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
    """Lowest and highest mean of a corrected map; the smallest gradient of its convolutions."""
    gate, x = seeded(lambda: OSAM(_CHANNELS)), noise(4, _CHANNELS, 8, 8)
    means = gate.weights(x).detach().mean(dim=(2, 3))  # (N, 1)
    weakest = min(_largest(gate, x, "0.weight"))  # of convolutions, the first of a unit
    return float(means.min()), float(means.max()), weakest


def _in_the_detector() -> tuple[float, float]:
    """How far released and corrected attention change the outputs of the detector."""
    outputs = {name: _outputs(network) for name, network in _networks().items()}
    plain = outputs["plain"]
    return distance(outputs["released"], plain), distance(outputs["corrected"], plain)


def _largest(gate: nn.Module, x: Tensor, ending: str = "") -> list[float]:
    """The largest entry of each parameter's gradient; 0 where there is none."""
    found = [g for name, g in gradients(gate, x).items() if name.endswith(ending)]
    return [0.0 if g is None else float(g.abs().max()) for g in found]


def _networks() -> dict[str, Any]:
    """The four-headed detector without attention and with either kind, otherwise equal weights."""
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
    """Outputs for two images of noise, in training mode and then in evaluation mode."""
    x = noise(2, 3, _PX, _PX)
    with torch.no_grad():
        raw = network.train()(x)
        return [raw["boxes"], raw["scores"], network.eval()(x)[0]]


class _ReleasedBranch(nn.Module):
    """Four units, applied in the order of the released module."""

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
    """Outputs for x in evaluation and then in training mode, from fresh running statistics."""
    with torch.no_grad():
        return [gate.eval()(x), gate.train()(x)]


def _out_of_reach(gate: nn.Module, x: Tensor) -> int:
    """Number of parameters without a gradient."""
    found = gradients(gate.train(), x)
    return sum(gate.get_parameter(name).numel() for name, g in found.items() if g is None)


def p0_headline_is_a_best() -> Finding:
    """Recompute the t-test from its summary values; place the headline among ten rounds."""
    mean, deviation = _MODEL
    (t, p), (_, p_welch) = (_test(equal_var=same) for same in (True, False))
    high = float(stats.t.interval(0.95, _ROUNDS - 1, mean, deviation / sqrt(_ROUNDS))[1])
    apart, best = (_HEADLINE - mean) / deviation, _expected_best(_ROUNDS)
    return judged(
        "p0_headline_is_a_best",
        "P0, tables 1 and 3",
        "The printed test follows from its summary values, but the headline accuracy is no mean of "
        "such rounds.",
        measured={
            "t, pooled": t,
            "p, pooled": p,
            "p, Welch": p_welch,
            "ten rounds: upper end of the 95 % interval of the mean, %": high,
            "headline, %": _HEADLINE,
            "headline above the mean, deviations of a round": apart,
            "expected best of ten normal rounds, deviations": best,
        },
        checks={
            "t and p are as printed": (round(t, 2), round(p, 2)) == (_T, _P),
            "the headline is above the interval of the mean": high < _HEADLINE,
            "it is at least as far above as the best of ten rounds is expected": apart >= best,
        },
        verdict=f"t = {t:.3f}, p = {p:.4f}; the headline is {apart:.1f} deviations above the mean, "
        f"the best of ten is expected {best:.1f} above; and the model is tested against a bare "
        "backbone, not against itself without the attention.",
        ours="Means over seeds with an interval; every variant beside its control.",
    )


def _test(*, equal_var: bool) -> tuple[float, float]:
    """Statistic and p-value from the printed means, deviations and rounds."""
    pair = (*_MODEL, _ROUNDS, *_BACKBONE, _ROUNDS)
    found = stats.ttest_ind_from_stats(*pair, equal_var=equal_var)
    return float(found.statistic), float(found.pvalue)


def _expected_best(rounds: int) -> float:
    """Expected maximum of this many standard normal draws."""
    best = stats.norm.expect(lambda x: rounds * x * stats.norm.cdf(x) ** (rounds - 1))
    return float(best)
