"""Cross-entropy with a weight a class.

Source: P3, equation of the weighted loss: L = -(1/B) sum w[y] log softmax(z)[y].
Differs: the formula's picture is lost; its legend (N, N_c, w_c) leaves the readings that
`class_weight` offers. It is divided by the batch size as printed; torch divides by the sum of
weights.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ferbench.models.loss_terms import class_weights

__all__ = ["WeightedCrossEntropy"]


class WeightedCrossEntropy:
    """Mean weighted negative log-likelihood of the right class.

    Args:
        network: not used.
        counts: number of training faces of each class (K,).
        class_weight: `none`, `inv_freq` N / (K N_c), `raw` N / N_c, or `mean1`.
        power: the weights are raised to it.
        clip: bound the weights to 0.1 to 10.

    Raises:
        InputError: the kind of weight is unknown, or it needs counts and there are none.
    """

    TASK = "classify"

    def __init__(
        self,
        network: object = None,
        counts: Tensor | None = None,
        *,
        class_weight: str = "none",
        power: float = 1.0,
        clip: bool = False,
    ) -> None:
        del network
        self._weights = class_weights(counts, class_weight, power=power, clip=clip)

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of logits (N, K) and class indices (N,), a scalar."""
        if self._weights is None:
            return F.cross_entropy(logits.float(), target)
        weights = self._weights.to(logits.device)
        total = F.cross_entropy(logits.float(), target, weight=weights, reduction="sum")
        return total / len(target)
