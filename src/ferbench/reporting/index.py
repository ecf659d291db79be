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
from ferbench.reporting.numbers import interval, percent
from ferbench.reporting.papers import VERDICTS
from ferbench.reporting.rendering import render
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.withdrawn import Withdrawal, read_withdrawn

__all__ = ["StudyCard", "read_cards", "study_summary", "write_index"]


@dataclass(frozen=True)
class Leader:
    """The variant with the highest mean on one data set under one protocol."""

    dataset: str
    protocol: str
    variant: str
    metric: str
    score: str
    bounds: str
    value: float


@dataclass(frozen=True)
class StudyCard:
    """A study on the page of all studies.

    Args:
        name: of its folder.
        title: one line; the name if the report has no `summary.json`, as older ones.
        answers: tables of papers.
        variants: how many; None if not known.
        seeds: how many; None likewise.
        leaders: one a data set row.
        verdicts: number of printed values by verdict, of those measured; empty if there are none.
        withdrawal: why its numbers do not count; None if they do.
    """

    name: str
    title: str
    answers: tuple[str, ...]
    variants: int | None
    seeds: int | None
    leaders: tuple[Leader, ...]
    verdicts: Mapping[str, int]
    withdrawal: Withdrawal | None


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
            str(run["precision"]),
            str(run.get("devices", "")),
            str(run["hardware"].get("cpu", "")),
            ", ".join(run["hardware"].get("gpus", [])),
        )
        for run in study.runs
    }
    columns = ("precision", "devices", "cpu", "gpus")
    return {
        "study": params.study.name,
        "title": params.study.title,
        "baseline": params.study.baseline,
        "answers": list(params.study.answers),
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
    withdrawn = read_withdrawn(reports)
    folders = [page.parent for page in sorted(reports.glob("*/index.html"))]
    return [_card(folder, withdrawn.get(folder.name)) for folder in folders]


def _card(folder: Path, withdrawal: Withdrawal | None) -> StudyCard:
    path = folder / "summary.json"
    about: dict[str, Any] = read_json(path) if path.is_file() else {}
    return StudyCard(
        name=folder.name,
        title=about.get("title", folder.name),
        answers=tuple(about.get("answers", ())),
        variants=len(about["variants"]) if about else None,
        seeds=len(about["seeds"]) if about else None,
        leaders=tuple(_leader(leader) for leader in about.get("leaders", ())),
        verdicts=_verdicts(folder / "papers.csv"),
        withdrawal=withdrawal,
    )


def _leader(leader: Mapping[str, Any]) -> Leader:
    low, high = leader["low"], leader["high"]
    return Leader(
        dataset=leader["dataset"],
        protocol=leader["protocol"],
        variant=leader["variant"],
        metric=leader["metric"],
        score=percent(leader["mean"]),
        bounds="" if low is None or high is None else interval(low, high),
        value=leader["mean"],
    )


def _verdicts(path: Path) -> dict[str, int]:
    if not path.is_file():
        return {}
    rows = pd.read_csv(path)
    counts = Counter(rows.loc[rows["n"] > 0, "verdict"])
    return {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]}


def write_index(root: Path) -> None:
    """Write `reports/index.html`: all studies that have a page, and the findings.

    Args:
        root: the project's folder.

    Raises:
        InputError: `findings.json` is faulty.
    """
    reports = root / "reports"
    path = reports / "findings.json"
    findings = read_findings(path) if path.is_file() else ()
    context = {
        "cards": read_cards(reports),
        "pages": [page.stem for page in sorted((reports / "data").glob("*.html"))],
        # Those that do not hold come first.
        "findings": sorted(findings, key=lambda finding: finding.holds),
    }
    with whole_file(reports / "index.html") as temporary:
        temporary.write_text(render("index.html", context), encoding="utf-8")
