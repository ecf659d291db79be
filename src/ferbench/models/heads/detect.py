"""The anchor-free detection head with distribution focal boxes.

Source: ultralytics' `Detect` (as a library).
Differs: nothing; it is the last row of the graph.
"""

from __future__ import annotations

from torch import nn

from ferbench.models.graph import Graph

__all__ = ["Detect"]


class Detect:
    """Build a detector from its graph. The object made is the network itself.

    Args:
        body: the graph.
        input_px: not used: any multiple of 32 is valid.

    Shape:
        in training (N, channels, H, W) -> a dict of raw maps; in evaluation (decoded (N, 4 + K, A),
        raw)
    """

    TASK = "detect"

    def __new__(cls, body: Graph, classes: int, input_px: int, channels: int) -> nn.Module:  # type: ignore[misc]
        """The network."""
        return body.build(classes)
