"""Measure what a model must beat on a data set: nearest neighbour in raw pixels, commonest class.

Reads data/interim/<dataset>/index.parquet, data/pack/<dataset>/ and data/splits/<dataset>.*; writes
reports/data/<dataset>.baselines.json. Command: python pipeline/baselines.py <dataset>.
"""

from pathlib import Path

import pandas as pd

from ferbench.artifacts.index import read_index
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.baselines import measure_baselines
from ferbench.data.pack import Pack
from ferbench.files import read_json, write_json


def main() -> None:
    key, _ = dataset_from_words(load_params(), stage_words())
    index = read_index(Path("data/interim", key, "index.parquet"))
    split = pd.read_parquet(Path("data/splits", f"{key}.parquet"))
    description = read_json(Path("data/splits", f"{key}.json"))
    floor = measure_baselines(index, split, description, Pack(Path("data/pack", key)))
    write_json(Path("reports/data", f"{key}.baselines.json"), floor)
    accuracy = floor["split"]
    print(
        f"{key}: nearest neighbour {accuracy['nearest_neighbour']:.1%}, "
        f"commonest class {accuracy['majority_class']:.1%} of {accuracy['n_test']} test faces"
    )


if __name__ == "__main__":
    run_stage(main)
