"""The sections of a study's report, a file each.

A section module offers `build(study) -> Block | None`: the section as a block whose parts are the
cards of the page, or None where there is nothing to show. A new section is one new file; it stands
behind those of `ORDER` unless it is named there. The page's menu has the modules' names.
"""

from __future__ import annotations

from ferbench import plugins
from ferbench.reporting.blocks import Block
from ferbench.reporting.study_files import StudyFiles

__all__ = ["ORDER", "build_sections"]

_PACKAGE = "ferbench.reporting.sections"
ORDER = (
    "claims",
    "protocols",
    "leaderboard",
    "papers",
    "data",
    "leakage",
    "comparisons",
    "classes",
    "calibration",
    "robustness",
    "cost",
    "explanations",
    "training",
    "environment",
)


def build_sections(study: StudyFiles) -> dict[str, Block]:
    """All sections that have something to show, by name, in the order of the page."""
    names = plugins.names(_PACKAGE)
    ordered = sorted(names, key=lambda name: (*ORDER, name).index(name))
    built = {name: plugins.load(_PACKAGE, name)(study) for name in ordered}
    return {name: block for name, block in built.items() if block is not None}
