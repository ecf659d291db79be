"""What the page of all studies needs to know of one: `summary.json`."""

from __future__ import annotations

from math import isnan
from typing import Any

from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import at

__all__ = ["study_digest"]


def study_digest(files: StudyFiles) -> dict[str, Any]:
    """The study in a few words and its leader on every data set row, ready for JSON.

    Bounds that one seed cannot have are null.
    """
    params, metric = files.params, files.params.compare.metrics[0]
    leaders = []
    for key in params.datasets:
        name, protocol = files.place(key)
        best = at(files.means, (name, protocol), metric)[0]
        bounds = [None if isnan(value) else value for value in (best.low, best.high)]
        leaders.append(
            {
                "key": key,
                "dataset": name,
                "protocol": protocol,
                "variant": best.variant,
                "metric": metric,
                "mean": best.mean,
                "low": bounds[0],
                "high": bounds[1],
            }
        )
    return {
        "study": params.study.name,
        "title": params.study.title,
        "baseline": params.study.control,
        "answers": list(params.study.paper_tables),
        "variants": list(params.variants),
        "seeds": list(params.seeds),
        "runs": len(files.runs),
        "environments": _environments(files),
        "leaders": leaders,
    }


def _environments(files: StudyFiles) -> list[dict[str, Any]]:
    """Precision, devices, processor and GPUs of the runs, each combination once, sorted."""
    found = {
        (
            str(run["precision"]),
            str(run.get("devices", "")),
            str(run["hardware"].get("cpu", "")),
            ", ".join(run["hardware"].get("gpus", [])),
        )
        for run in files.runs
    }
    return [
        dict(zip(("precision", "devices", "cpu", "gpus"), row, strict=True))
        for row in sorted(found)
    ]
