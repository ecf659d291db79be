"""Train one run: a variant on a data set with a seed.

Reads the variant's description, the packed images, the split and the faces; writes model.pt,
history.csv and run.json into runs/<study>/<variant>/<dataset>/<seed>/. An interrupted training
resumes from its last epoch when it is started again.
Command: python pipeline/train.py <variant> <dataset> <seed>. From a minute on two cores to days on
a GPU.
"""

from pkgutil import resolve_name

from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import run_from_words
from ferbench.training.run import train_run

# Resolved by name while the stage runs, so that no module of `ferbench.tracking` is a dependency
# of training: an observer cannot change a run's results, and an edit of it retrains nothing. This
# is the only such import; tests/test_stage_dependencies.py lists it.
OBSERVER = "ferbench.tracking.live:Recorder"


def main() -> None:
    params = load_params()
    run = run_from_words(params, stage_words())
    train_run(run, params, lambda: resolve_name(OBSERVER)(run, params))


if __name__ == "__main__":
    run_stage(main)
