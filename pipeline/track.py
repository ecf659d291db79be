"""Complete every cell's record in MLflow: metrics, figures, data, the best seeds' models.

Reads reports/<study>/results.csv and runs/<study>/; writes reports/<study>/tracking.json, run ids
by cell.
Command: python pipeline/track.py. Some ten seconds a variant on one core.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.tracking.publish import publish_study
from ferbench.tracking.store import shown, store_uri


def main() -> None:
    params = load_params()
    runs = publish_study(params)
    write_json(Path("reports", params.study.name, "tracking.json"), runs)
    print(f"{len(runs)} runs in experiment {params.study.name} of {shown(store_uri())}")


if __name__ == "__main__":
    run_stage(main)
