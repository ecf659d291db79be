"""Lay a split data set out for YOLO trainers, and its boxes as a table.

Reads data/interim/<dataset>/index.parquet, data/splits/<dataset>.* and data/raw/<dataset>/; writes
data/yolo/<dataset>/. Command: python pipeline/yolo_labels.py <dataset>.
"""

from pathlib import Path

import pandas as pd

from ferbench.artifacts.index import read_index
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.yolo_labels import write_yolo
from ferbench.files import read_json


def main() -> None:
    key, _ = dataset_from_words(load_params(), stage_words())
    index = read_index(Path("data/interim", key, "index.parquet"))
    split = pd.read_parquet(Path("data/splits", f"{key}.parquet"))
    classes = read_json(Path("data/splits", f"{key}.json"))["classes"]
    write_yolo(index, split, classes, Path("data/raw", key), Path("data/yolo", key))


if __name__ == "__main__":
    run_stage(main)
