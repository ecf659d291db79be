"""A detector's predictions made of chance, on pictures of one to three faces, for resampling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.artifacts.predictions import no_boxes
from ferbench.evaluation.scoring import Predictions

CLASSES = ["neutral", "anger", "fear"]


def detector(
    rng: np.random.Generator, images: int = 12, skill: float = 0.8, faces: int = 3
) -> Predictions:
    """Random predictions; no two boxes have one score, some boxes are wrong or find nothing."""
    rows, boxes = [], []
    for image in range(images):
        for face in range(rng.integers(1, faces + 1)):
            place = np.array([0.33 * face, 0.1, 0.33 * face + 0.3, 0.1 + rng.uniform(0.5, 0.9)])
            target = int(rng.integers(len(CLASSES)))
            key = {"image_id": f"i{image}", "face": face}
            prob = np.zeros(len(CLASSES))
            boxes.append(_box(key, place, target, truth=True))
            for number in range(rng.integers(0, 3)):
                label = target if rng.random() < skill else int(rng.integers(len(CLASSES)))
                score = rng.uniform(0.2, 1.0)
                near = place + rng.normal(0, 0.02, 4)
                own = {**key, "face": face if number == 0 else -1}
                boxes.append(_box(own, near, label, score=score))
                if number == 0:
                    prob = rng.dirichlet(np.ones(len(CLASSES))) * 0.3
                    prob[label] += 0.7
            rows.append({**key, "target": CLASSES[target], **dict(zip(CLASSES, prob, strict=True))})
    columns = list(no_boxes(CLASSES).columns)
    return Predictions(pd.DataFrame(rows), pd.DataFrame(boxes)[columns], threshold=0.4)


def _box(key, place, label, *, truth=False, score=1.0):
    corners = dict(zip(("left", "top", "right", "bottom"), place.tolist(), strict=True))
    classes = {name: float(name == CLASSES[label]) for name in CLASSES}
    about = {"picture": 0, "truth": truth, "iou": 1.0, "emotion": CLASSES[label], "score": score}
    return {**key, **about, **corners, **classes}


def copied(predictions: Predictions, times: dict[str, int]) -> Predictions:
    """The predictions with each image as often as `times` says, under names of their own."""
    tables = []
    for table in (predictions.table, predictions.boxes):
        parts = [
            own.assign(image_id=f"{image}.{copy}")
            for image, own in table.groupby("image_id", sort=False)
            for copy in range(times[image])
        ]
        tables.append(pd.concat(parts, ignore_index=True))
    return Predictions(*tables, predictions.threshold)
