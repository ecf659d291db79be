"""Measure errors and contradictions in the papers and their released code.

Reads only the code; writes reports/findings.json, which the report shows. A finding that does not
hold is written like the others, with the failed checks as its verdict.

    python pipeline/findings.py

Some 10 seconds on one core.
"""

from dataclasses import asdict
from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.files import write_json
from ferbench.findings.papers import measure_findings


def main() -> None:
    findings = measure_findings()
    write_json(Path("reports", "findings.json"), [asdict(finding) for finding in findings])
    print(f"{sum(f.holds for f in findings)} of {len(findings)} findings hold")


if __name__ == "__main__":
    run_stage(main)
