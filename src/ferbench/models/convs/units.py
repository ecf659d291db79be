"""Convolution units: the activation behind a backbone's convolutions and their norms.

Sources: `native` is each backbone's paper; `cbs`, SiLU, is the default unit of YOLOv5 v6 and later;
`cbl`, LeakyReLU with slope 0.01, is P0's released code, which switches every convolution to it.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.models.blocks import ConvUnit

__all__ = ["cbl", "cbs", "native"]

native = ConvUnit(None)
cbs = ConvUnit("SiLU")
cbl = ConvUnit("LeakyReLU", 0.01)
