"""Share a data set's images out into train, val and test by the protocol of its row.

Reads data/interim/<dataset>/index.parquet; writes data/splits/<dataset>.parquet and .json. Where
the row says `resplit`, the table has one more split a seed.
Command: python pipeline/split.py <dataset>. A second or two.
"""

from pathlib import Path

from ferbench.artifacts.index import read_index
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import dataset_from_words
from ferbench.data.split import draw_rounds, draw_split
from ferbench.files import whole_file, write_json


def main() -> None:
    params = load_params()
    key, row = dataset_from_words(params, stage_words())
    index = read_index(Path("data/interim", key, "index.parquet"))
    split, description = draw_split(index, row.protocol, params.split["seed"], row.limit)
    if row.resplit:
        split = draw_rounds(index, split, row.protocol, params.seeds)
    with whole_file(Path("data/splits", f"{key}.parquet")) as temporary:
        split.to_parquet(temporary, index=False)
    write_json(Path("data/splits", f"{key}.json"), description)
    print(f"{key}: {description['images']} by {row.protocol}")


if __name__ == "__main__":
    run_stage(main)
