"""Cross-entropy with what several raters said of a face, alone or mixed with its label.

Source: Barsoum, Zhang, Canton Ferrer & Zhang, "Training deep networks for facial expression
recognition with crowd-sourced label distribution", ICMI 2016, arXiv:1608.01041, its cross-entropy
loss: L = -(1/B) sum_i sum_k p_ik log softmax(z_i)_k, with p the shares of raters.
Differs: p may be mixed with the data set's own label, p = (1 - s) onehot(y) + s q; s = 1 is the
paper's. Votes for answers that are no class of the data set do not count. Raters may disagree with
the labels that a network is tested on: of 24,454 training faces of FER2013, FER+'s most frequent
answer is the label of 63 %. `calibrated` therefore takes for q the probability of each label given
the votes, by multinomial logistic regression on the training faces; the most probable label is the
right one for 68 % of these.
"""

from __future__ import annotations

import torch
from sklearn.linear_model import LogisticRegression
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
        calibrated: take the probabilities of labels given the votes instead of the votes' shares.

    Raises:
        InputError: the share is out of range.
    """

    TASK = "classify"
    USES_VOTES = True  # a training computes `expected` once and `targets` for every batch

    def __init__(
        self,
        network: object = None,
        counts: object = None,
        share: float = 1.0,
        *,
        calibrated: bool = False,
    ) -> None:
        del network, counts
        if not 0 <= share <= 1:
            raise InputError(
                f"{share} is not a share of the target",
                where="params.yaml: variants: options: loss: share",
                remedy="give a number from 0 to 1",
            )
        self.share, self.calibrated = share, calibrated

    def expected(self, votes: Tensor, labels: Tensor) -> Tensor:
        """The votes' part q of all targets, (N, K); the label alone for a face without votes.

        Args:
            votes: shares of raters (N, K); all 0 for a face without votes.
            labels: class indices (N,).
        """
        q = F.one_hot(labels, votes.shape[1]).to(votes)
        known = votes.sum(dim=1) > 0
        if not self.calibrated:
            q[known] = votes[known]
        elif known.any():
            rated, named = votes[known].cpu().numpy(), labels[known].cpu().numpy()
            model = LogisticRegression(max_iter=1000).fit(rated, named)
            given = torch.zeros_like(votes[known])
            columns = torch.from_numpy(model.classes_).to(votes.device)
            given[:, columns] = torch.from_numpy(model.predict_proba(rated)).to(votes)
            q[known] = given
        return q

    def targets(self, target: Tensor, expected: Tensor) -> Tensor:
        """What the network learns, shares (N, K).

        Args:
            target: class indices (N,) of the labels.
            expected: q of the same faces, (N, K).
        """
        labels = F.one_hot(target, expected.shape[1]).to(expected)
        return (1 - self.share) * labels + self.share * expected

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: z, (N, K).
            target: shares (N, K) of classes; class indices (N,) on val, where epochs are compared.
        """
        return F.cross_entropy(logits.float(), target)
