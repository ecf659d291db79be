"""Faces with maps over them as one figure, and PNG files that are reproducible to the byte.

Every length is in pixels of the figure, so that pictures are not resampled.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ferbench.files import whole_file

__all__ = ["Face", "Gallery", "draw_gallery", "overlay", "scaled"]

_INK, _MUTED, _WARM = "#1c2430", "#5d6878", "#b8500c"
_COLOURS = "inferno"
_COVER = 0.85  # of the picture below, where a map is 1
_DPI = 100
_SIDE, _WIDE_SIDE = 96, 168  # of a picture; wide if there is no map whose width its label can use
_GAP, _BLOCK_GAP, _MARGIN = 4, 18, 10
_LABEL, _HEAD, _LEGEND = 38, 18, 32
_WIDTH = 1040  # at most, of a whole figure, unless one block is wider
_LEAST_WIDTH = 240  # what the legend, or a long word below a single picture, takes
_COLOURS_STORED = 256
_MOST_BYTES = 300_000  # of a file; a report holds some tens of them


@dataclass(frozen=True)
class Face:
    """A labelled test face as the network is shown it.

    Args:
        image_id: of its image.
        face: its number in the image.
        true: its class.
        predicted: the predicted class; it is the one explained.
        cls: index of `predicted`.
        prob: of `predicted`.
        image: (C, H, W), bytes; of a detector the whole picture, of ten crops the middle one.
        outline: left, top, right and bottom of the face in pixels, if the picture shows several.
    """

    image_id: str
    face: int
    true: str
    predicted: str
    cls: int
    prob: float
    image: Tensor
    outline: tuple[float, float, float, float] | None

    @property
    def correct(self) -> bool:
        """Whether the prediction is the label."""
        return self.true == self.predicted


@dataclass(frozen=True)
class Gallery:
    """The faces and maps that a method of explanation shows.

    Args:
        title: in a few words.
        caption: what is seen, and how it was made.
        faces: that are shown, in this order.
        maps: the same number for each face, (H, W) in [0, 1] on the network's input; or none.
        heads: of the maps' columns; empty for none.
    """

    title: str
    caption: str
    faces: tuple[Face, ...]
    maps: tuple[tuple[NDArray[np.float64], ...], ...] = ()
    heads: tuple[str, ...] = ()


def scaled(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Values from 0 for their smallest to 1 for their largest; zeros if all are (nearly) equal.

    >>> scaled(np.array([1.0, 2.0, 5.0])).tolist()
    [0.0, 0.25, 1.0]
    """
    values = np.asarray(values, dtype=np.float64)
    low, high = values.min(), values.max()
    # A range below float32's accuracy is noise, which scaling would blow up to a pattern.
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        return np.zeros_like(values)
    return (values - low) / (high - low)


def overlay(image: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A map in colour over its picture in grey: (H, W, 3) and (H, W) -> (H, W, 3)."""
    grey = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    cover = _COVER * values[:, :, None]
    return (1 - cover) * grey + cover * mpl.colormaps[_COLOURS](values)[:, :, :3]


@dataclass(frozen=True)
class _Layout:
    """Positions of the pictures of a gallery; a block is a face with its maps."""

    blocks: int
    maps: int
    heads: bool

    @property
    def side(self) -> int:
        return _SIDE if self.maps else _WIDE_SIDE

    @property
    def across(self) -> int:
        """Blocks a row."""
        room = _WIDTH - 2 * _MARGIN + _BLOCK_GAP
        return min(self.blocks, max(1, room // (self.block + _BLOCK_GAP)))

    @property
    def block(self) -> int:
        return (1 + self.maps) * (self.side + _GAP) - _GAP

    @property
    def size(self) -> tuple[int, int]:
        rows = -(-self.blocks // self.across)
        width = 2 * _MARGIN + self.across * (self.block + _BLOCK_GAP) - _BLOCK_GAP
        height = 2 * _MARGIN + self.top + rows * (self.side + _LABEL)
        return max(width, _LEAST_WIDTH), height + (_LEGEND if self.maps else 0)

    @property
    def top(self) -> int:
        return _HEAD if self.heads else 0

    def corner(self, number: int, column: int) -> tuple[int, int]:
        """Left and top of a block's picture (column 0) or of one of its maps."""
        row, place = divmod(number, self.across)
        left = _MARGIN + place * (self.block + _BLOCK_GAP) + column * (self.side + _GAP)
        return left, _MARGIN + self.top + row * (self.side + _LABEL)


def draw_gallery(gallery: Gallery, path: Path) -> None:
    """Write a gallery as a PNG; in 256 colours where all of them would take too many bytes."""
    drawn = io.BytesIO()
    with mpl.rc_context({"font.family": "DejaVu Sans", "font.size": 7.5, "text.color": _INK}):
        _figure(gallery).savefig(drawn, format="png", dpi=_DPI)
    image = Image.open(drawn).convert("RGB")
    content = _png(image)
    if len(content) > _MOST_BYTES:
        # The most spread colours: the most frequent ones would be greys, without the maps' colours.
        content = _png(image.quantize(_COLOURS_STORED, method=Image.Quantize.MAXCOVERAGE))
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def _png(image: Image.Image) -> bytes:
    """The bytes of a picture, without a date or the name of a program."""
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return content.getvalue()


def _figure(gallery: Gallery) -> Figure:
    maps = gallery.maps or ((),) * len(gallery.faces)
    layout = _Layout(len(maps), len(maps[0]), bool(gallery.heads))
    width, height = layout.size
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor="white")
    for number, (face, own) in enumerate(zip(gallery.faces, maps, strict=True)):
        grey_or_colour = face.image.numpy().transpose(1, 2, 0) / 255
        image = np.broadcast_to(grey_or_colour, (*grey_or_colour.shape[:2], 3))
        for column, shown in enumerate([image, *(overlay(image, values) for values in own)]):
            axes = _axes(figure, layout, *layout.corner(number, column))
            axes.imshow(np.clip(shown, 0, 1), interpolation="nearest")
            _outline(axes, face)
        _label(figure, face, layout, *layout.corner(number, 0))
    _heads(figure, gallery, layout)
    if layout.maps:
        _legend(figure, layout)
    return figure


def _axes(figure: Figure, layout: _Layout, left: int, top: int) -> Axes:
    width, height = layout.size
    side = layout.side
    axes = figure.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
    axes.set_axis_off()
    return axes


def _outline(axes: Axes, face: Face) -> None:
    if face.outline is not None:
        left, top, right, bottom = face.outline
        # Pixels of a picture are drawn around their numbers.
        corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor="white", linewidth=2.5))
        axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=_INK, linewidth=1))


def _label(figure: Figure, face: Face, layout: _Layout, left: int, top: int) -> None:
    """The true class, then the predicted one, warm and with a cross if it is wrong."""
    true, predicted = face.true.replace("_", " "), face.predicted.replace("_", " ")
    sign, colour = ("✓", _MUTED) if face.correct else ("✗", _WARM)
    place = top + layout.side + 4
    _text(figure, layout, left, place, f"true {true}", color=_INK)
    _text(
        figure, layout, left, place + 13, f"{sign} pred. {predicted} {face.prob:.2f}", color=colour
    )


def _heads(figure: Figure, gallery: Gallery, layout: _Layout) -> None:
    for number in range(layout.across if gallery.heads else 0):
        for column, words in enumerate(gallery.heads, start=1):
            left, top = layout.corner(number, column)
            _text(figure, layout, left, top - _HEAD, words, color=_MUTED)


def _legend(figure: Figure, layout: _Layout) -> None:
    """The colours of maps, from their lowest value to their highest."""
    width, height = layout.size
    ramp = np.linspace(0, 1, _COLOURS_STORED)[None]
    top = height - _MARGIN - 14
    _text(figure, layout, _MARGIN, top, "map: lowest", color=_MUTED)
    axes = figure.add_axes(
        ((_MARGIN + 66) / width, 1 - (top + 11) / height, 100 / width, 10 / height)
    )
    axes.set_axis_off()
    axes.imshow(overlay(np.full((1, _COLOURS_STORED, 3), 0.5), ramp), aspect="auto")
    _text(figure, layout, _MARGIN + 172, top, "highest", color=_MUTED)


def _text(figure: Figure, layout: _Layout, left: int, top: int, words: str, *, color: str) -> None:
    width, height = layout.size
    figure.text(left / width, 1 - top / height, words, ha="left", va="top", color=color)
