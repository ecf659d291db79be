"""Cross-entropy with what several raters said instead of one label.

Source: Barsoum, Zhang, Canton Ferrer & Zhang, "Training deep networks for facial expression
recognition with crowd-sourced label distribution", ICMI 2016, arXiv:1608.01041, its cross-entropy
loss: L = -(1/B) sum_i sum_k p_ik log softmax(z_i)_k, with p the shares of raters.
Differs: p may be mixed with the data set's own label, p = (1 - s) onehot(y) + s votes; s = 1 is the
paper's. Votes for answers that are no class of the data set do not count.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from ferbench.errors import InputError

__all__ = ["LabelDistribution"]


class LabelDistribution:
    """Mean cross-entropy with a mixture of label and raters' votes.

    Args:
        network: not used.
        counts: not used: all classes weigh the same.
        share: s, of the votes in the target.
        smoothing: share of the target that is spread evenly over all classes.

    Raises:
        InputError: a share is out of range.
    """

    TASK = "classify"
    USES_VOTES = True  # a training mixes votes into its targets by `targets`

    def __init__(
        self,
        network: object = None,
        counts: object = None,
        share: float = 1.0,
        smoothing: float = 0.0,
    ) -> None:
        del network, counts
        if not (0 <= share <= 1 and 0 <= smoothing < 1):
            raise InputError(
                f"share {share} and smoothing {smoothing} are no shares of a target",
                where="params.yaml: variants: options: loss: label_distribution",
                remedy="give a share of 0 to 1, and a smoothing of at least 0 and below 1",
            )
        self.share, self.smoothing = share, smoothing

    def targets(self, target: Tensor, votes: Tensor) -> Tensor:
        """What the network learns, shares (N, K).

        Args:
            target: class indices (N,) of the labels.
            votes: shares of raters (N, K).
        """
        labels = F.one_hot(target, votes.shape[1]).to(votes)
        return (1 - self.share) * labels + self.share * votes

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: z, (N, K).
            target: shares (N, K) of classes; class indices (N,) on val, where epochs are compared.
        """
        return F.cross_entropy(logits.float(), target, label_smoothing=self.smoothing)
