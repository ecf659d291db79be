"""Decode a data set's images once, into one memory-mapped file.

Reads data/interim/<dataset>/index.parquet and data/raw/<dataset>/; writes data/pack/<dataset>/.
Command: python pipeline/pack.py <dataset>.
"""

from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.pack import pack_images


def main() -> None:
    key, row = dataset_from_words(load_params(), stage_words())
    paths = DatasetPaths(key)
    index = read_index(paths.interim / "index.parquet")
    pack_images(index, paths.raw, paths.pack, row.max_side_px)


if __name__ == "__main__":
    run_stage(main)
