"""Digest the tables of the study's data sets, on which the stages after training depend.

Reads data/interim/<dataset>/, data/splits/<dataset>.*, data/audit/<dataset>/ and
reports/data/<dataset>.*json of the study's data sets; writes data/studies/<study>.json.

    python pipeline/study_data.py
"""

from ferbench.artifacts.paths import StudyPaths
from ferbench.artifacts.study_data import digest_study_data
from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params


def main() -> None:
    params = load_params()
    path = StudyPaths(params.study.name).data
    digest_study_data(params.datasets).write(path)
    print(f"{len(params.datasets)} data sets -> {path}")


if __name__ == "__main__":
    run_stage(main)
