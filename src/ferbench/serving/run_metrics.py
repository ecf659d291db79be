"""Which of a study's numbers stand on a cell's MLflow run, under which names and steps.

MLflow draws a section of charts for every name before the last `/`, in the order of the alphabet,
so names are chosen to be read down the page:

- `test/accuracy`, `val/accuracy`: every metric;
- `test/recall/anger`: of every class, what is printed of classes;
- `test_clean/accuracy`, `test_degraded_medium/accuracy`: of parts of test and of altered test
  images, the metrics that the study compares and what boxes find;
- `test_canvas/accuracy`: the same, a curve, where a probe's conditions are numbers: these are the
  steps; `test_canvas_mean/accuracy` is the mean over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

__all__ = ["Point", "run_points"]

_WHOLE = ("test", "val")
_OF_CLASSES = ("precision", "recall", "f1", "ap50")
# Beside the compared metrics: of a detector, whether its boxes still find and name the face.
_OF_BOXES = ("map50", "face_detection")


@dataclass(frozen=True)
class Point:
    """One number of a run.

    Args:
        name: of the metric in MLflow.
        value: finite.
        step: condition of a probe, where conditions are numbers; else 0.
    """

    name: str
    value: float
    step: int = 0


def run_points(
    results: pd.DataFrame, classes: pd.DataFrame, compared: Sequence[str], probes: Iterable[str]
) -> list[Point]:
    """A cell's numbers, in rising order of their steps.

    What is not defined, such as the recall of a class without a face, is left out.

    Args:
        results: the cell's rows of `results.csv`.
        classes: the cell's rows of `classes.csv`.
        compared: the metrics that the study compares.
        probes: names of its probes.
    """
    of_class = classes[classes["subset"].isin(_WHOLE[:1]) & classes["metric"].isin(_OF_CLASSES)]
    whole = results["subset"].isin(_WHOLE)
    part = ~whole & results["metric"].isin([*compared, *_OF_BOXES])
    rows = [
        *_rows(of_class["subset"] + "/" + of_class["metric"], of_class["emotion"], of_class),
        *_rows(results["subset"], results["metric"], results[whole | part]),
    ]
    points = [_point(section, name, float(value), list(probes)) for section, name, value in rows]
    return sorted(points, key=lambda point: point.step)


def _rows(
    sections: pd.Series, names: pd.Series, table: pd.DataFrame
) -> Iterable[tuple[str, str, float]]:
    """Section, name and value of the rows of a table that have a value."""
    known = table[table["value"].notna()]
    return zip(sections[known.index], names[known.index], known["value"], strict=True)


def _point(section: str, name: str, value: float, probes: Sequence[str]) -> Point:
    for probe in sorted(probes, key=len, reverse=True):
        condition = section.removeprefix(f"{probe}_")
        if condition == section:
            continue
        if condition.isdecimal():
            return Point(f"test_{probe}/{name}", value, int(condition))
        return Point(f"test_{section}/{name}", value)
    return Point(f"{section}/{name}", value)
