"""The finding about P3, "YOLOv6 with weighted class loss": the caption of figure 4 is swapped.

Source: P3, figure 4 (counts) and table 2 (accuracies of the small model, mean over the five sizes
of a face). Differs: four entries of the figure are unreadable in the text; one of them is on a
diagonal, so the lower matrix's accuracy is a lower bound. That bound misses the table's accuracy of
the loss without weights, so the lower matrix and the table are at odds whatever the caption says.
The matrices count all parts of FER2013. That is no leak: the paper trained on ExpW.
"""

from __future__ import annotations

from collections.abc import Sequence

from ferbench.findings.result import Finding, judged

__all__ = ["p3_caption_swapped"]

# P3, figure 4: the diagonals from top to bottom of a matrix; None is unreadable.
_UPPER = (749, 53, 51, 6543, 761, 2112, 4394)
_LOWER = (1366, None, 47, 6925, 1238, 2812, 4878)
_HAPPY = (71, 0, 0, 6925, 99, 263, 801)  # the lower matrix's row of happy faces
_WEIGHTED, _PLAIN = 40.85, 47.08  # P3, table 2, per cent
_ALL_FACES = 35_887  # FER2013, all three parts
_HAPPY_TESTED = 895 + 879  # of both test parts
_CLAIM = (
    "The upper matrix, captioned as without weights by class, is that of the weighted loss; the "
    "lower one misses the table's accuracy of the plain loss. Both count all parts of FER2013."
)


def p3_caption_swapped() -> Finding:
    """Compare the accuracies of the two matrices with those of the table."""
    upper, lower, happy = _accuracy(_UPPER), _accuracy(_LOWER), sum(_HAPPY)
    return judged(
        "p3_caption_swapped",
        "P3, figure 4 and table 2",
        _CLAIM,
        measured={
            "upper matrix: share of all faces on its diagonal, %": upper,
            "lower matrix: the same, at least, %": lower,
            "table: weighted, %": _WEIGHTED,
            "table: not weighted, %": _PLAIN,
            "happy faces in the lower matrix": happy,
            "happy faces in both test parts": _HAPPY_TESTED,
        },
        checks={
            "the upper matrix has the weighted accuracy": abs(upper - _WEIGHTED) < 0.02,
            "it has not the other": abs(upper - _PLAIN) > 1,
            "the lower matrix is over five points above the weighted": lower - _WEIGHTED > 5,
            "the lower matrix is above the table's plain loss by a point": lower - _PLAIN > 1,
            "a class has more faces than both test parts": happy > _HAPPY_TESTED,
        },
        verdict=f"The upper diagonal holds {upper:.2f} % of {_ALL_FACES:,} faces, the table's "
        f"weighted {_WEIGHTED} %, and the lower one at least {lower:.1f} %, so the caption is "
        f"swapped. That is more than the table's {_PLAIN} % of the plain loss, so one of the two "
        f"is wrong. {happy:,} happy faces were counted where the test parts have "
        f"{_HAPPY_TESTED:,}: all of FER2013 was tested, which is no leak, since the paper trained "
        "on ExpW.",
        ours="Weighted and plain loss are two variants; FER2013 is tested whole, as the paper did.",
    )


def _accuracy(diagonal: Sequence[int | None]) -> float:
    """Per cent of all faces on a matrix's diagonal, as far as readable."""
    return 100 * sum(count or 0 for count in diagonal) / _ALL_FACES
