"""The report of a study: a page for browsers, the same in Markdown, figures and tables."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ferbench.files import fresh_folder, whole_file, write_json
from ferbench.reporting.blocks import Block, Picture, Table
from ferbench.reporting.charts import Chart
from ferbench.reporting.index import study_summary
from ferbench.reporting.papers import against_papers, paper_frame
from ferbench.reporting.rendering import render
from ferbench.reporting.sections import build_sections
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.withdrawn import Withdrawal, marked

__all__ = ["Report", "make_report", "write_report"]

_README = """Copies of pictures of synthetic faces that index.html shows; made by stage `report`.
Those of people stand in ../people, where the study was run.
"""


@dataclass(frozen=True)
class Report:
    """A study, ready to be rendered.

    Args:
        study: its files.
        sections: by name, in the order of the page.
    """

    study: StudyFiles
    sections: Mapping[str, Block]

    @property
    def blocks(self) -> list[Block]:
        """All blocks at all levels."""
        return [block for section in self.sections.values() for block in section.walk()]

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        return [chart for block in self.blocks for chart in (*block.charts, *block.panels)]

    @property
    def tables(self) -> list[Table]:
        """All tables that have rows."""
        return [table for block in self.blocks for table in block.tables if table.rows]


def make_report(study: StudyFiles) -> Report:
    """Compute all sections of the report of a study."""
    return Report(study, build_sections(study))


def write_report(report: Report, folder: Path, withdrawal: Withdrawal | None = None) -> None:
    """Write all files of the report of a study, with a banner if it is withdrawn.

    `index.html`, `report.md`, `papers.csv`, `summary.json`, `figures/*.svg`, `tables/*.csv`,
    `pictures/`, and `people/` if there are pictures of people.
    """
    with fresh_folder(folder / "figures") as figures:
        for chart in report.charts:
            (figures / f"{chart.name}.svg").write_text(chart.svg, encoding="utf-8")
    with fresh_folder(folder / "tables") as tables:
        for table in report.tables:
            _write_csv(table.frame, tables / f"{table.name}.csv")
    _write_csv(paper_frame(against_papers(report.study)), folder / "papers.csv")
    write_json(folder / "summary.json", study_summary(report.study))
    context = {"report": report, "params": report.study.params}
    _write_pictures(report.study.pictures, folder, render("people.html", context))
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        with whole_file(folder / name) as temporary:
            text = marked(render(template, context), name, withdrawal)
            temporary.write_text(text, encoding="utf-8")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def _write_pictures(pictures: Sequence[Picture], folder: Path, people_page: str) -> None:
    """Write folder `pictures` and, only if there are pictures of people, folder `people`."""
    with fresh_folder(folder / "pictures") as target:
        (target / "README.md").write_text(_README, encoding="utf-8")
        for picture in pictures:
            if picture.synthetic:
                shutil.copyfile(picture.path, target / picture.name)
    people = [picture for picture in pictures if not picture.synthetic]
    if not people:
        shutil.rmtree(folder / "people", ignore_errors=True)
        return
    with fresh_folder(folder / "people") as target:
        (target / "index.html").write_text(people_page, encoding="utf-8")
        for picture in people:
            shutil.copyfile(picture.path, target / picture.name)
