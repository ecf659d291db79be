"""Train one cell: a variant on a data set with a seed.

Reads the variant's description, the packed images, the split and the faces; writes model.pt,
history.csv and run.json into runs/<study>/<variant>/<dataset>/<seed>/. Killed, it goes on from its
last epoch when it is started again.
Command: python pipeline/train.py <variant> <dataset> <seed>. From a minute on two cores to days on
a GPU.
"""

from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import run_from_words
from ferbench.training.run import train_cell


def main() -> None:
    params = load_params()
    train_cell(run_from_words(params, stage_words()), params)


if __name__ == "__main__":
    run_stage(main)
