"""The report of a study: a page for browsers, the same story for git hosts, figures, tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from ferbench.files import fresh_folder, whole_file
from ferbench.reporting.drawing import Chart
from ferbench.reporting.figures import cost_chart
from ferbench.reporting.findings import findings_table, measured_table
from ferbench.reporting.papers import paper_rows
from ferbench.reporting.provenance import environment_table
from ferbench.reporting.sections import Section, section_of
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import at
from ferbench.reporting.tables import Table, cost_table, paper_table

__all__ = ["Report", "make_report", "write_report"]


@dataclass(frozen=True)
class Report:
    """A study, ready to be rendered.

    Args:
        files: what it is made of.
        sections: one a data set row.
        papers: rows of `papers.csv`.
        cost: size, arithmetic and time of every variant.
        cost_charts: score over size, one a data set row.
        environment: machines, versions, commits.
    """

    files: StudyFiles
    sections: tuple[Section, ...]
    papers: pd.DataFrame
    cost: Table
    cost_charts: tuple[Chart, ...]
    environment: Table

    @property
    def paper_table(self) -> Table:
        """Printed values beside ours."""
        return paper_table(self.papers)

    @property
    def findings(self) -> Table:
        """What the papers have at odds; empty if nothing was measured."""
        return findings_table(self.files.findings)

    @property
    def measured(self) -> Table:
        """The numbers of the findings."""
        return measured_table(self.files.findings)

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        return [c for section in self.sections for c in section.charts] + list(self.cost_charts)

    @property
    def tables(self) -> list[Table]:
        """All tables; `papers.csv` stands beside them."""
        found = [table for table in (self.findings, self.measured) if table.rows]
        return [t for s in self.sections for t in s.tables] + [self.cost, self.environment, *found]


def make_report(files: StudyFiles) -> Report:
    """Compute everything that the report of a study says and shows."""
    return Report(
        files=files,
        sections=tuple(section_of(files, key) for key in files.params.datasets),
        papers=paper_rows(files),
        cost=cost_table(files),
        cost_charts=tuple(_cost(files, key) for key in files.params.datasets),
        environment=environment_table(files),
    )


def write_report(report: Report, folder: Path) -> None:
    """Write `index.html`, `report.md`, `papers.csv`, `figures/*.svg` and `tables/*.csv`."""
    with fresh_folder(folder / "figures") as figures:
        for chart in report.charts:
            (figures / f"{chart.name}.svg").write_text(chart.svg, encoding="utf-8")
    with fresh_folder(folder / "tables") as tables:
        for table in report.tables:
            _write_csv(table.frame, tables / f"{table.name}.csv")
    _write_csv(report.papers, folder / "papers.csv")
    context = {"report": report, "params": report.files.params}
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        with whole_file(folder / name) as temporary:
            temporary.write_text(_render(template, context), encoding="utf-8")


def _cost(files: StudyFiles, key: str) -> Chart:
    name, protocol = files.place(key)
    rows = at(files.means, (name, protocol), files.params.compare.metrics[0])
    title = f"{rows[0].metric} on {name} under {protocol} over deployed parameters"
    sizes = {variant: about["params_deployed"] for variant, about in files.descriptions.items()}
    return cost_chart(f"cost_{key}", title, rows, sizes)


def _render(template: str, context: Mapping[str, Any]) -> str:
    pages = Environment(
        loader=PackageLoader("ferbench.reporting"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["cell"] = _markdown_cell
    pages.filters["code"] = _code
    return pages.get_template(template).render(context)


def _code(text: str) -> Markup:
    """A text for a page, with what stands between backquotes as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _markdown_cell(text: str) -> str:
    """A text that cannot break a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
