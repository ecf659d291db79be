"""Where our networks read a paper's text or its released code otherwise than it stands there.

A reading belongs to the cells of a variant's row, not to the row: it follows the part and its
options into every study, and goes when an option chooses the paper's own form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferbench.params import Variant

__all__ = ["READINGS", "Reading", "readings_of"]

# The networks of P0 that its released code has: YOLOv5 v7 and parts of it.
_YOLOV5 = ("yolov5s", "yolov5s4h", "cspd53")
# An option that a row does not give has its part's default.
_DEFAULT = None
_IDENTITY = "instead of over its one channel, which is the identity (released code)"


@dataclass(frozen=True)
class Reading:
    """One difference between a network and its paper.

    Args:
        paper: `p0` to `p4`.
        cells: what a row must have: by column, or by column and option as `attention.norm`, any of
            these words; None stands for an option that the row does not give.
        deviation: in words; empty if the paper does not state the matter.
        unstated: what the paper does not state, in words; empty if it states it.
        settings: of the recipe's `paper` that do not hold for these rows.
    """

    paper: str
    cells: Mapping[str, tuple[Any, ...]]
    deviation: str = ""
    unstated: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, variant: Variant) -> bool:
        """Whether a row has these cells."""
        return all(_cell(variant, key) in words for key, words in self.cells.items())


READINGS = (
    Reading(
        "p0",
        {"head": ("detect",), "backbone": _YOLOV5},
        "head: anchor-free instead of anchor-based (YOLOv5 v7)",
    ),
    Reading(
        "p0",
        {"head": ("detect",), "backbone": _YOLOV5, "conv": ("native",)},
        "activation: SiLU instead of LeakyReLU (released code)",
    ),
    Reading(
        "p0",
        {"attention": ("osam",), "attention.norm": (_DEFAULT, "spatial", "spatial_raw")},
        f"OSAM: softmax over positions {_IDENTITY}",
    ),
    Reading(
        "p0",
        {"attention": ("osam",), "attention.norm": ("sigmoid",)},
        f"OSAM: sigmoid instead of a softmax {_IDENTITY.removeprefix('instead of ')}",
    ),
    Reading(
        "p0",
        {"backbone": ("yolo",), "backbone.model": ("yolov3-tiny",)},
        "YOLOv3-tiny instead of YOLOv3",
    ),
    # Related methods of table 1: neither their sizes nor how they start is told.
    Reading(
        "p0",
        {"backbone": ("yolo", "yolov6", "yolov7t")},
        unstated="size of the network",
        settings={"weights": "unstated"},
    ),
    Reading(
        "p1",
        {"attention": ("sab",), "attention.gamma_scale": (_DEFAULT, "mean1")},
        "SAB: channel weights of mean 1 instead of sum 1 (equation 5)",
    ),
)


def readings_of(variant: Variant, paper: str) -> Iterator[Reading]:
    """The readings of a paper that a row's network makes."""
    return (one for one in READINGS if one.paper == paper and one.fits(variant))


def _cell(variant: Variant, key: str) -> Any:
    column, _, option = key.partition(".")
    return variant.options.get(column, {}).get(option) if option else getattr(variant, column)
