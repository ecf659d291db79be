"""Write the report of the active study, and the page of all studies.

Reads `reports/<study>/` (what score, compare and describe left), `reports/data/`, every run's
`run.json`, `data/audit/`, and `_latency` and `_explain` of the runs if they are there; writes
index.html, report.md, papers.csv, summary.json, figures/, tables/ and pictures/ (of people:
people/) into `reports/<study>/`, and `reports/index.html`.

    python pipeline/report.py

Some seconds, and a quarter of a second a chart.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.params import load_params
from ferbench.reporting.index import write_index
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    write_report(make_report(read_study(params, Path())), folder)
    write_index(Path())
    print(f"report -> {folder}/index.html and {folder}/report.md; all: reports/index.html")


if __name__ == "__main__":
    run_stage(main)
