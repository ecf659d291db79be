"""What every row of the catalogue took to train, evaluate and score in the study `all_rows`.

    make repro STUDY=all_rows && python benchmarks/every_row.py

Reads the last times of the stages and the results of that study in this checkout, and writes
benchmarks/results/every_row.csv: a row a variant with CPU and wall-clock seconds of training and
evaluation, the peak memory of training, the number of scores on test, and the exit status. Where
the times of a stage are missing, entries are empty and the status is 1.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from conditions import conditions

from ferbench.artifacts.runs import RunRecord
from ferbench.cli.stage_times import StageTime, read_stage_times
from ferbench.config.params import load_params
from ferbench.config.runs import Run, all_runs
from ferbench.files import whole_file
from ferbench.tracking.selection import study_results

RESULT = Path(__file__).parent / "results" / "every_row.csv"


def row_of(run: Run, stages: dict[str, StageTime], scores: pd.DataFrame) -> dict[str, object]:
    """Times, memory and scores of a run."""
    trained, evaluated = (stages.get(f"{kind}@{run.name}") for kind in ("train", "evaluate"))
    record = RunRecord.read(run.folder / "run.json")
    own = scores[(scores["variant"] == run.variant) & (scores["subset"] == "test")]
    return {
        "variant": run.variant,
        "parameters": record.parameters,
        "train_cpu_s": trained and trained.cpu_seconds,
        "train_wall_s": trained and trained.wall_seconds,
        "train_peak_mib": trained and trained.peak_mib,
        "evaluate_cpu_s": evaluated and evaluated.cpu_seconds,
        "test_scores": int(own["value"].notna().sum()),
        "status": max(stage.status if stage else 1 for stage in (trained, evaluated)),
        "commit": record.commit,
    }


def main() -> None:
    params = load_params()
    assert params.study.name == "all_rows", "`ferbench study use all_rows`, then `make repro`"
    stages = {row.stage: row for row in read_stage_times()}
    scores = study_results(params)
    table = pd.DataFrame([row_of(run, stages, scores) for run in all_runs(params)])
    hardware = conditions()["hardware"]
    table = table.assign(cpu=hardware["cpu"], cores=hardware["cores"])
    with whole_file(RESULT) as temporary:
        table.to_csv(temporary, index=False)
    failed = table[(table["status"] != 0) | (table["test_scores"] == 0)]["variant"].tolist()
    print(f"{len(table)} rows, failed: {', '.join(failed) or 'none'}")
    minutes, peak = table["train_cpu_s"].sum() / 60, table["train_peak_mib"].max()
    print(f"training {minutes:.0f} CPU minutes, peak memory {peak} MiB")
    print(f"-> {RESULT}")


if __name__ == "__main__":
    main()
