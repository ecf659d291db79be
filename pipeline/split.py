"""Split a data set's images into train, val and test by the protocol of its row.

Reads data/interim/<dataset>/index.parquet; writes data/splits/<dataset>.parquet and .json. Where
every seed has a split of its own (`resplit`), the table has one more column per seed.
Command: python pipeline/split.py <dataset>. A second or two.
"""

from dataclasses import replace

from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.split import draw_rounds, draw_split, is_redrawn


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    paths = DatasetPaths(key)
    index = read_index(paths.interim / "index.parquet")
    split, summary = draw_split(index, row.protocol, params.split["seed"], row.limit)
    if is_redrawn(index, row.protocol, row.resplit):
        split = draw_rounds(index, split, row.protocol, params.seeds)
        summary = replace(summary, redrawn=True)
    write_split(paths, split, summary)
    print(f"{key}: {summary.images} by {row.protocol}")


if __name__ == "__main__":
    run_stage(main)
