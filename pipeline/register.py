"""Register the study's best model on val, with its card, in the MLflow registry.

Reads reports/<study>/results.csv and the best runs' weights; writes
reports/<study>/registered.json.
Command: python pipeline/register.py. Half a minute on one core.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.tracking.promotion import register_best


def main() -> None:
    params = load_params()
    registered = register_best(params)
    write_json(Path("reports", params.study.name, "registered.json"), registered)
    for row in registered.values():
        print(f"{row['model']} version {row['version']}: {row['variant']}, seed {row['seed']}")


if __name__ == "__main__":
    run_stage(main)
