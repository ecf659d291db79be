"""Training: validation scores and losses over epochs."""

from __future__ import annotations

from ferbench.reporting.blocks import Block
from ferbench.reporting.charts import Chart, curve_chart
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]


def build(study: StudyFiles) -> Block:
    """A card a data set row, with the curves of every variant."""
    words = ("Thin lines are seeds, thick lines their mean. Checkpoints are selected on val only.",)
    cards = []
    for key in study.keys:
        name, protocol = study.place(key)
        card = Block(
            title=name,
            tags=(protocol,),
            panels=[_curves(study, key, mean.variant) for mean in study.ranked(key)],
            note=f"{study.source(key, 'validation')}.",
            links=(("plots/history.csv", "Values: plots/history.csv"),),
        )
        cards.append(card)
    return Block("Training", words=words, parts=cards)


def _curves(study: StudyFiles, key: str, variant: str) -> Chart:
    table = study.history
    own = table[(table["dataset"] == key) & (table["variant"] == variant)]
    score = study.params.train.select[study.descriptions[variant]["task"]]
    title = f"{variant}, {own['epoch'].nunique()} epochs"
    return curve_chart(f"curves_{key}_{variant}", title, own, score)
