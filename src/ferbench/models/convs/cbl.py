"""Convolution, BatchNorm, LeakyReLU.

Source: P0's released code, which switches every convolution to LeakyReLU with slope 0.01.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.models.blocks import ConvUnit

__all__ = ["LEAKY"]

LEAKY = ConvUnit("LeakyReLU", 0.01)
