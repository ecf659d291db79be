"""Decode a data set's images once, into one memory-mapped file.

Reads data/interim/<dataset>/index.parquet and data/raw/<dataset>/; writes data/pack/<dataset>/.
Command: python pipeline/pack.py <dataset>.
"""

import sys
from pathlib import Path

from ferbench.cli.stage import run_stage
from ferbench.data.index import read_index
from ferbench.data.pack import pack_images
from ferbench.errors import unknown
from ferbench.params import load_params


def main() -> None:
    (key,) = sys.argv[1:]
    params = load_params()
    if key not in params.datasets:
        raise unknown("data set", key, params.datasets, where="params.yaml")
    index = read_index(Path("data/interim", key, "index.parquet"))
    side = params.datasets[key].max_side_px
    pack_images(index, Path("data/raw", key), Path("data/pack", key), side)


if __name__ == "__main__":
    run_stage(main)
