"""Store what one cell's network says of val and test; no metric in it.

Reads the cell's model.pt and the packed data; writes predictions.parquet and boxes.parquet (test),
the same two in val/, and evaluation.json into the cell's folder.
Command: python pipeline/evaluate.py <variant> <dataset> <seed>. Seconds on one core for a thousand
images.
"""

import torch

from ferbench.artifacts.predictions import write_boxes, write_predictions
from ferbench.artifacts.runs import EvaluationRecord
from ferbench.cli.stage import run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import run_from_words
from ferbench.data.dataset import open_dataset
from ferbench.evaluation.predict import predict_side
from ferbench.models.weights import load_trained


def main() -> None:
    params = load_params()
    cell = run_from_words(params, stage_words())
    trained, data = load_trained(cell.folder / "model.pt"), open_dataset(cell.dataset, cell.seed)
    torch.set_num_threads(params.train.threads)
    device = "cuda" if torch.cuda.is_available() and params.train.accelerator != "cpu" else "cpu"
    counts = {}
    for side, folder in (("test", cell.folder), ("val", cell.folder / "val")):
        said = predict_side(trained, data, side, device)
        write_predictions(folder / "predictions.parquet", said.predictions)
        write_boxes(folder / "boxes.parquet", said.boxes)
        counts[side] = {"faces": len(said.predictions), "boxes": int((~said.boxes["truth"]).sum())}
    EvaluationRecord(device=device, splits=counts).write(cell.folder / "evaluation.json")


if __name__ == "__main__":
    run_stage(main)
