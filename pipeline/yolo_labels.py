"""Write a split data set in the layout of YOLO trainers, and its boxes as a table.

Reads data/interim/<dataset>/index.parquet, data/splits/<dataset>.* and data/raw/<dataset>/; writes
data/yolo/<dataset>/. Command: python pipeline/yolo_labels.py <dataset>.
"""

from ferbench.artifacts.datasets import read_split, read_split_summary
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.yolo_labels import write_yolo


def main() -> None:
    paths = DatasetPaths(dataset_from_words(load_params(), stage_words())[0])
    index = read_index(paths.interim / "index.parquet")
    classes = read_split_summary(paths).classes
    write_yolo(index, read_split(paths), classes, paths.raw, paths.yolo)


if __name__ == "__main__":
    run_stage(main)
