"""Orderly spatial attention of YOLO-OSAM, with the softmax over positions.

Source: P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445, equations 4-8.
Differs: the paper's equation 7 is a softmax over H·W; its weights average 1/(H·W), which starves
the branch (the standard deviation after the next conv and norm falls from 1 to 0.03 on a 20x20
map), so they are multiplied by H·W and average 1; `norm: spatial_raw` is the equation. The authors'
code takes the softmax over the channel axis, which has one entry, so its gate is the identity for
every input: `norm: channel`. Its module with four units applies the third one twice to the same map
and the fourth one never, so it computes what three units compute: `form: released` (here the third
norm's running statistics move once a step, not twice). The last norm's gamma starts at 0.1, since
with 1 the scaled map is spiky at the start (up to 363 on 80x80). The text speaks of a residual
structure, equations and code have none; `residual` adds one.
"""

from __future__ import annotations

from ferbench.models.gating import OrderlyGate

__all__ = ["OSAM"]


class OSAM(OrderlyGate):
    """Weigh positions by a softmax over convolved maximum and mean maps.

    Args:
        channels: C; the gate is the same for any C.
        repeat: CBL units a branch, 0 to 4; 3 in the paper's best row.
        norm: `spatial` (mean 1), `spatial_raw`, `channel` or `sigmoid`.
        residual: `none`, `add` or `mean`: of the map and the weighted map.
        gamma_init: start of the last norm's weight.
        form: `corrected`, or `released`: a fourth unit is there and never reached.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        repeat: int = 3,
        norm: str = "spatial",
        *,
        residual: str = "none",
        gamma_init: float = 0.1,
        form: str = "corrected",
    ) -> None:
        super().__init__(repeat, norm, residual, gamma_init=gamma_init, form=form)
        self.channels = channels
