"""The backbone's own convolution unit.

Source: each backbone's paper.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.models.blocks import ConvUnit

__all__ = ["NATIVE"]

NATIVE = ConvUnit(None)
