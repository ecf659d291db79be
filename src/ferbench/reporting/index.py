"""The page of all studies: what each is about, who leads, how it compares with the papers.

It is made of what git keeps of the studies, and so can be made in a clone. The findings about the
papers themselves are on this page and nowhere else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.files import read_json, whole_file
from ferbench.findings.result import read_findings
from ferbench.reporting.all_claims import write_all_claims
from ferbench.reporting.coverage import load_studies, table_answers
from ferbench.reporting.papers import VERDICTS
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
    """

    name: str
    summary: Mapping[str, Any]
    verdicts: Mapping[str, int]
    withdrawal: Withdrawal | None

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


def read_cards(reports: Path) -> list[StudyCard]:
    """A card for every study that has a page, by name.

    Args:
        reports: the folder of all reports.
    """
    withdrawn, cards = read_withdrawn(reports), []
    for page in sorted(reports.glob("*/index.html")):
        folder, path = page.parent, page.with_name("summary.json")
        summary = read_json(path) if path.is_file() else {}
        verdicts = _verdicts(folder / "papers.csv")
        cards.append(StudyCard(folder.name, summary, verdicts, withdrawn.get(folder.name)))
    return cards


def _verdicts(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    rows = pd.read_csv(path)
    counts = Counter(rows.loc[rows["n"] > 0, "verdict"])
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def write_index(root: Path) -> None:
    """Write `reports/index.html` and `reports/claims.csv`.

    The page has the verdicts on the papers' claims, all studies that have a page, what answers each
    of the papers' tables, and the findings.

    Args:
        root: the project's folder.

    Raises:
        InputError: `findings.json`, a `claims.csv`, the catalogue's claims or a study are faulty.
    """
    reports = root / "reports"
    claims = settle_claims(write_all_claims(root))
    path = reports / "findings.json"
    findings = read_findings(path) if path.is_file() else ()
    context = {
        "claims": claims,
        "papers": len({claim.rows[0].paper for claim in claims if claim.rows[0].tables}),
        "tally": {
            verdict: own
            for verdict in VERDICTS_OF_CLAIMS
            if (own := [claim for claim in claims if claim.verdict == verdict])
        },
        "cards": read_cards(reports),
        "tables": table_answers(load_studies(root)) if (root / "studies").is_dir() else [],
        "pages": [page.stem for page in sorted((reports / "data").glob("*.html"))],
        # Those that do not hold come first.
        "findings": sorted(findings, key=lambda finding: finding.holds),
    }
    with whole_file(reports / "index.html") as temporary:
        temporary.write_text(render("index.html", context), encoding="utf-8")
