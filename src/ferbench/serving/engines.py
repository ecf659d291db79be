"""What runs a network: PyTorch, or ONNX Runtime with an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ferbench.errors import InputError
from ferbench.models.build import as_fractions, logits_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained
from ferbench.serving.model_folder import INT8, ONNX, ModelRecord, read_network

__all__ = ["Engine", "OnnxEngine", "TorchEngine", "engine_of"]


class Engine(Protocol):
    """Runs a network on prepared inputs; safe to call in threads."""

    def probabilities(self, inputs: Tensor) -> NDArray[np.float64]:
        """A classifier's probabilities (N, K) of bytes (N, C, S, S) or ten crops of each."""

    def decoded(self, inputs: Tensor) -> Tensor:
        """A detector's decoded boxes (N, 4 + K, A) on the CPU, of bytes (N, C, S, S)."""


def engine_of(name: str, folder: Path, record: ModelRecord, device: str) -> Engine:
    """The engine of an opened model folder.

    Args:
        name: `torch`, `onnx` or `int8`.
        folder: of the model.
        record: its description.
        device: where PyTorch computes.

    Raises:
        InputError: the name is unknown, or the folder has no file for it.
    """
    if name == "torch":
        return TorchEngine(read_network(folder, record), device)
    files = {"onnx": ONNX, "int8": INT8}
    if name not in files or files[name] not in record.files:
        known = ["torch", *(word for word, file in files.items() if file in record.files)]
        raise InputError(
            f"no engine {name!r} for this model", where=folder, remedy=f"use {' or '.join(known)}"
        )
    return OnnxEngine(folder / files[name])


class TorchEngine:
    """PyTorch, with norms folded into convolutions.

    Args:
        trained: the network, which is copied.
        device: where to compute.
    """

    def __init__(self, trained: Trained, device: str) -> None:
        self._network = deployed(trained.network).to(device)
        self._place = next(self._network.parameters()).device

    def probabilities(self, inputs: Tensor) -> NDArray[np.float64]:
        """A classifier's probabilities."""
        with torch.inference_mode():
            logits = logits_of(self._network, as_fractions(inputs, self._place))
            return torch.softmax(logits.double(), dim=1).cpu().numpy()

    def decoded(self, inputs: Tensor) -> Tensor:
        """A detector's decoded boxes."""
        with torch.inference_mode():
            boxes: Tensor = self._network(as_fractions(inputs, self._place))[0]
            return boxes.float().cpu()


class OnnxEngine:
    """ONNX Runtime on one thread of the CPU.

    Args:
        path: of a file that `ferbench.serving.export` wrote: bytes (N, C, S, S) in; logits, or
            decoded boxes, out.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the library's own exceptions have no common base
            raise InputError(
                f"cannot be run by ONNX Runtime ({str(error).splitlines()[0]})",
                where=path,
                remedy="use the engine `torch`",
            ) from error
        (self._input,) = (given.name for given in self._session.get_inputs())

    def probabilities(self, inputs: Tensor) -> NDArray[np.float64]:
        """A classifier's probabilities."""
        flat = inputs if inputs.ndim == 4 else inputs.flatten(0, 1)
        logits = torch.from_numpy(self._run(flat))
        if inputs.ndim == 5:
            logits = logits.view(*inputs.shape[:2], -1).mean(dim=1)
        return torch.softmax(logits.double(), dim=1).numpy()

    def decoded(self, inputs: Tensor) -> Tensor:
        """A detector's decoded boxes."""
        return torch.from_numpy(self._run(inputs))

    def _run(self, inputs: Tensor) -> NDArray[np.float32]:
        (out,) = self._session.run(None, {self._input: inputs.numpy()})
        return np.asarray(out, np.float32)
