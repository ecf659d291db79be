"""Fetch or generate a data set: data/raw/<dataset>/.

    python pipeline/download.py <dataset>

Reads the archive in the column `archive` of the row, else the archives in FERBENCH_DATA, else
Kaggle or a URL; writes the unpacked files and `.ferbench.json` (source, checksums, number of
files). Seconds for 35,000 crops.
"""

import sys

from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.ingest.fetch import fetch
from ferbench.plugins import load


def main() -> None:
    key, row = dataset_from_words(load_params(), stage_words())
    source = load("ferbench.data.sources", row.source)(row.options)
    record = fetch(source, row.source, row.archive, DatasetPaths(key).raw)
    print(f"{key}: {record['files']} files of {source.metadata.title}")
    for name in record["unverified"]:
        print(f"warning: no checksum is known for {name}; it was not verified", file=sys.stderr)


if __name__ == "__main__":
    run_stage(main)
