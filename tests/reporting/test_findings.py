"""The report's section about what the papers have at odds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
from tests.reporting.fabricated_reports import fabricate_all

from ferbench.errors import InputError
from ferbench.files import write_json
from ferbench.findings.result import Finding, judged
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study


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


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, object], Path]:
    """A function that writes the report of a study with a `findings.json`, or with none."""
    root = tmp_path_factory.mktemp("study")
    params = fabricate_all(root, (0,))

    def report(name: str, findings: object) -> Path:
        path = root / "reports" / "findings.json"
        path.unlink(missing_ok=True)
        if findings is not None:
            write_json(path, findings)
        write_report(make_report(read_study(params, root)), root / name)
        return root / name

    return report


def test_without_the_file_there_is_no_such_section(write: Callable[[str, object], Path]) -> None:
    for number, findings in enumerate((None, [])):
        folder = write(f"without_{number}", findings)
        for page in ("index.html", "report.md"):
            assert "Findings about" not in (folder / page).read_text(encoding="utf-8")
        assert '"#findings"' not in (folder / "index.html").read_text(encoding="utf-8")
        assert not list(folder.glob("tables/findings*.csv"))


def test_the_section_stands_behind_the_papers_and_tells_what_does_not_hold(
    write: Callable[[str, object], Path],
) -> None:
    folder = write("with", [asdict(finding) for finding in FINDINGS])
    text = (folder / "report.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[1:4] == ["Paper against ours", "Findings about the papers", "Data"]
    rows = [line for line in text.splitlines() if line.startswith(("| right", "| wrong"))]
    # What does not hold comes first.
    assert [row.split(" | ")[0] for row in rows] == ["| wrong", "| right"]
    assert "| no | Does not hold here; failed: cats bark. |" in rows[0]
    assert "| yes | They do. |" in rows[1]
    assert all("Cats \\| dogs &lt;b>bark" in row for row in rows)
    assert "\n\n\n\n" not in text
    assert all((folder / link).is_file() for link in re.findall(r"\]\((tables/[^)]+)\)", text))


def test_the_page_shows_claims_as_text_and_every_number(
    write: Callable[[str, object], Path],
) -> None:
    folder = write("page", [asdict(finding) for finding in FINDINGS])
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert '<section id="findings"' in text
    assert '<a href="#findings">' in text
    assert '<span class="tag bad">does not hold</span>' in text
    assert '<span class="tag">holds</span>' in text
    assert "Cats | dogs &lt;b&gt;bark&lt;/b&gt;." in text
    assert "Take <code>bark: false</code>." in text
    assert ">2,521,029</td>" in text
    assert ">0.25</td>" in text
    measured = pd.read_csv(folder / "tables" / "findings_measured.csv")
    assert len(measured) == sum(len(finding.measured) for finding in FINDINGS)
    assert set(measured["value"]) == {0.25, 2_521_029}
    assert len(pd.read_csv(folder / "tables" / "findings.csv")) == len(FINDINGS)


def test_a_faulty_file_is_refused(write: Callable[[str, object], Path]) -> None:
    with pytest.raises(InputError, match="is no list of findings"):
        write("faulty", [{"name": "half"}])
