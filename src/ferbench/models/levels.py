"""Gates between a detector's neck and its heads."""

from __future__ import annotations

from dataclasses import replace

from ferbench.models.graph import Graph
from ferbench.models.rows import Row

__all__ = ["gate_levels"]


def gate_levels(graph: Graph) -> Graph:
    """The graph with a gate on each map that `Detect` reads.

    All else that reads these maps, such as the path down from one level to the next, reads them
    ungated.
    """
    *head, detect = graph.head
    first = len(graph.backbone) + len(head)
    gates: list[Row] = [[level, 1, "Gate", []] for level in detect[0]]
    gated = [first + i for i in range(len(gates))]
    return replace(graph, head=[*head, *gates, [gated, *detect[1:]]])
