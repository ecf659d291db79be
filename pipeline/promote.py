"""Let the registered model try the gates to the alias `champion`.

Reads reports/<study>/registered.json and results.csv; writes reports/<study>/promotion.json with
every gate's outcome. A model that fails a gate is no error: the champion stays.
Command: python pipeline/promote.py. Seconds.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.tracking.promotion import promote_study


def main() -> None:
    params = load_params()
    outcome = promote_study(params)
    write_json(Path("reports", params.study.name, "promotion.json"), outcome)
    for row in outcome.values():
        print(f"{row['model']} version {row['version']}: promoted: {row['promoted']}")


if __name__ == "__main__":
    run_stage(main)
