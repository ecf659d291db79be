"""The worst errors: faces that the network is surest of and wrong about.

Source: none; a plain ranking of stored answers, in which wrong labels show up as well as wrong
answers.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.evaluation.gallery import Gallery
from ferbench.evaluation.views import View

__all__ = ["errors"]


def errors(view: View) -> Gallery | str:
    """The wrongly answered test faces with the highest probability, worst first; no network."""
    table = view.answers
    wrong = table[table["true"] != table["said"]]
    if wrong.empty:
        return "no test face was answered wrongly"
    worst = wrong.sort_values(["prob", "image_id"], ascending=[False, True]).head(view.images)
    return Gallery(
        title="Worst errors",
        caption=f"Of {len(wrong)} wrong answers to {len(table)} test faces, those that the network "
        "was surest of, worst first. A label may be the one that is wrong.",
        faces=tuple(view.faces(worst["image_id"].tolist())),
    )
