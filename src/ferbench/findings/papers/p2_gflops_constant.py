"""P2 prints one cost for three input sizes.

Source: P2, "YOLO-FER", doi 10.11999/JEIT250936, table 8.
Differs: nothing; GFLOPs are two operations a multiply-add of the deployed network's convolutions
and linear layers.
"""

from __future__ import annotations

from ferbench.findings.networks import yolo12
from ferbench.findings.result import Finding, judged
from ferbench.models.deploy import deployed, gflops

__all__ = ["p2_gflops_constant"]

_PRINTED = {320: 7.7, 480: 7.7, 640: 7.7}  # P2, table 8: GFLOPs by input, in px


def p2_gflops_constant() -> Finding:
    """Count the operations of YOLO-FER at the three sizes."""
    network = deployed(yolo12(mca=True, star=True, lrfe="dilated").eval())
    found = {px: gflops(network, 3, px) for px in _PRINTED}
    full = found[640]
    by_area = max(abs(found[px] / full / (px / 640) ** 2 - 1) for px in found)
    return judged(
        "p2_gflops_constant",
        "P2, table 8",
        "The printed GFLOPs of 320, 480 and 640 px are those of 640 px, for cost grows with the "
        "area.",
        measured={
            **{f"{px} px: printed, GFLOPs": value for px, value in _PRINTED.items()},
            **{f"{px} px: ours, GFLOPs": value for px, value in found.items()},
            "largest departure from the share of the area": by_area,
        },
        checks={
            "the paper prints one value": len(set(_PRINTED.values())) == 1,
            "ours at 640 px is within 2 % of it": abs(full / _PRINTED[640] - 1) < 0.02,
            "ours grows with the area, within 1 %": by_area < 0.01,
            "ours at 320 px is less than half of it": found[320] < _PRINTED[320] / 2,
        },
        verdict=f"The network takes {found[320]:.2f}, {found[480]:.2f} and {full:.2f} GFLOPs, so "
        f"the printed {_PRINTED[640]} fits 640 px alone.",
        ours="GFLOPs are counted at each variant's own input.",
    )
