"""Turn stored predictions into numbers.

Reads `runs/<study>/**/{run.json,predictions.parquet,boxes.parquet,val/,robustness/}` of every run
that `params.yaml` names, `data/audit/<key>/leaks.parquet`, persons and sequences from
`data/splits/<key>.parquet` and `data/interim/<key>/index.parquet`, and which metrics are needed on
resampled faces from `studies/catalogue/claims.yaml`; writes into `reports/<study>/` results.csv,
classes.csv, confusion.csv, reliability.csv, faces.parquet, replicates.parquet, label_issues.csv,
label_noise.json, metrics.json and plots/.

    python pipeline/score.py

Seconds a run: no network is loaded.
"""

from pathlib import Path

from ferbench.artifacts.paths import StudyPaths
from ferbench.cli.stage import run_stage
from ferbench.config.claims import load_claims
from ferbench.config.params import load_params
from ferbench.evaluation.scoreboard import score_study, write_scoreboard


def main() -> None:
    params = load_params()
    board = score_study(params, Path(), (*load_claims(), *params.claims))
    folder = StudyPaths(params.study.name).reports
    write_scoreboard(board, folder)
    print(f"{len(board.results)} values -> {folder}/results.csv")


if __name__ == "__main__":
    run_stage(main)
