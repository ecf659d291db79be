"""Test a data set's promises: reports/data/<dataset>.json and .html.

    python pipeline/validate.py <dataset>

Reads data/raw/<dataset>/ and data/interim/<dataset>/. The report and its Data Docs are written even
if a promise is broken; then the stage fails. About 5 s.
"""

import sys
from pathlib import Path

from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.data_page import render_page
from ferbench.data.validate import require, validate
from ferbench.files import whole_file, write_json
from ferbench.plugins import load


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    reports = Path("reports/data")
    folders = (Path("data/raw") / key, Path("data/interim") / key, reports / "docs" / key)
    metadata = load("ferbench.data.sources", row.source)(row.options).metadata
    report = validate(row, metadata, params.validate, folders)
    write_json(reports / f"{key}.json", report)
    with whole_file(reports / f"{key}.html") as page:
        page.write_text(render_page(key, report), encoding="utf-8")
    for promise in report["promises"]:
        if not promise["holds"] and not promise["critical"]:
            told = f"warning: not kept: {promise['expectation']}: {promise['observed']}"
            print(f"{told}\n  remedy: {promise['remedy']}", file=sys.stderr)
    require(report, reports / f"{key}.json")
    print(f"{key}: {len(report['promises'])} promises, passed")


if __name__ == "__main__":
    run_stage(main)
