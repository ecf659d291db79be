"""One of P2's sixteen changes under degradation is not the difference of its own columns.

Source: P2, "YOLO-FER", doi 10.11999/JEIT250936, table 13: AP at IoU 0.5 of every class before and
after "random degradation", and the change.
Differs: nothing.
"""

from __future__ import annotations

from ferbench.findings.result import Finding, judged

__all__ = ["p2_delta_misprint"]

_EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", "mean")
# P2, table 13, per cent: original, degraded, printed change.
_PRINTED = {
    "yolo_fer": (
        (91.1, 67.1, 75.4, 98.6, 92.7, 93.6, 94.6, 87.6),
        (85.6, 66.4, 70.4, 98.1, 88.7, 91.6, 92.5, 84.8),
        (-5.5, -0.7, -5.0, -0.5, -4.0, -2.0, -2.1, -2.8),
    ),
    "yolo12n": (
        (85.7, 59.2, 66.3, 98.2, 90.8, 92.9, 93.5, 83.8),
        (80.9, 54.2, 58.8, 97.9, 88.2, 90.2, 90.2, 80.1),
        (-4.8, -5.0, -7.5, -0.5, -2.6, -2.7, -3.3, -3.7),
    ),
}
_DIGIT = 0.05  # half of the last printed one


def p2_delta_misprint() -> Finding:
    """The changes again from the printed columns."""
    gaps, off = _gaps(), max(map(abs, _departures()))
    wrong = [place for place, gap in gaps.items() if abs(gap) > _DIGIT]
    return judged(
        "p2_delta_misprint",
        "P2, table 13",
        "One printed change differs from its columns; the printed means are those of the classes.",
        measured={
            "changes printed": len(gaps),
            "changes that differ from their columns": len(wrong),
            "yolo12n, happy: printed less computed, points": gaps["yolo12n, happy"],
            "largest departure of a printed mean, points": off,
        },
        checks={
            "one change differs": wrong == ["yolo12n, happy"],
            "every printed mean is that of its classes": off <= _DIGIT + 1e-9,
        },
        verdict="YOLO12n's change for happy is printed as -0.5 where its columns give -0.3; the "
        f"other {len(gaps) - 1} changes and all means agree.",
        ours="Changes are computed from what was measured.",
    )


def _gaps() -> dict[str, float]:
    """Printed change less the difference of the columns, by model and emotion."""
    return {
        f"{model}, {emotion}": change - (after - before)
        for model, columns in _PRINTED.items()
        for emotion, before, after, change in zip(_EMOTIONS, *columns, strict=True)
    }


def _departures() -> list[float]:
    """Mean of the classes less the printed mean, of every column of scores."""
    scores = [column for columns in _PRINTED.values() for column in columns[:2]]
    return [sum(column[:-1]) / len(column[:-1]) - column[-1] for column in scores]
