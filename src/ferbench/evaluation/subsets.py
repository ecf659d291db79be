"""The subsets that a cell is scored on: sides of the split, parts of test, altered test images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ferbench.evaluation.finished import SUBSETS, Finished
from ferbench.evaluation.leaks import Images, images_of
from ferbench.evaluation.scoring import Answers

__all__ = ["mean_name", "plain_name", "probe_name", "subsets_of"]


def probe_name(probe: str, condition: str) -> str:
    """The subset of test images that a probe altered in one way."""
    return f"{probe}_{condition}"


def mean_name(probe: str) -> str:
    """Stands for the mean over all conditions of a probe."""
    return probe_name(probe, "mean")


def plain_name(probe: str) -> str:
    """The faces that a probe drew from test, not altered: what its scores are held against."""
    return probe_name(probe, "plain")


def subsets_of(
    finished: Finished, images: Images, probes: Iterable[str], threshold: float
) -> Iterator[tuple[str, Answers]]:
    """Name and answers of every subset.

    val and test; `test_clean` and `test_leaked`, the faces of test whose image the audit did not
    and did find again in train, if there are both; and, by probe and condition, test altered.

    Args:
        finished: the cell.
        images: of its data set.
        probes: rows of the study's table.
        threshold: least score of a detector's box.

    Raises:
        InputError: a file is absent or broken.
    """
    least = threshold if finished.detects else None
    for name in SUBSETS:
        answers = Answers(*finished.answers(name), least)
        yield name, answers
    leaked = images.leaked_of(answers.predictions["image_id"])
    if leaked is not None and leaked.any() and not leaked.all():
        yield "test_clean", _part(answers, ~leaked)
        yield "test_leaked", _part(answers, leaked)
    for probe in probes:
        yield from _probed(finished, probe, answers)


def _probed(finished: Finished, probe: str, test: Answers) -> Iterator[tuple[str, Answers]]:
    """What a probe showed, after the same faces as they are."""
    shown = {
        condition: Answers(*finished.probed(probe, condition), test.threshold)
        for condition in finished.conditions(probe)
    }
    if shown:
        faces = next(iter(shown.values())).predictions["image_id"]
        drawn = test.predictions["image_id"].isin(faces).to_numpy()
        if not drawn.all():
            yield plain_name(probe), _part(test, drawn)
    for condition, altered in shown.items():
        yield probe_name(probe, condition), altered


def _part(answers: Answers, chosen: NDArray[np.bool_]) -> Answers:
    """The chosen faces and all boxes of their images."""
    predictions = answers.predictions[chosen].reset_index(drop=True)
    known = set(answers.boxes["image_id"])
    images = images_of(predictions["image_id"], known)
    boxes = answers.boxes[answers.boxes["image_id"].isin(images)].reset_index(drop=True)
    return Answers(predictions, boxes, answers.threshold)
