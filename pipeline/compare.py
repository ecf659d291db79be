"""Compare variants by the tests of `params.yaml`, with the minimum difference each can detect.

Reads results.csv, faces.parquet and replicates.parquet of `reports/<study>/` and
`data/splits/<dataset>.json`; writes comparisons.csv, omnibus.csv, ranks.csv and power.csv into
`reports/<study>/`.

    python pipeline/compare.py

Seconds for a few dozen variants; tests of faces take a minute for a few hundred pairs.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.controls import controls
from ferbench.config.params import load_params
from ferbench.evaluation.scoring import higher_is_better
from ferbench.stats.evidence import read_evidence
from ferbench.stats.study import compare_study, write_tables


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    control = params.study.control
    order = [control, *(name for name in params.variants if name != control)]
    falling = [name for name in params.compare.metrics if not higher_is_better(name)]
    evidence = read_evidence(params)
    tables = compare_study(evidence, params.compare, order, falling, controls(params))
    write_tables(tables, folder)
    print(", ".join(f"{len(table)} {name}" for name, table in tables.items()), f"-> {folder}")


if __name__ == "__main__":
    run_stage(main)
