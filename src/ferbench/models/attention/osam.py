"""Orderly spatial attention of YOLO-OSAM, with the softmax over positions.

Source: P0, "YOLO-OSAM", Traitement du Signal 42(4), 2025, doi 10.18280/ts.420445, equations 4-8.
Differs: the paper's equation 7 is a softmax over H·W; its weights average 1/(H·W), which starves
the branch (the standard deviation after the next conv and norm falls from 1 to 0.03 on a 20x20
map), so they are multiplied by H·W and average 1. The authors' code takes the softmax over the
channel axis, which has one entry, so its gate is the identity for every input. The last norm's
gamma starts at 0.1, since with 1 the scaled map is spiky at the start (up to 363 on 80x80).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ferbench.models.blocks import CBL

__all__ = ["OSAM"]


class OSAM(nn.Module):
    """Weigh positions by a softmax over convolved maximum and mean maps.

    Args:
        channels: C; the gate is the same for any C.
        repeat: CBL units a branch; 3 in the paper's best row.
        gamma_init: start of the last norm's weight.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int, repeat: int = 3, gamma_init: float = 0.1) -> None:
        super().__init__()
        self.channels = channels
        self.maximum = nn.Sequential(*(CBL(1, 1) for _ in range(repeat)))
        self.mean = nn.Sequential(*(CBL(1, 1) for _ in range(repeat)))
        self.fuse = CBL(2, 1)
        for norm in self.fuse:
            if isinstance(norm, nn.BatchNorm2d):
                nn.init.constant_(norm.weight, gamma_init)

    def gate(self, x: Tensor) -> Tensor:
        """The weights of positions, (N, 1, H, W), with mean 1 over H·W; in float32."""
        maximum = self.maximum(x.amax(dim=1, keepdim=True))
        mean = self.mean(x.mean(dim=1, keepdim=True))
        score = self.fuse(torch.cat((maximum, mean), dim=1)).float()
        n, _, h, w = score.shape
        return (score.view(n, -1).softmax(dim=1) * (h * w)).view(n, 1, h, w)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each position by its weight."""
        return x * self.gate(x).to(x.dtype)
