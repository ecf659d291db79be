"""One style for all charts, and SVG that is the same bytes every time.

A chart stands as a file, on white, and inside the page, where its colours become the page's own, so
that it follows light and dark. Blue and orange are told apart by every kind of colour vision.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "CELL",
    "GRID",
    "INK",
    "MUTED",
    "SURFACE",
    "WARM",
    "Chart",
    "bare",
    "draw_chart",
]

INK, MUTED, GRID, SURFACE = "#1c2430", "#5d6878", "#dfe4ea", "#ffffff"
ACCENT, WARM = "#0b62a8", "#a84607"
CELL = "#5a9bd0"  # behind text: INK can be read on it, and on all between it and SURFACE
_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "surface"} | {
    ACCENT: "accent",
    WARM: "warm",
    CELL: "cell",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.axisbelow": True,
    "axes.labelsize": 8.5,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "figure.facecolor": SURFACE,
    "axes.facecolor": "none",
}


@dataclass(frozen=True)
class Chart:
    """A finished chart.

    Args:
        name: of its file, without `.svg`.
        title: what it shows, in one sentence; also read aloud in place of the picture.
        svg: the file's text.
    """

    name: str
    title: str
    svg: str

    @property
    def inline(self) -> Markup:
        """The picture as part of an HTML page: ids of its own, colours of the page."""
        body = re.sub(r"^.*?<svg ", "<svg ", self.svg, count=1, flags=re.DOTALL)
        body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.DOTALL)
        width = float(re.search(r'width="([\d.]+)pt"', body).group(1))  # type: ignore[union-attr]
        body = re.sub(r'(width|height)="[\d.]+pt" ', "", body, count=2)
        body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{self.name}-", body)
        body = re.sub(r"font-family: [^;\"]+;?", "", body)
        for colour, name in _NAMES.items():
            body = body.replace(colour, f"var(--{name})")
        label = (
            f'role="img" aria-label="{escape(self.title)}" style="--width:{width * 4 / 3:.0f}px"'
        )
        return Markup(body.replace("<svg ", f"<svg {label} ", 1))


def draw_chart(
    name: str, title: str, size: tuple[float, float], draw: Callable[[Figure], None]
) -> Chart:
    """The chart that `draw` puts on an empty figure of `size` inches."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Title": title})
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return Chart(name, title, "\n".join(lines) + "\n")


def bare(axes: Axes, grid: str = "") -> None:
    """Leave the data alone on the axes, with grid lines along `x` or `y` if asked."""
    for spine in axes.spines.values():
        spine.set_visible(False)
    if grid:
        axes.grid(axis=grid)  # type: ignore[arg-type]
