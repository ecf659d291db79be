"""Write the report of the active study, and the page of all studies.

Reads `reports/<study>/` (the tables of score, compare and describe), `reports/data/`,
`reports/findings.json`, every run's `run.json`, `data/audit/`, and the outputs of latency and
explain if there are any. Writes index.html, report.md, papers.csv, summary.json, figures/, tables/,
pictures/ and, of people, people/ into `reports/<study>/`, and the pages of all
studies: `reports/index.html` and `claims.csv` of published ones, `reports/local.html` and
`local_claims.csv` of all. A published study whose runs are now others is no longer published. A
withdrawn study has a banner, until all of its runs contain the fix; it then
leaves `reports/withdrawn.yaml`.

    python pipeline/report.py

Some seconds, and a quarter of a second a chart.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.reporting.index import write_index
from ferbench.reporting.published import retract_if_replaced
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import read_study
from ferbench.reporting.withdrawn import settle


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    study = read_study(params, Path())
    withdrawal = settle(Path(), params.study.name, [run.commit for run in study.runs])
    write_report(make_report(study), folder, withdrawal)
    if retract_if_replaced(Path(), params.study.name, study.runs):
        print("its runs are not the published ones: `make publish` publishes them")
    write_index(Path())
    print(f"report -> {folder}/index.html and {folder}/report.md; all: reports/local.html")


if __name__ == "__main__":
    run_stage(main)
