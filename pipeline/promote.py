"""Make the registered model champion if it passes all promotion gates.

Reads reports/<study>/registered.json and results.csv; writes reports/<study>/promotion.json with
the outcome of every gate, and promotion.html, which shows it. A failed gate is no error: the
champion stays.
Command: python pipeline/promote.py. Seconds.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.config.params import load_params
from ferbench.files import whole_file, write_json
from ferbench.reporting.promotion_page import promotion_page
from ferbench.tracking.promotion import promote_study


def main() -> None:
    params = load_params()
    outcome = promote_study(params)
    folder = Path("reports", params.study.name)
    write_json(folder / "promotion.json", outcome)
    page = promotion_page(params.study.title, outcome)
    with whole_file(folder / "promotion.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    for row in outcome.values():
        print(f"{row['model']} version {row['version']}: promoted: {row['promoted']}")
        for gate in row["gates"]:
            if not gate["passed"]:
                print(f"  gate {gate['gate']} failed: {gate['reason']}")


if __name__ == "__main__":
    run_stage(main)
