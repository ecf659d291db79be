"""The page of all studies: what each is about, who leads, and what it says of the papers.

It is made of what git keeps of the studies, and so can be made in a clone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ferbench.files import read_json, whole_file
from ferbench.reporting.numbers import interval, percent
from ferbench.reporting.papers import VERDICTS
from ferbench.reporting.rendering import render
from ferbench.reporting.withdrawn import Withdrawal, read_withdrawn

__all__ = ["StudyCard", "read_cards", "write_index"]


@dataclass(frozen=True)
class Leader:
    """Who is ahead on one data set under one protocol."""

    key: str
    dataset: str
    protocol: str
    variant: str
    metric: str
    score: str
    bounds: str
    value: float


@dataclass(frozen=True)
class StudyCard:
    """A study as the index shows it.

    Args:
        name: of its folder.
        title: one line; the name if the report is of an older form.
        answers: tables of papers.
        variants: how many; None if not known, as in reports of an older form.
        seeds: how many; None likewise.
        runs: how many; None likewise.
        leaders: one a data set row.
        verdicts: number of printed values by verdict, of those measured; empty if there are none.
        withdrawal: why its numbers do not count; None if they do.
    """

    name: str
    title: str
    answers: tuple[str, ...]
    variants: int | None
    seeds: int | None
    runs: int | None
    leaders: tuple[Leader, ...]
    verdicts: dict[str, int]
    withdrawal: Withdrawal | None


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
        runs=about.get("runs"),
        leaders=tuple(_leader(leader) for leader in about.get("leaders", ())),
        verdicts=_verdicts(folder / "papers.csv"),
        withdrawal=withdrawal,
    )


def _leader(leader: dict[str, Any]) -> Leader:
    low, high = leader["low"], leader["high"]
    return Leader(
        key=leader["key"],
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
    """Write `reports/index.html` over all studies that have a page.

    Args:
        root: the project's folder.
    """
    reports = root / "reports"
    context = {
        "cards": read_cards(reports),
        "pages": [page.stem for page in sorted((reports / "data").glob("*.html"))],
    }
    with whole_file(reports / "index.html") as temporary:
        temporary.write_text(render("index.html", context), encoding="utf-8")
