"""Store the predictions of one run's network on altered test images.

Reads the run's model.pt and the packed data; writes robustness.json, draws.csv and, for each
condition, <condition>/predictions.parquet and <condition>/boxes.parquet into the run's
robustness/<test>/.
Command: python pipeline/robustness.py <test> <variant> <dataset> <seed>. As long as `evaluate`; on
a canvas of 640 pixels about a second a face and condition on one core.
"""

from dataclasses import asdict

import torch

from ferbench.cli.stage import inference_device, run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import run_from_words
from ferbench.data.dataset import open_dataset
from ferbench.errors import unknown
from ferbench.evaluation.robustness_test import build_robustness_test, write_robustness
from ferbench.models.weights import load_trained


def main() -> None:
    params = load_params()
    name, *words = stage_words() or [""]
    if name not in params.robustness:
        raise unknown("robustness test", name, params.robustness, where="params.yaml: robustness")
    run, row = run_from_words(params, words), params.robustness[name]
    test = build_robustness_test(row)
    trained, data = load_trained(run.folder / "model.pt"), open_dataset(run.dataset, run.seed)
    torch.set_num_threads(params.train.threads)
    device = inference_device(params.train.accelerator)
    result = test.run(trained, data, device)
    about = {**asdict(run), "device": device}
    write_robustness(run.folder / "robustness" / name, row, result, about)
    print(f"{run.name}: {result.skipped or ', '.join(result.conditions)}")


if __name__ == "__main__":
    run_stage(main)
