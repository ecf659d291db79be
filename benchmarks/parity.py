"""Largest difference in probability between the ways through a network, on val of finished runs.

    make repro
    python benchmarks/parity.py runs/demo/{vgg_improved_quarter,cspd53_half}/synthetic/2

The reference is what stage `evaluate` stored. The ways are validation by Lightning, the predictor
with PyTorch, ONNX Runtime in float32 and in 8 bits, `ferbench serve` over HTTP, and the registered
model in MLflow's form (pyfunc) if the run's model is the champion of its data set. Every way gets
the same pixels; ONNX in 8 bits is another network and differs by more than the 1e-4 that is allowed
to the others.

Writes benchmarks/results/parity.csv: a minute.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from conditions import conditions
from lightning import Trainer
from numpy.typing import NDArray
from PIL import Image
from service_load import Served

from ferbench.artifacts.pack import Pack
from ferbench.artifacts.predictions import read_predictions
from ferbench.artifacts.runs import RunRecord
from ferbench.data.dataset import PackedDataset, open_dataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.evaluation.predict import Predicted
from ferbench.files import whole_file
from ferbench.models.build import task_of
from ferbench.models.weights import Trained, load_trained
from ferbench.serving.export import export_run
from ferbench.serving.model_folder import INT8
from ferbench.serving.predictor import Face, Predictor
from ferbench.tracking.registry import champion, model_name
from ferbench.training.modules import ClassifierModule, DetectorModule, SelectionMetric

RESULT = Path(__file__).parent / "results" / "parity.csv"
THRESHOLD = 0.25  # of a detector's boxes

Probabilities = NDArray[np.float64]


class KeepsPredictions(SelectionMetric):
    """A metric that keeps what it is given."""

    kept: Predicted | None = None

    def value(self, read: Predicted, *, detects: bool) -> float:
        """Zero."""
        del detects
        object.__setattr__(self, "kept", read)
        return 0.0


def validated(trained: Trained, data: PackedDataset) -> pd.DataFrame:
    """What Lightning's validation reads of a network on val."""
    detects = task_of(trained.variant) == "detect"
    dataset = (SceneDataset if detects else FaceDataset)(
        data.pack, data.faces("val"), trained.recipe, seed=0
    )
    metric = KeepsPredictions("accuracy", 0.5)
    kind = DetectorModule if detects else ClassifierModule
    module = kind(trained.variant, trained.recipe, torch.ones(len(trained.classes)), 0, metric)
    module.network.load_state_dict(trained.network.state_dict())
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", devices=1, enable_checkpointing=False, **quiet)
    batches = loader(dataset, EpochSampler(len(dataset), None), 16)
    trainer.validate(module, batches, verbose=False)
    assert metric.kept is not None
    return metric.kept.predictions


def over_http(folder: Path, pictures: list[NDArray[np.uint8]]) -> Iterator[dict[str, float]]:
    """Probabilities that a service gives for pictures as PNG."""
    service = Served(["--model", str(folder)])
    try:
        for picture in pictures:
            body = io.BytesIO()
            Image.fromarray(picture.squeeze()).save(body, "png")
            asked = urllib.request.Request(
                f"{service.address}/predict?crop=true",
                body.getvalue(),
                {"Content-Type": "image/png"},
            )
            with urllib.request.urlopen(asked) as answer:
                faces = json.load(answer)["faces"]
            yield faces[0]["probabilities"] if faces else {}
    finally:
        service.process.terminate()
        service.process.wait()


def by_predictor(predictor: Predictor, pictures: list[Any]) -> Iterator[dict[str, float]]:
    """Probabilities of a predictor."""
    found: list[list[Face]] = predictor.predict_crops(pictures)
    for faces in found:
        yield faces[0].probabilities if faces else {}


def by_registered(uri: str, pictures: list[Any]) -> Iterator[dict[str, float]]:
    """Probabilities of a registered model, as MLflow loads it."""
    import mlflow

    model = mlflow.pyfunc.load_model(uri)
    for faces in model.predict(pictures, params={"crop": True}):
        yield faces[0]["probabilities"] if faces else {}


def compared(run: Path, place: Path) -> list[dict[str, Any]]:
    """A row per way."""
    record, trained = RunRecord.read(run / "run.json"), load_trained(run / "model.pt")
    classes = list(trained.classes)
    stored = read_predictions(run / "val" / "predictions.parquet").sort_values("image_id")
    expected = stored[classes].to_numpy()
    pack = Pack(open_dataset(record.dataset, record.seed).pack)
    pictures = [pack.image(name) for name in stored["image_id"]]
    folder = place / record.variant
    description = export_run(run, folder, THRESHOLD)
    engines = ["torch", "onnx", *(["int8"] if INT8 in description.files else [])]

    def listed(answers: Iterator[dict[str, float]]) -> Probabilities:
        return np.array([[answer.get(name, 0.0) for name in classes] for answer in answers])

    def lightning() -> Probabilities:
        table = validated(trained, open_dataset(record.dataset, record.seed))
        return table.sort_values("image_id")[classes].to_numpy()

    def asked(predictor: Predictor) -> Probabilities:
        return listed(by_predictor(predictor, pictures))

    ways: dict[str, Callable[[], Probabilities]] = {"Lightning validation": lightning}
    for engine in engines:
        predictor = Predictor.load(folder, engine=engine)  # type: ignore[arg-type]
        ways[f"predictor, {engine}"] = partial(asked, predictor)
    ways["HTTP"] = lambda: listed(over_http(folder, pictures))
    current = champion(model_name(record.name))
    if current is not None and current.tags["run_key"] == record.run_key:
        uri = f"models:/{current.name}@champion"
        ways["registered model (pyfunc)"] = lambda: listed(by_registered(uri, pictures))
    rows = []
    for way, probabilities in ways.items():
        found = probabilities()
        rows.append(
            {
                "model": record.variant,
                "seed": record.seed,
                "way": way,
                "faces": len(expected),
                "largest_difference": f"{np.abs(found - expected).max():.1e}",
                "other_emotion": int((found.argmax(1) != expected.argmax(1)).sum()),
            }
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows = [row for run in args.runs for row in compared(run, Path(place))]
    found = conditions()
    table = pd.DataFrame(rows).assign(commit=found["commit"], cpu=found["hardware"]["cpu"])
    with whole_file(args.out) as temporary:
        table.to_csv(temporary, index=False)


if __name__ == "__main__":
    main()
