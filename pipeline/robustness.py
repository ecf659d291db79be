"""Show one cell's network altered test images, and store what it says of them.

Reads the cell's model.pt and the packed data; writes robustness.json, draws.csv and, for each condition,
<condition>/predictions.parquet and <condition>/boxes.parquet into the cell's probes/<probe>/.
Command: python pipeline/robustness.py <probe> <variant> <dataset> <seed>. As long as `evaluate`; on a
canvas of 640 pixels about a second a face and condition on one core.
"""

from dataclasses import asdict

import torch

from ferbench.cli.stage import run_stage, stage_words
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
        raise unknown("probe", name, params.robustness, where="params.yaml: robustness")
    cell, row = run_from_words(params, words), params.robustness[name]
    probe = build_robustness_test(row)
    trained, data = load_trained(cell.folder / "model.pt"), open_dataset(cell.dataset, cell.seed)
    torch.set_num_threads(params.train.threads)
    device = "cuda" if torch.cuda.is_available() and params.train.accelerator != "cpu" else "cpu"
    probed = probe.run(trained, data, device)
    about = {**asdict(cell), "device": device}
    write_robustness(cell.folder / "robustness" / name, row, probed, about)
    print(f"{cell.name}: {probed.skipped or ', '.join(probed.conditions)}")


if __name__ == "__main__":
    run_stage(main)
