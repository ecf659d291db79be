"""What runs a network: PyTorch, or ONNX Runtime with an exported file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor

from ferbench.errors import InputError
from ferbench.models.build import as_fractions, logits_of, task_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained
from ferbench.serving.model_folder import INT8, ONNX, ModelRecord, read_network

__all__ = ["Engine", "EngineName", "OnnxEngine", "TorchEngine", "engine_of"]

EngineName = Literal["auto", "torch", "onnx", "int8"]


class Engine(Protocol):
    """Runs a network on prepared inputs; safe to call in threads."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """What a network gives, float32 on the CPU, as evaluation reads it.

        Args:
            inputs: bytes (N, C, S, S), or ten crops of each, (N, 10, C, S, S).

        Returns:
            A classifier's logits (N, K), averaged over crops; a detector's decoded boxes
            (N, 4 + K, A).
        """


def engine_of(name: EngineName, folder: Path, record: ModelRecord, device: str) -> Engine:
    """The engine of an opened model folder.

    Args:
        name: `torch`; `onnx` or `int8` for ONNX Runtime with the file in float32 or 8 bits; or
            `auto`, which is `onnx` on a CPU if the folder has the file, and else `torch`.
        folder: of the model.
        record: its description.
        device: where PyTorch computes.

    Raises:
        InputError: the folder has no file for it, or the device is unknown.
    """
    files = {"onnx": ONNX, "int8": INT8}
    if name == "auto":
        name = "onnx" if device == "cpu" and ONNX in record.files else "torch"
    if name == "torch":
        return TorchEngine(read_network(folder, record), _device(device))
    if files[name] not in record.files:
        known = ["torch", *(word for word, file in files.items() if file in record.files)]
        raise InputError(
            f"has no file for engine {name}", where=folder, remedy=f"use {' or '.join(known)}"
        )
    return OnnxEngine(folder / files[name])


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"no device {name!r} here", remedy="use cpu") from error
    return device


class TorchEngine:
    """PyTorch, with norms folded into convolutions.

    Args:
        trained: the network, which is copied.
        device: where to compute.
    """

    def __init__(self, trained: Trained, device: torch.device) -> None:
        self._network = deployed(trained.network).to(device)
        self._place = next(self._network.parameters()).device
        self._detects = task_of(trained.variant) == "detect"

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits or decoded boxes."""
        with torch.inference_mode():
            images = as_fractions(inputs, self._place)
            out = self._network(images)[0] if self._detects else logits_of(self._network, images)
            return out.float().cpu()


class OnnxEngine:
    """ONNX Runtime on one thread of the CPU.

    Args:
        path: of a file that `ferbench.serving.onnx_export` wrote.
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

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits or decoded boxes."""
        flat = inputs if inputs.ndim == 4 else inputs.flatten(0, 1)
        (out,) = self._session.run(None, {self._input: flat.numpy()})
        outputs = torch.from_numpy(out)
        return outputs if inputs.ndim == 4 else outputs.view(*inputs.shape[:2], -1).mean(dim=1)
