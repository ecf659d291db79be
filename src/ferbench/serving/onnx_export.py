"""A network as ONNX files: in float32, and with weights and activations of 8 bits.

Both take bytes, so that nobody has to know how inputs are scaled:

- input `image`, uint8 (N, C, S, S), of any N;
- output `logits`, float32 (N, K), of a classifier; or `boxes`, float32 (N, 4 + K, A), of a
  detector: cx cy w h in pixels of the input and a score a class.
"""

from __future__ import annotations

import copy
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ferbench.files import need_room
from ferbench.models.build import task_of
from ferbench.models.deploy import deployed
from ferbench.models.weights import Trained

__all__ = ["Servable", "export_onnx", "quantize_onnx"]

_OPSET = 20
# Size of an exported network besides its weights.
_GRAPH_BYTES = 64 * 2**20
INPUT = "image"
_CALIBRATION_BATCH = 32


class Servable(nn.Module):
    """A network as it is exported: bytes in, logits or decoded boxes out.

    Args:
        trained: the network, which is copied.

    Shape:
        (N, C, S, S) uint8 -> classifiers (N, K) logits; detectors (N, 4 + K, A) with cx cy w h in
        pixels and a score a class
    """

    def __init__(self, trained: Trained) -> None:
        super().__init__()
        self.classifies = task_of(trained.variant) == "classify"
        network: Any = deployed(copy.deepcopy(trained.network))
        if not self.classifies:
            # Return decoded boxes only, with anchors computed for every batch size.
            head = network.model[-1]
            head.export, head.format, head.dynamic = True, "torchscript", True
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Logits, or decoded boxes."""
        out = self.network(image.float() / 255)
        return out[0] if isinstance(out, tuple) else out


def export_onnx(trained: Trained, path: Path) -> None:
    """Write a network as ONNX in float32, with a batch of any size.

    Raises:
        OSError: there is no room for it.
    """
    module = Servable(trained).eval()
    # On a full disk PyTorch's exporter aborts the process instead of raising an exception.
    size = sum(value.nbytes for value in module.state_dict().values())
    need_room(path.parent, 2 * size + _GRAPH_BYTES)
    side, channels = trained.recipe.input_px, trained.recipe.channels
    example = torch.zeros((2, channels, side, side), dtype=torch.uint8)
    with _silent(), torch.no_grad():
        torch.onnx.export(
            module,
            (example,),
            str(path),
            input_names=[INPUT],
            output_names=["logits" if module.classifies else "boxes"],
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            opset_version=_OPSET,
            external_data=False,
            verbose=False,
        )
    _without_origin(path)


def _without_origin(path: Path) -> None:
    """Remove what the exporter notes of where each operation stood: paths of this machine."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def quantize_onnx(path: Path, out: Path, inputs: Tensor) -> None:
    """Write an exported network with 8-bit weights and activations.

    Convolutions and matrix products are quantized, channel by channel; all other steps, such as a
    detector's decoding of boxes, stay in float32. The range of every activation is the one that
    `inputs` give.

    Args:
        path: of the network in float32.
        out: of the new file.
        inputs: bytes (N, C, S, S) of training images.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches: Iterator[Tensor] = iter(torch.split(inputs, _CALIBRATION_BATCH))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

    with tempfile.TemporaryDirectory() as folder, _silent():
        prepared = Path(folder, "prepared.onnx")
        quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(out),
            Reader(),
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            # 7 bits of weights: processors without VNNI add two products in 16 bits and saturate.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


@contextmanager
def _silent() -> Iterator[None]:
    """Without the exporters' notes on names, copies and missing preparation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
