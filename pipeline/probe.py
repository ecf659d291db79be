"""Show one cell's network altered test images, and store what it says of them.

Reads the cell's model.pt and the packed data; writes probe.json, draws.csv and, for each condition,
<condition>/predictions.parquet and <condition>/boxes.parquet into the cell's probes/<probe>/.
Command: python pipeline/probe.py <probe> <variant> <dataset> <seed>. As long as `evaluate`; on a
canvas of 640 pixels about a second a face and condition on one core.
"""

from dataclasses import asdict

import torch

from ferbench.cells import cell_from_words
from ferbench.cli.stage import run_stage, stage_words
from ferbench.data.stored import open_stored
from ferbench.errors import unknown
from ferbench.evaluation.probing import build_probe, write_probed
from ferbench.models.weights import load_trained
from ferbench.params import load_params


def main() -> None:
    params = load_params()
    name, *words = stage_words() or [""]
    if name not in params.probes:
        raise unknown("probe", name, params.probes, where="params.yaml: probes")
    cell, row = cell_from_words(params, words), params.probes[name]
    probe = build_probe(row)
    trained, data = load_trained(cell.folder / "model.pt"), open_stored(cell.dataset, cell.seed)
    torch.set_num_threads(params.train.threads)
    device = "cuda" if torch.cuda.is_available() and params.train.accelerator != "cpu" else "cpu"
    probed = probe.run(trained, data, device)
    about = {**asdict(cell), "device": device}
    write_probed(cell.folder / "probes" / name, row, probed, about)
    print(f"{cell.name}: {probed.skipped or ', '.join(probed.conditions)}")


if __name__ == "__main__":
    run_stage(main)
