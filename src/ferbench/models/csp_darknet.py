"""The rows of YOLOv5's backbone, with gates behind some of them.

Source: YOLOv5 v6 (stem of a 6x6 convolution, four stages of C3, SPPF), as ultralytics lists it in
`yolov5.yaml`.
Differs: nothing. P0's text describes the stem and the pooling of v5; its released code has these.
"""

from __future__ import annotations

from collections.abc import Collection

from ferbench.models.rows import Row

__all__ = ["P2", "P3", "P4", "P5", "SPPF", "csp_darknet", "place"]

# repeats, module, args; channels before width scaling. Each row reads the one above it.
_ROWS: list[Row] = [
    [1, "Conv", [64, 6, 2, 2]],
    [1, "Conv", [128, 3, 2]],
    [3, "C3", [128]],
    [1, "Conv", [256, 3, 2]],
    [6, "C3", [256]],
    [1, "Conv", [512, 3, 2]],
    [9, "C3", [512]],
    [1, "Conv", [1024, 3, 2]],
    [3, "C3", [1024]],
    [1, "SPPF", [1024, 5]],
]
# Rows that end a stage.
P2, P3, P4, P5, SPPF = 2, 4, 6, 8, 9


def csp_darknet(gates: Collection[int], inline: Collection[int] = ()) -> list[Row]:
    """The ten rows with a gate behind each row of `gates`.

    Args:
        gates: numbers of rows, counted without gates.
        inline: those of them whose gated map the backbone itself goes on with; behind the others it
            goes on with the map as it was, and the gate stands on a side branch.
    """
    rows: list[Row] = []
    source = -1
    for i, row in enumerate(_ROWS):
        rows.append([source, *row])
        source = -1
        if i in gates:
            own = len(rows) - 1
            rows.append([own, 1, "Gate", []])
            source = -1 if i in inline else own
    return rows


def place(row: int, gates: Collection[int]) -> int:
    """Where the map of a row comes out among the gated rows: at its gate, if it has one.

    >>> place(P4, gates=(P3, P4)), place(P5, gates=(P3, P4))
    (8, 10)
    """
    return row + sum(gate <= row for gate in gates)
