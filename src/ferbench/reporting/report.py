"""The report of a study: a page for browsers, the same story for git hosts, figures, tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from ferbench.files import fresh_folder, whole_file, write_json
from ferbench.reporting.blocks import Block, Table
from ferbench.reporting.cost import cost_charts, cost_table, latency_notes, latency_table
from ferbench.reporting.digest import study_digest
from ferbench.reporting.drawing import Chart
from ferbench.reporting.findings import findings_table, measured_table
from ferbench.reporting.paper_block import paper_block, paper_summary
from ferbench.reporting.papers import Against, against_papers, paper_frame
from ferbench.reporting.pictures import Picture, write_pictures
from ferbench.reporting.protocols import protocol_blocks
from ferbench.reporting.provenance import environment_table
from ferbench.reporting.ranks import ALL, rank_block
from ferbench.reporting.rendering import render
from ferbench.reporting.sections import Section, section_of
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.withdrawn import Withdrawal, marked

__all__ = ["Report", "make_report", "write_report"]


@dataclass(frozen=True)
class Report:
    """A study, ready to be rendered.

    Args:
        files: what it is made of.
        sections: one a data set row.
        protocols: a block a data set that is split in several ways.
        ranks: tests over all variants on all data sets together; None if there are none.
        against: printed values beside ours.
        cost: size, arithmetic and training time of every variant, and times an image.
        environment: machines, versions, commits.
    """

    files: StudyFiles
    sections: tuple[Section, ...]
    protocols: list[Block]
    ranks: Block | None
    against: list[Against]
    cost: Block
    environment: Table

    @cached_property
    def papers(self) -> Block:
        """Printed values beside ours."""
        return paper_block(self.files, self.against)

    @property
    def paper_words(self) -> str:
        """How many printed values were reproduced."""
        return paper_summary(self.files, self.against)

    @property
    def findings(self) -> Table:
        """What the papers have at odds; empty if nothing was measured."""
        return findings_table(self.files.findings)

    @property
    def measured(self) -> Table:
        """The numbers of the findings."""
        return measured_table(self.files.findings)

    @property
    def blocks(self) -> list[Block]:
        """The blocks that are of no data set row alone."""
        ranks = [self.ranks] if self.ranks else []
        return [self.papers, *self.protocols, *ranks, self.cost]

    @property
    def charts(self) -> list[Chart]:
        """All charts."""
        of_blocks = [chart for block in self.blocks for chart in block.charts]
        return [c for section in self.sections for c in section.charts] + of_blocks

    @property
    def tables(self) -> list[Table]:
        """All tables; `papers.csv` stands beside them."""
        found = [table for table in (self.findings, self.measured) if table.rows]
        of_blocks = [table for block in self.blocks for table in block.tables]
        of_sections = [t for section in self.sections for t in section.tables]
        return [*of_sections, *of_blocks, self.environment, *found]

    @property
    def drawn(self) -> list[Picture]:
        """Pictures that the page shows."""
        return [picture for picture in self.files.pictures if picture.drawn]

    @property
    def people(self) -> list[Picture]:
        """Pictures that the page only leads to."""
        return [picture for picture in self.files.pictures if not picture.drawn]


def make_report(files: StudyFiles) -> Report:
    """Compute everything that the report of a study says and shows."""
    return Report(
        files=files,
        sections=tuple(section_of(files, key) for key in files.params.datasets),
        protocols=protocol_blocks(files),
        ranks=rank_block(files, (ALL, ALL), "studywide"),
        against=against_papers(files),
        cost=_cost(files),
        environment=environment_table(files),
    )


def _cost(files: StudyFiles) -> Block:
    times = latency_table(files)
    notes = ("GFLOPs are two operations a multiply-add, of the deployed network at its own input.",)
    return Block(
        title="Cost",
        charts=cost_charts(files),
        tables=(cost_table(files), *((times,) if times.rows else ())),
        note=" ".join((*notes, *latency_notes(files))),
    )


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
    _write_csv(paper_frame(report.against), folder / "papers.csv")
    write_json(folder / "summary.json", study_digest(report.files))
    context = {"report": report, "params": report.files.params}
    write_pictures(report.files.pictures, folder, render("people.html", context))
    for template, name in (("report.html", "index.html"), ("report.md", "report.md")):
        with whole_file(folder / name) as temporary:
            text = marked(render(template, context), name, withdrawal)
            temporary.write_text(text, encoding="utf-8")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
