"""No attention.

Source: the control of every comparison.
Differs: nothing.
"""

from __future__ import annotations

from torch import nn

__all__ = ["NoAttention"]


class NoAttention(nn.Identity):
    """Return a map unchanged.

    Args:
        channels: C, not used.

    Shape:
        (N, C, H, W) -> (N, C, H, W)
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
