"""File the study's best model, on val, in the MLflow registry, with its card.

Reads reports/<study>/results.csv and the best cells' weights; writes
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
    filed = register_best(params)
    write_json(Path("reports", params.study.name, "registered.json"), filed)
    for row in filed.values():
        print(f"{row['model']} version {row['version']}: {row['variant']}, seed {row['seed']}")


if __name__ == "__main__":
    run_stage(main)
