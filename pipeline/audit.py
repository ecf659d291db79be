"""Find what a split leaks: equal and nearly equal images, persons, sequences on two sides.

Reads data/{raw,interim,pack,splits} of the data set; writes data/audit/<dataset>/ and
reports/data/<dataset>.audit.json.
Command: python pipeline/audit.py <dataset>. About 15 s for 30,000 crops on one core.
"""

from pathlib import Path

from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.leakage.audit import audit_data_set, write_audited
from ferbench.plugins import load


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    source = load("ferbench.data.sources", row.source)(row.options)
    audited = audit_data_set(key, source, params.audit)
    write_audited(audited, Path("data/audit", key), Path("reports/data", f"{key}.audit.json"))
    found = audited.report
    print(
        f"{key}: {found['leaked_test_images']} of {found['images']['test']} test images are found "
        f"again in train, {found['leaks']['near']['test_images']} as near copies; "
        f"{found['flat_images']} flat images"
    )


if __name__ == "__main__":
    run_stage(main)
