"""A trained network as a program that needs no code of ours, logged as an MLflow model."""

from __future__ import annotations

import copy
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ferbench.files import need_room
from ferbench.models.build import task_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained
from ferbench.training.store import patient_uploads

__all__ = ["Servable", "log_model", "servable"]

# A network's graph and example, beside its weights.
_ARCHIVE_BYTES = 64 * 2**20


class Servable(nn.Module):
    """What is served: bytes or fractions in, probabilities or decoded boxes out.

    Shape:
        (N, C, S, S) float32 in [0, 1] -> classifiers (N, K) probabilities; detectors (N, 4 + K, A)
        with cx cy w h in pixels and a score a class
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.classifies = task_of(trained.variant) == "classify"
        network: Any = deployed(trained.network)
        if not self.classifies:
            # Only the decoded boxes leave the head, and their anchors are made anew for any batch.
            head = network.model[-1]
            head.export, head.format, head.dynamic = True, "torchscript", True
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities, or decoded boxes."""
        out = self.network(image)
        if self.classifies:
            return torch.softmax(out, dim=1)
        return out[0] if isinstance(out, tuple) else out


def servable(trained: Trained) -> nn.Module:
    """The deployed network of a copy of `trained`."""
    return Servable(copy.deepcopy(trained)).eval()


def log_model(trained: Trained, run_id: str) -> Any:
    """Log a network with its signature into the active MLflow store, as a model of a run.

    Args:
        trained: the network.
        run_id: of the run that trained it.

    Returns:
        MLflow's `ModelInfo`.
    """
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    module = servable(trained)
    # On a full disk the exporter's writer ends the whole process.
    size = sum(value.nbytes for value in module.state_dict().values())
    need_room(Path(tempfile.gettempdir()), 2 * size + _ARCHIVE_BYTES)
    side, channels = trained.recipe.input_px, trained.recipe.channels
    example = np.zeros((2, channels, side, side), np.float32)
    with torch.no_grad():
        out = tuple(module(torch.from_numpy(example)).shape)
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, channels, side, side))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, *out[1:]))]),
    )
    with warnings.catch_warnings(), patient_uploads(), mlflow.start_run(run_id=run_id):
        warnings.simplefilter("ignore")  # the exporter's own notes on names and copies
        return mlflow.pytorch.log_model(
            module,
            name="model",
            signature=signature,
            input_example=example,
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            metadata={"classes": list(trained.classes)},
        )
