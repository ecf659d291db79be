"""Measure the naive baselines of a split: nearest neighbour on pixels, majority class.

Reads data/interim/<dataset>/index.parquet, data/pack/<dataset>/ and data/splits/<dataset>.*; writes
reports/data/<dataset>.baselines.json. Command: python pipeline/baselines.py <dataset>.
"""

from ferbench.artifacts.datasets import read_split, read_split_summary, write_baselines
from ferbench.artifacts.index import read_index
from ferbench.artifacts.pack import Pack
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.baselines import measure_baselines


def main() -> None:
    paths = DatasetPaths(dataset_from_words(load_params(), stage_words())[0])
    index = read_index(paths.interim / "index.parquet")
    measured = measure_baselines(
        index, read_split(paths), read_split_summary(paths), Pack(paths.pack)
    )
    write_baselines(paths, measured)
    accuracy = measured.split
    print(
        f"{paths.key}: nearest neighbour {accuracy['nearest_neighbour']:.1%}, majority class "
        f"{accuracy['majority_class']:.1%} of {accuracy['n_test']} test faces"
    )


if __name__ == "__main__":
    run_stage(main)
