"""The page of a study's promotion: which model was to become champion, and what each gate found.

It is a page of its own beside the report, because promotion comes after the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.reporting.blocks import Block, Table, word
from ferbench.reporting.rendering import render

__all__ = ["promotion_page"]


def promotion_page(study: str, outcomes: Mapping[str, Mapping[str, Any]]) -> str:
    """The page.

    Args:
        study: its title.
        outcomes: by data set, as `reports/<study>/promotion.json` holds them.
    """
    promoted = sum(outcome["promoted"] for outcome in outcomes.values())
    return render(
        "alone.html",
        {
            "title": f"Promotion: {study}",
            "facts": [("models", len(outcomes)), ("promoted", promoted)],
            "blocks": [_block(dataset, outcome) for dataset, outcome in outcomes.items()],
            "footer": "Made by ferbench (stage promote). All gates read val; none reads test.",
        },
    )


def _block(dataset: str, outcome: Mapping[str, Any]) -> Block:
    failed = [gate["gate"] for gate in outcome["gates"] if not gate["passed"]]
    now = outcome["champion"]
    champion = "There is no champion" if now is None else f"Champion is version {now}"
    if failed:
        decision = f"not promoted: {', '.join(failed)} failed. {champion}."
    else:
        decision = f"promoted: all {len(outcome['gates'])} gates passed. {champion}."
    rows = [
        {
            "gate": word(gate["gate"]),
            "result": word("passed" if gate["passed"] else "failed"),
            "reason": word(gate["reason"]),
        }
        for gate in outcome["gates"]
    ]
    model = f"{outcome['variant']}, {outcome['model']} version {outcome['version']}"
    return Block(
        dataset,
        alert="refused" if failed else "",
        answers=((model, decision),),
        tables=(Table("", rows, title="gates"),),
    )
