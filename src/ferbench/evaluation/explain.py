"""Figures that show what a trained network looks at, and an index of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ferbench.config.params import Params
from ferbench.config.runs import Run, run_from_words
from ferbench.errors import InputError, unknown
from ferbench.evaluation.gallery import Gallery, draw_gallery
from ferbench.evaluation.views import View
from ferbench.files import write_json
from ferbench.plugins import load

__all__ = ["explain", "explain_folder", "explain_from_words"]

_METHODS = "ferbench.evaluation.explanations"


def explain(view: View, methods: Sequence[str], cell: Run, folder: Path) -> None:
    """Write a PNG a method and `index.json` into `folder`.

    The index holds `variant`, `dataset` (the key), `seed`, `figures` (each with `method`, `title`,
    `file`, `caption` and `images`, the ids of the faces shown) and `skipped`, the reason by method.

    Args:
        view: the network and the faces.
        methods: parts of `ferbench.evaluation.explanations`.
        cell: whose network it is.
        folder: that exists.

    Raises:
        InputError: a method is unknown.
    """
    parts = {name: load(_METHODS, name) for name in methods}
    figures: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for name, method in parts.items():
        found = "no test face got an answer" if view.answers.empty else method(view)
        if isinstance(found, str):
            skipped[name] = found
            continue
        file = f"{name}.png"
        draw_gallery(found, folder / file)
        figures.append(
            {
                "method": name,
                "title": found.title,
                "file": file,
                "caption": _caption(found, view, cell),
                "images": [face.unit_id for face in found.faces],
            }
        )
    about = {"variant": cell.variant, "dataset": cell.dataset, "seed": cell.seed}
    write_json(folder / "index.json", {**about, "figures": figures, "skipped": skipped})


def _caption(found: Gallery, view: View, cell: Run) -> str:
    """A method's caption, then what holds for all of them."""
    said = [found.caption]
    if view.trained.recipe.crops > 1:
        said.append("The network answers from ten crops; the middle one is shown.")
    if any(face.outline for face in found.faces):
        said.append("Where a picture shows several faces, the outline is the one meant.")
    shown = len(found.faces)
    shown, p = len(found.faces), "share of the scores" if view.detects else "softmax"
    said.append(
        f"Below each picture are its label, the network's answer and the answer's {p}; n = {shown} "
        f"test face{'' if shown == 1 else 's'} of {cell.dataset}, variant {cell.variant}, "
        f"seed {cell.seed}."
    )
    return " ".join(said)


def explain_from_words(params: Params, words: list[str]) -> tuple[str, Run]:
    """What a command line names: a row of `explain`, and the cell of the first seed.

    Args:
        params: of the active study.
        words: row, variant and data set.

    Raises:
        InputError: there are not three words, or one is none of the active study's.
    """
    if len(words) != 3:
        raise InputError(
            "expected an explanation, a variant and a data set, "
            f"got {' '.join(words) or 'nothing'}",
            remedy=f"explanations are: {', '.join(params.explain) or 'none'}",
        )
    name, *rest = words
    if name not in params.explain:
        raise unknown("explanation", name, params.explain, where="params.yaml: explain")
    return name, run_from_words(params, [*rest, str(params.seeds[0])])


def explain_folder(name: str, cell: Run) -> Path:
    """Where the figures of a row of `explain` are, relative to the project."""
    return Path("runs", cell.study, "_explain", name, cell.variant, cell.dataset)
