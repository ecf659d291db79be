"""Complete the MLflow run of every training: metrics, charts, data set, the best seeds' models.

Reads reports/<study>/ and runs/<study>/; writes reports/<study>/tracking.json, MLflow run ids by
run.
Command: python pipeline/track.py. Some ten seconds a variant on one core.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.reporting.charts import (
    Chart,
    confusion_chart,
    reliability_chart,
    shares,
)
from ferbench.tracking.publish import RunTables, publish_study
from ferbench.tracking.store import shown, store_uri


def draw_charts(tables: RunTables) -> list[Chart]:
    """The report's charts, of one run; MLflow draws the learning curves itself."""
    record = tables.record
    confusion = tables.confusion[tables.confusion["subset"] == "test"]
    title = f"{record.variant} on {record.name}, seed {record.seed}"
    return [
        confusion_chart("confusion_test", f"{title}: test, per cent", shares(confusion)),
        reliability_chart("reliability_test", f"{title}: test", tables.reliability),
    ]


def main() -> None:
    params = load_params()
    runs = publish_study(params, draw_charts)
    write_json(Path("reports", params.study.name, "tracking.json"), runs)
    print(f"{len(runs)} runs in experiment {params.study.name} of {shown(store_uri())}")


if __name__ == "__main__":
    run_stage(main)
