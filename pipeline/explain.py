"""Draw explanations of a variant's predictions on test faces, of the run of the first seed.

Reads the run's model.pt and predictions.parquet and the packed data; writes PNG figures and
index.json into runs/<study>/_explain/<explain>/<variant>/<dataset>/.
Command: python pipeline/explain.py <explain> <variant> <dataset>. Seconds on one core.
"""

import torch

from ferbench.artifacts.predictions import read_predictions
from ferbench.cli.stage import inference_device, run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.data.dataset import open_dataset
from ferbench.evaluation.explain import (
    explain,
    explain_folder,
    explain_from_words,
    open_view,
)
from ferbench.files import fresh_folder
from ferbench.models.weights import load_trained


def main() -> None:
    params = load_params()
    name, run = explain_from_words(params, stage_words())
    how = params.explain[name]
    trained, data = load_trained(run.folder / "model.pt"), open_dataset(run.dataset, run.seed)
    predictions = read_predictions(run.folder / "predictions.parquet")
    torch.set_num_threads(params.train.threads)
    device = inference_device(params.train.accelerator)
    view = open_view(trained, data, predictions, how.images, device)
    with fresh_folder(explain_folder(name, run)) as folder:
        explain(view, how.methods, run, folder)


if __name__ == "__main__":
    run_stage(main)
