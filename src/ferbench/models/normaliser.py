"""What a detection loss is divided by, also when several processes share a batch."""

from __future__ import annotations

from torch import Tensor
from torch import distributed as dist

__all__ = ["normaliser", "process_mean"]


def process_mean(total: Tensor) -> Tensor:
    """Mean of a number over all processes, without a gradient; itself if there is one process."""
    if not (dist.is_available() and dist.is_initialized()):
        return total
    mean = total.detach().clone()
    dist.all_reduce(mean, op=dist.ReduceOp.SUM)
    return mean / dist.get_world_size()


def normaliser(total: Tensor) -> Tensor:
    """The divisor of a loss whose terms are summed over a batch: `total`, at least 1.

    Under DDP each process sees a part of the batch, and gradients are averaged over processes.
    Dividing each part by the mean of the parts' totals makes that average the gradient of the whole
    batch, which is divided by the sum of all.

    Args:
        total: sum of the assigned scores of this process's part, a scalar.
    """
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    return process_mean(total).clamp_min(1 / processes)
