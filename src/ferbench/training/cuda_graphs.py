"""Forward and backward pass of a classifier as CUDA graphs.

A pass of a small network over a small batch is some hundred short kernels, and starting them one by
one takes longer than they run. A CUDA graph starts all kernels of a pass at once. They are the same
kernels in the same order, so a training has the same result with graphs and without.
"""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from ferbench.config.params import Recipe
from ferbench.models.build import logits_of
from ferbench.training.optimizers import accumulated_batches

__all__ = ["GraphedClassifier", "graphs_apply"]


def graphs_apply(recipe: Recipe, device: torch.device, processes: int) -> bool:
    """Whether a classifier's passes are captured as CUDA graphs.

    Several batches a step are excluded, because a graph writes the gradients of every batch into
    the same memory, and so are several processes, whose gradients are exchanged in the backward
    pass. The environment variable FERBENCH_CUDA_GRAPHS=0 switches graphs off.

    Args:
        recipe: of the training.
        device: of the network.
        processes: that share a batch.
    """
    wanted = os.environ.get("FERBENCH_CUDA_GRAPHS", "1") != "0"
    return wanted and device.type == "cuda" and processes == 1 and accumulated_batches(recipe) == 1


class _Logits(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return logits_of(self.network, images)


class GraphedClassifier:
    """Logits of a network in training mode, by CUDA graphs for batches of one shape.

    Capturing runs the network a few times; its buffers and torch's random state are restored.
    Batches of another shape, such as the last one of an epoch, run without a graph.

    Args:
        network: in training mode, on a GPU. Its parameters may change in place only.
        like: fractions (N, C, H, W) of the shape to capture.
    """

    def __init__(self, network: nn.Module, like: Tensor) -> None:
        self._shape = like.shape
        self._logits = _Logits(network)
        self._graphed = _Logits(network)  # capturing replaces its `forward`
        # Warm-up runs on a stream of its own, replays run on the current one. Nothing captures the
        # addition of gradients, so PyTorch's warning about that does not apply.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        before = {name: buffer.clone() for name, buffer in network.named_buffers()}
        with (
            torch.random.fork_rng(devices=[like.device]),
            # Casts that autocast keeps between operations would be of the captured weights.
            torch.autocast(
                "cuda",
                enabled=torch.is_autocast_enabled("cuda"),
                dtype=torch.get_autocast_dtype("cuda"),
                cache_enabled=False,
            ),
        ):
            torch.cuda.make_graphed_callables(
                self._graphed, (torch.zeros_like(like),), allow_unused_input=True
            )
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(before[name])

    def __call__(self, images: Tensor) -> Tensor:
        """Logits (N, K) in float32 of fractions (N, C, H, W)."""
        chosen = self._graphed if images.shape == self._shape else self._logits
        logits: Tensor = chosen(images)
        return logits
