"""Validate the index of a data set: reports/data/<dataset>.json and .html.

    python pipeline/validate.py <dataset>

Reads data/raw/<dataset>/ and data/interim/<dataset>/. The report and its Data Docs are written even
if an expectation fails; then the stage fails. About 5 s.
"""

import sys

from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.validation.validate import render_page, require, validate
from ferbench.files import whole_file, write_json


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    paths = DatasetPaths(key)
    report = validate(paths, params.validate, row.protocol)
    write_json(paths.report, report)
    with whole_file(paths.report.with_suffix(".html")) as page:
        page.write_text(render_page(key, report), encoding="utf-8")
    for check in report["expectations"]:
        if not check["holds"] and not check["critical"]:
            print(
                f"warning: not met: {check['expectation']}: {check['observed']}\n"
                f"  remedy: {check['remedy']}",
                file=sys.stderr,
            )
    require(report, paths.report)
    print(f"{key}: {len(report['expectations'])} expectations, passed")


if __name__ == "__main__":
    run_stage(main)
