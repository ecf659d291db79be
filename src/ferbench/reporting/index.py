"""The pages of all studies: what each is about, who leads, how it compares with the papers.

They are made of what git keeps of published studies, and so can be made in a clone. The findings
about the papers themselves are on these pages and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.artifacts.claims import write_claims
from ferbench.files import read_json, whole_file
from ferbench.findings.result import read_findings
from ferbench.reporting.all_claims import all_claims, known_tiers
from ferbench.reporting.coverage import TableAnswer, load_studies, table_answers
from ferbench.reporting.findings_page import write_findings
from ferbench.reporting.papers import VERDICTS
from ferbench.reporting.published import Publication, published_studies
from ferbench.reporting.rendering import render
from ferbench.reporting.settled import VERDICTS as VERDICTS_OF_CLAIMS
from ferbench.reporting.settled import settle_claims
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.withdrawn import Withdrawal, read_withdrawn

__all__ = ["StudyCard", "read_cards", "study_summary", "write_index"]


@dataclass(frozen=True)
class StudyCard:
    """A study on the page of all studies.

    Args:
        name: of its folder.
        summary: of its `summary.json`; empty for a report without one, as older ones are.
        verdicts: number of printed values by verdict, of those measured; empty if there are none.
        withdrawal: why its numbers do not count; None if they do.
        publication: what produced them; None if the study is not published.
    """

    name: str
    summary: Mapping[str, Any]
    verdicts: Mapping[str, int]
    withdrawal: Withdrawal | None
    publication: Publication | None = None

    @property
    def title(self) -> str:
        """One line."""
        return str(self.summary.get("title", self.name))


def study_summary(study: StudyFiles) -> dict[str, Any]:
    """`summary.json`: the study in a few words and its leader on every data set row.

    Bounds that one seed cannot have are null.
    """
    params, leaders = study.params, []
    for key in study.keys:
        best, (name, protocol) = study.ranked(key)[0], study.place(key)
        leaders.append(
            {
                "key": key,
                "dataset": name,
                "protocol": protocol,
                "variant": best.variant,
                "metric": study.metric,
                "mean": best.mean,
                "low": None if isnan(best.low) else best.low,
                "high": None if isnan(best.high) else best.high,
            }
        )
    environments = {
        (
            run.precision,
            run.devices,
            str(run.hardware.get("cpu", "")),
            ", ".join(run.hardware.get("gpus", [])),
        )
        for run in study.runs
    }
    columns = ("precision", "devices", "cpu", "gpus")
    return {
        "study": params.study.name,
        "title": params.study.title,
        "baseline": params.study.control,
        "answers": list(params.study.paper_tables),
        "variants": list(params.variants),
        "seeds": list(params.seeds),
        "runs": len(study.runs),
        "environments": [dict(zip(columns, row, strict=True)) for row in sorted(environments)],
        "leaders": leaders,
    }


def read_cards(reports: Path, studies: Collection[str]) -> list[StudyCard]:
    """A card for each of some studies, by name.

    Args:
        reports: the folder of all reports.
        studies: names of those with a page.
    """
    withdrawn, published, cards = read_withdrawn(reports), published_studies(reports), []
    for name in sorted(studies):
        path = reports / name / "summary.json"
        cards.append(
            StudyCard(
                name=name,
                summary=read_json(path) if path.is_file() else {},
                verdicts=_verdicts(reports / name / "papers.csv"),
                withdrawal=withdrawn.get(name),
                publication=published.get(name),
            )
        )
    return cards


def _verdicts(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    rows = pd.read_csv(path)
    counts = Counter(rows.loc[rows["n"] > 0, "verdict"])
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def write_index(root: Path) -> None:
    """Write the pages of all studies: verdicts on claims, studies, answers to tables, findings.

    `reports/index.html` and `reports/claims.csv` are about the published studies: what git keeps.
    `reports/local.html` and `reports/local_claims.csv` are about all that have a page here; they
    are made only if there are others than the published ones.

    Args:
        root: the project's folder.

    Raises:
        InputError: `findings.json`, a `claims.csv`, the catalogue's claims or a study are faulty.
    """
    reports = root / "reports"
    published = published_studies(reports)
    here = {page.parent.name for page in reports.glob("*/index.html")}
    data = {key for record in published.values() for key in record.data}
    tables = table_answers(load_studies(root)) if (root / "studies").is_dir() else []
    _write_page(root, tables, _Page("index.html", "claims.csv", here & {*published}, data))
    if (root / "docs").is_dir():
        write_findings(root)
    local = _Page("local.html", "local_claims.csv", here, None)
    if here - {*published}:
        _write_page(root, tables, local)
        return
    for name in (local.page, local.claims):
        (reports / name).unlink(missing_ok=True)


@dataclass(frozen=True)
class _Page:
    """A page of several studies; `data` None means all pages about data."""

    page: str
    claims: str
    studies: Collection[str]
    data: Collection[str] | None


def _write_page(root: Path, tables: Sequence[TableAnswer], page: _Page) -> None:
    reports = root / "reports"
    rows = all_claims(root, page.studies)
    write_claims(reports / page.claims, rows)
    claims = settle_claims(rows, known_tiers(root))
    path = reports / "findings.json"
    findings = read_findings(path) if path.is_file() else ()
    pages = [file.stem for file in sorted((reports / "data").glob("*.html"))]
    context = {
        "claims": claims,
        "claims_file": page.claims,
        "papers": len({claim.rows[0].paper for claim in claims if claim.rows[0].tables}),
        "tally": {
            verdict: own
            for verdict in VERDICTS_OF_CLAIMS
            if (own := [claim for claim in claims if claim.verdict == verdict])
        },
        "cards": read_cards(reports, page.studies),
        "tables": tables,
        "pages": [key for key in pages if page.data is None or key in page.data],
        # Those that do not hold come first.
        "findings": sorted(findings, key=lambda finding: finding.holds),
        "local": page.data is None,
    }
    with whole_file(reports / page.page) as temporary:
        temporary.write_text(render("index.html", context), encoding="utf-8")
