"""Write the report of the active study, and the page of all studies.

Reads `reports/<study>/` (what score, compare and describe left), `reports/data/`, every run's
`run.json`, `data/audit/`, and `_latency` and `_explain` of the runs if they are there; writes
index.html, report.md, papers.csv, summary.json, figures/, tables/ and pictures/ (of people:
people/) into `reports/<study>/`, and `reports/index.html`. A study leaves `reports/withdrawn.yaml`
when all of its runs contain the fix; until then its report has a banner.

    python pipeline/report.py

Some seconds, and a quarter of a second a chart.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.reporting.index import write_index
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study
from ferbench.reporting.withdrawn import settle


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    study = read_study(params, Path())
    withdrawal = settle(Path(), params.study.name, [run["commit"] for run in study.runs])
    write_report(make_report(study), folder, withdrawal)
    write_index(Path())
    print(f"report -> {folder}/index.html and {folder}/report.md; all: reports/index.html")


if __name__ == "__main__":
    run_stage(main)
