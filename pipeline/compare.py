"""Compare every pair of variants by the tests that `params.yaml` names.

Reads `reports/<study>/results.csv`; writes `reports/<study>/comparisons.csv`.

    python pipeline/compare.py

Seconds for some dozens of variants.
"""

from pathlib import Path

import pandas as pd

from ferbench.cli.stage import run_stage
from ferbench.files import whole_file
from ferbench.params import load_params
from ferbench.stats.compare import compare_variants


def main() -> None:
    params = load_params()
    folder = Path("reports", params.study.name)
    baseline = params.study.baseline
    order = [baseline, *(name for name in params.variants if name != baseline)]
    table = compare_variants(pd.read_csv(folder / "results.csv"), params.compare, order)
    with whole_file(folder / "comparisons.csv") as temporary:
        # Small p-values need significant digits, not decimals.
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    print(f"{len(table)} comparisons -> {folder}/comparisons.csv")


if __name__ == "__main__":
    run_stage(main)
