"""Store the predictions of one run's network on val and test; no metric is computed.

Reads the run's model.pt and the packed data; writes predictions.parquet and boxes.parquet (test),
the same two in val/, and evaluation.json into the run's folder. With `score: train`, the same two
of the training images are in train/, which is empty otherwise.
Command: python pipeline/evaluate.py <variant> <dataset> <seed>. Seconds on one core for a thousand
images.
"""

import torch

from ferbench.artifacts.predictions import write_boxes, write_predictions
from ferbench.artifacts.runs import EvaluationRecord
from ferbench.cli.stage import inference_device, run_stage, stage_words
from ferbench.config.params import load_params
from ferbench.config.runs import run_from_words
from ferbench.data.dataset import open_dataset
from ferbench.evaluation.predict import predict_split
from ferbench.files import fresh_folder
from ferbench.models.weights import load_trained


def main() -> None:
    params = load_params()
    run = run_from_words(params, stage_words())
    trained, data = load_trained(run.folder / "model.pt"), open_dataset(run.dataset, run.seed)
    torch.set_num_threads(params.train.threads)
    device = inference_device(params.train.accelerator)
    counts = {}
    folders = {"test": run.folder, "val": run.folder / "val"}
    with fresh_folder(run.folder / "train"):
        pass
    if params.score.train:
        folders["train"] = run.folder / "train"
    for split, folder in folders.items():
        found = predict_split(trained, data, split, device)
        write_predictions(folder / "predictions.parquet", found.predictions)
        write_boxes(folder / "boxes.parquet", found.boxes)
        boxes = int((~found.boxes["truth"]).sum())
        counts[split] = {"faces": len(found.predictions), "boxes": boxes}
    EvaluationRecord(device=device, splits=counts).write(run.folder / "evaluation.json")


if __name__ == "__main__":
    run_stage(main)
