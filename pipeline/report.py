"""Write the report of the active study.

Reads `reports/<study>/` (results, comparisons, confusion, plots/history.csv, variants/),
`reports/data/` and every run's `run.json`; writes index.html, report.md, papers.csv, figures/ and
tables/ into `reports/<study>/`.

    python pipeline/report.py

Some seconds, and a quarter of a second a chart.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.params import load_params
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    write_report(make_report(read_study(params, Path())), folder)
    print(f"report -> {folder}/index.html and {folder}/report.md")


if __name__ == "__main__":
    run_stage(main)
