"""Find leaks of a split: equal and nearly equal images, persons and sequences shared with train.

    python pipeline/audit.py <dataset>

Reads data/{interim,pack,splits} of the data set; writes data/audit/<dataset>/ and
reports/data/<dataset>.audit.json. About 15 s for 30,000 crops on one core.
"""

from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.leakage.audit import audit_dataset, write_audited


def main() -> None:
    params = load_params()
    key, _ = dataset_from_words(params, stage_words())
    paths = DatasetPaths(key)
    audited = audit_dataset(paths, params.audit)
    write_audited(audited, paths)
    found = audited.report
    print(
        f"{key}: {found['leaked_test_images']} of {found['images']['test']} test images leak from "
        f"train, {found['leaks']['near']['test_images']} as near copies; "
        f"{found['flat_images']} flat images"
    )


if __name__ == "__main__":
    run_stage(main)
