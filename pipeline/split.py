"""Split a data set's images into train, val and test by the protocol of its row.

Reads data/interim/<dataset>/index.parquet; writes data/splits/<dataset>.parquet and .json. Where
the row says `resplit`, the table has one more split per seed.
Command: python pipeline/split.py <dataset>. A second or two.
"""

from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.split import draw_rounds, draw_split


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    paths = DatasetPaths(key)
    index = read_index(paths.interim / "index.parquet")
    split, summary = draw_split(index, row.protocol, params.split["seed"], row.limit)
    if row.resplit:
        split = draw_rounds(index, split, row.protocol, params.seeds)
    write_split(paths, split, summary)
    print(f"{key}: {summary.images} by {row.protocol}")


if __name__ == "__main__":
    run_stage(main)
