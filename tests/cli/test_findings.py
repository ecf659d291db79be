"""The command that measures what the papers have at odds."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from ferbench.cli.main import main
from ferbench.findings import papers
from ferbench.findings.result import Finding, judged


def _finding(name: str, holds: bool) -> Finding:
    return judged(
        name,
        "P9, table 1",
        "Cats are dogs.",
        measured={"cats": 3},
        checks={"cats bark": holds},
        verdict="They are.",
        ours="Cats are cats.",
    )


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the command will find; the test may change it."""
    findings = [_finding("first", True), _finding("second", True)]
    monkeypatch.setattr(papers, "measure_findings", lambda: findings)
    return findings


def test_every_finding_is_told_with_its_verdict(
    two: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["findings"]) == 0
    told = capsys.readouterr().out
    for finding in two:
        (line,) = (line for line in told.splitlines() if finding.name in line)
        assert "yes" in line
        assert "They are." in line


def test_a_finding_that_does_not_hold_is_told_and_ends_not_well(
    two: list[Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    two[1] = _finding("second", False)
    assert main(["findings"]) == 1
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "first yes They are." in told
    assert "second no Does not hold here; failed: cats bark." in told


def test_json_has_every_number(two: list[Finding], capsys: pytest.CaptureFixture[str]) -> None:
    two[1] = _finding("second", False)
    assert main(["findings", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [asdict(finding) for finding in two]
