"""The page of all studies: leaders, verdicts, and the findings about the papers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from tests.claim_rows import claim_row

from ferbench.artifacts.claims import write_claims
from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.files import write_json
from ferbench.findings.result import Finding, judged
from ferbench.reporting.index import read_cards, write_index


def _finding(name: str, holds: bool) -> Finding:
    return judged(
        name,
        "P9, table 1",
        "Cats | dogs <b>bark</b>.",
        measured={"largest |T - F|": 0.25, "parameters": 2_521_029},
        checks={"cats bark": holds},
        verdict="They do.",
        ours="Take `bark: false`.",
    )


FINDINGS = [_finding("right", True), _finding("wrong", False)]


def page(root: Path, findings: object) -> str:
    """The index of a project with a `findings.json`."""
    (root / "reports").mkdir()
    write_json(root / "reports" / "findings.json", findings)
    write_index(root)
    return (root / "reports" / "index.html").read_text(encoding="utf-8")


def test_index_has_leaders_and_verdicts_and_accepts_older_reports(
    made: tuple[Path, Params, Path], tmp_path: Path
) -> None:
    _, params, folder = made
    for name in ("new", "old"):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "index.html").write_text("a page", encoding="utf-8")
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    new = tmp_path / "reports" / "new"
    (new / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    rows = [("reproduced", 3), ("not comparable", 3), ("not comparable", 0)]
    pd.DataFrame(rows, columns=["verdict", "n"]).to_csv(new / "papers.csv", index=False)
    first, second = read_cards(tmp_path / "reports", ("new", "old"))
    assert (first.title, first.summary) == (params.study.title, summary)
    assert first.verdicts == {"reproduced": 1, "not comparable": 1}
    results = pd.read_csv(folder / "results.csv").query("subset == 'test' and metric == 'accuracy'")
    best = results.groupby("variant")["value"].mean()
    assert first.summary["leaders"][0]["variant"] == best.idxmax()
    assert first.summary["leaders"][0]["mean"] == pytest.approx(best.max())
    assert (second.title, second.summary) == ("old", {})
    write_index(tmp_path)
    text = (tmp_path / "reports" / "local.html").read_text(encoding="utf-8")
    assert 'href="new/index.html"' in text
    assert "report in an older format" in text


def test_index_opens_with_the_verdicts_on_claims(tmp_path: Path) -> None:
    rows = [
        claim_row(claim="a", direction="confirmed", study="new"),
        claim_row(claim="b", direction="undecided", study="new"),
        claim_row(claim="c", paper="p0", direction="undecided, one seed", study="new"),
    ]
    write_claims(tmp_path / "reports" / "new" / "claims.csv", rows)
    (tmp_path / "reports" / "new" / "index.html").write_text("a page", encoding="utf-8")
    write_index(tmp_path)
    text = (tmp_path / "reports" / "local.html").read_text(encoding="utf-8")
    sentence = text[text.index("Of 3 claims in 2 papers") :]
    assert '<a href="#confirmed">1 confirmed</a>' in sentence
    assert '<a href="#undecided">2 undecided</a>' in sentence
    assert '<a href="new/index.html#claims">new</a>' in sentence
    assert text.index('id="claims"') < text.index("studies-title")


def test_index_without_findings_has_no_such_section(tmp_path: Path) -> None:
    assert 'id="findings"' not in page(tmp_path, [])


def test_findings_that_do_not_hold_come_first_with_claim_result_and_numbers(
    tmp_path: Path,
) -> None:
    text = page(tmp_path, [asdict(finding) for finding in FINDINGS])
    assert '<section id="findings"' in text
    assert text.index(">wrong<") < text.index(">right<")
    assert text.count('<span class="tag bad">does not hold</span>') == 1
    assert text.count('<span class="tag">holds</span>') == 1
    assert "Does not hold here; failed: cats bark." in text
    assert "Cats | dogs &lt;b&gt;bark&lt;/b&gt;." in text
    assert "Take <code>bark: false</code>." in text
    assert text.count("<dd>2,521,029</dd>") == text.count("<dd>0.25</dd>") == 2


def test_faulty_findings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no list of findings"):
        page(tmp_path, [{"name": "half"}])
