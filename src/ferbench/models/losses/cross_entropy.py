"""Cross-entropy.

Source: P1 and P4 train with it; L = -(1/B) sum log softmax(z)[y]. Label smoothing, which neither
has: Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016, arXiv:1512.00567, section
7.
Differs: nothing.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ferbench.errors import InputError

__all__ = ["CrossEntropy"]


class CrossEntropy:
    """Mean negative log-likelihood of the right class.

    Args:
        network: not used.
        counts: not used: all classes weigh the same.
        smoothing: share of the target that is spread evenly over all classes.

    Raises:
        InputError: the share is not in [0, 1).
    """

    TASK = "classify"

    def __init__(
        self, network: object = None, counts: object = None, smoothing: float = 0.0
    ) -> None:
        del network, counts
        if not 0 <= smoothing < 1:
            raise InputError(
                f"label smoothing of {smoothing} is not a share of the target",
                where="params.yaml: variants: options: loss: smoothing",
                remedy="give a number of at least 0 and below 1",
            )
        self.smoothing = smoothing

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, K) and class indices (N,) or shares (N, K) of them, a scalar."""
        return F.cross_entropy(logits.float(), target, label_smoothing=self.smoothing)
