"""The demo's accuracies as the README prints them, out of the report of `make repro`.

    make repro && python benchmarks/demo_numbers.py

Writes benchmarks/results/demo_numbers.csv, a row a variant: mean over seeds on test with its
primary interval, seeds, test faces, commit of the runs and processor; and demo_claims.csv, the
report's verdicts on the demo's claims. A test compares the README with both. The demo's report
itself is not in git: every `make repro` writes it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ferbench.artifacts.claims import read_claims, write_claims
from ferbench.artifacts.paths import StudyPaths
from ferbench.config.params import load_params
from ferbench.files import whole_file
from ferbench.reporting.study_files import read_study

RESULT = Path(__file__).parent / "results" / "demo_numbers.csv"
CLAIMS = RESULT.with_name("demo_claims.csv")
KEY = "synthetic"


def main() -> None:
    params = load_params()
    assert params.study.name == "demo", "`ferbench study use demo`, then `make repro`"
    study = read_study(params, Path())
    run, faces = study.runs[0], study.on("test", KEY, "faces")
    rows = [
        {
            "variant": mean.variant,
            "metric": mean.metric,
            "mean": mean.mean,
            "low": mean.low,
            "high": mean.high,
            "seeds": len(mean.values),
            "basis": mean.basis,
            "test_faces": round(faces[mean.variant].mean),
            "commit": run.commit,
            "cpu": run.hardware["cpu"],
            "cores": run.hardware["cores"],
        }
        for mean in study.ranked(KEY)
    ]
    with whole_file(RESULT) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.6g")
    write_claims(CLAIMS, read_claims(StudyPaths(params.study.name).reports / "claims.csv"))
    print(f"{len(rows)} variants -> {RESULT}")


if __name__ == "__main__":
    main()
