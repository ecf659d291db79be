"""Training: validation scores and losses over epochs."""

from __future__ import annotations

from ferbench.reporting.blocks import Block, Table, Value, difference, number, real, share, word
from ferbench.reporting.charts import Chart, curve_chart
from ferbench.reporting.learning_curves import LearningCurve
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]


def build(study: StudyFiles) -> Block:
    """A card a data set row, with the curves of every variant."""
    words = (
        "Thin lines are seeds, thick lines their mean. Checkpoints are selected on val only.",
        "The late gain is the best score on val minus the best one in the first two thirds of a "
        "training. Where it is large, a longer training may reach more, and a comparison favours "
        "the network that learns faster.",
    )
    cards = []
    for key in study.keys:
        name, protocol = study.place(key)
        card = Block(
            title=name,
            tags=(protocol,),
            panels=[_curves(study, key, mean.variant) for mean in study.ranked(key)],
            tables=[
                Table(
                    f"learning_curves_{key}",
                    [_settled(curve) for curve in study.learning_curves(key)],
                    title="score on val at the end of training",
                )
            ],
            note=f"{study.source(key, 'validation')}.",
            links=(("plots/history.csv", "Values: plots/history.csv"),),
        )
        cards.append(card)
    return Block("Training", words=words, parts=cards)


def _curves(study: StudyFiles, key: str, variant: str) -> Chart:
    own = study.history_of(key, variant)
    title = f"{variant}, {own['epoch'].nunique()} epochs"
    return curve_chart(f"curves_{key}_{variant}", title, own, study.selection_metric(variant))


def _settled(curve: LearningCurve) -> dict[str, Value]:
    return {
        "variant": word(curve.variant),
        "epochs": number(curve.epochs),
        "best on val %": share(curve.best),
        "in epoch": real(curve.best_epoch, 1),
        "late gain, points": difference(curve.late_gain),
    }
