"""Face by face: what every network said of the test images, for comparisons that pair faces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ferbench.evaluation.labels import predicted
from ferbench.evaluation.leaks import Images
from ferbench.evaluation.scoring import Answers

__all__ = ["MISSED", "answer_table", "labels"]

MISSED = "none"  # predicted label of a missed face


def labels(answers: Answers) -> pd.DataFrame:
    """Target and predicted word of every face, at the score threshold."""
    words = np.array([*answers.classes, MISSED])
    return pd.DataFrame(
        {
            "target": answers.predictions["target"].to_numpy(),
            "predicted": words[predicted(answers.sure)],
        }
    )


def answer_table(answers: Answers, images: Images, place: dict[str, Any]) -> pd.DataFrame:
    """Rows of `answers.parquet` of one cell, all but `best`.

    Args:
        answers: on test.
        images: of the data set.
        place: key, dataset, protocol, variant and seed.

    Returns:
        The place, then image_id (of the face, as in the predictions), person, leaked, target, said
        (`none` for a miss), correct, and prob, the probability of the target without a threshold.
        person and leaked are null where unknown.
    """
    unit = answers.predictions["image_id"]
    leaked = images.leaked_of(unit)
    word = labels(answers)
    return pd.DataFrame(
        {
            **place,
            "image_id": unit.to_numpy(),
            "person": pd.array(images.person_of(unit), dtype="string"),
            "leaked": pd.array([None] * len(unit) if leaked is None else leaked, dtype="boolean"),
            "target": word["target"],
            "said": word["predicted"],
            "correct": word["target"] == word["predicted"],
            "prob": answers.raw[np.arange(len(unit)), answers.target],
        }
    )
