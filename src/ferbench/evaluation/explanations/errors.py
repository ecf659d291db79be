"""The worst errors: wrong predictions with the highest probability.

Source: none; a plain ranking of stored predictions, in which wrong labels show up as well as wrong
predictions.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.evaluation.explain import View
from ferbench.evaluation.gallery import Gallery

__all__ = ["errors"]


def errors(view: View) -> Gallery | str:
    """The wrongly predicted test faces with the highest probability, worst first; no network."""
    table = view.table
    wrong = table[table["true"] != table["predicted"]]
    if wrong.empty:
        return "no test face was predicted wrongly"
    order = ["prob", "image_id", "face"]
    worst = wrong.sort_values(order, ascending=[False, True, True]).head(view.images)
    return Gallery(
        title="Worst errors",
        caption=f"Of {len(wrong)} wrong predictions on {len(table)} test faces, those with the "
        "highest probability, worst first. A label may be the one that is wrong.",
        faces=tuple(view.shown(worst)),
    )
