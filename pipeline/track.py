"""Complete the MLflow run of every training: metrics, charts, data set, the best seeds' models.

Reads reports/<study>/ and runs/<study>/; writes reports/<study>/tracking.json, MLflow run ids by
run.
Command: python pipeline/track.py. Some ten seconds a variant on one core.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.reporting.run_charts import run_charts
from ferbench.tracking.publish import publish_study
from ferbench.tracking.store import shown, store_uri


def main() -> None:
    params = load_params()
    runs = publish_study(params, run_charts)
    write_json(Path("reports", params.study.name, "tracking.json"), runs)
    print(f"{len(runs)} runs in experiment {params.study.name} of {shown(store_uri())}")


if __name__ == "__main__":
    run_stage(main)
