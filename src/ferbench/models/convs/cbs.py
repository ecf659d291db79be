"""Convolution, BatchNorm, SiLU.

Source: the default unit of YOLOv5 v6 and later.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.models.blocks import ConvUnit

__all__ = ["CBS"]

CBS = ConvUnit("SiLU")
