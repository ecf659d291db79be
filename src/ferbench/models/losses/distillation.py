"""Distillation: a network learns from the probabilities of trained ones as well as from labels.

Source: Hinton, Vinyals & Dean, "Distilling the knowledge in a neural network", arXiv:1503.02531.
L = (1 - s) CE(labels, z) + s T^2 CE(p, softmax(z / T)), where p is the mean over the teachers of
softmax(z_teacher / T). Each teacher sees the very image that the network sees, augmented, cropped
and mixed up, as Beyer et al., "Knowledge distillation: a good teacher is patient and consistent",
CVPR 2022, arXiv:2106.05237, recommend.
Differs: nothing. A teacher of another input size sees the image scaled to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2

from ferbench.errors import InputError
from ferbench.models.build import logits_of, task_of
from ferbench.models.weights import load_trained

__all__ = ["Distillation"]

_WHERE = "params.yaml: variants: options: loss: distillation"


class Distillation:
    """Cross-entropy with labels and with the mean probabilities of teachers.

    Args:
        network: that learns; teachers are put on its device. None for the CPU.
        counts: number of training faces of each class (K,); only their number is used.
        teachers: paths of trained networks (`model.pt` of a run), relative to the project. They
            stay as they are and are not saved with the network.
        share: s, of the teachers in the loss.
        temperature: T.

    Raises:
        InputError: a teacher is absent, damaged, no classifier or of another number of classes, or
            share or temperature is out of range.
    """

    TASK = "classify"
    SEES_IMAGES = True  # a training passes the images as a third argument

    def __init__(
        self,
        network: nn.Module | None = None,
        counts: Tensor | None = None,
        teachers: Sequence[str] = (),
        share: float = 0.5,
        temperature: float = 1.0,
    ) -> None:
        if not 0 <= share <= 1 or not temperature > 0:
            raise InputError(
                f"share {share} and temperature {temperature} define no distillation",
                where=_WHERE,
                remedy="give a share of 0 to 1 and a temperature above 0",
            )
        self.share, self.temperature = share, temperature
        self.teachers = [_teacher(Path(path), counts) for path in teachers]
        if network is not None:
            for teacher in self.teachers:
                teacher.to(next(network.parameters()).device)

    def __call__(self, logits: Tensor, target: Tensor, images: Tensor | None = None) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: z, (N, K).
            target: class indices (N,) or shares (N, K) of classes.
            images: fractions (N, C, H, W) that the network saw. None, as on val, where epochs are
                compared, for cross-entropy with the labels alone.

        Raises:
            InputError: there are images and no teachers to see them.
        """
        logits = logits.float()
        labels = F.cross_entropy(logits, target)
        if images is None:
            return labels
        expected = self.probabilities(images)
        learnt = F.cross_entropy(logits / self.temperature, expected) * self.temperature**2
        return (1 - self.share) * labels + self.share * learnt

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Mean probabilities (N, K) of the teachers at the temperature.

        Args:
            images: fractions (N, C, H, W).

        Raises:
            InputError: there are no teachers.
        """
        if not self.teachers:
            raise InputError(
                "no teachers",
                where=_WHERE,
                remedy="list trained networks, such as `teachers: [runs/<study>/.../model.pt]`",
            )
        each = [logits_of(teacher, images).float() for teacher in self.teachers]
        return torch.stack([F.softmax(z / self.temperature, dim=1) for z in each]).mean(dim=0)


def _teacher(path: Path, counts: Tensor | None) -> nn.Module:
    trained = load_trained(path)
    classes = len(trained.classes)
    if counts is not None and classes != len(counts):
        raise InputError(
            f"this teacher knows {classes} classes, the data set has {len(counts)}",
            where=path,
            remedy="take a teacher that was trained on the same classes",
        )
    if (task := task_of(trained.variant)) != "classify":
        raise InputError(
            f"this network is made to {task}",
            where=path,
            remedy="take a classifier as a teacher",
        )
    network = trained.network.requires_grad_(requires_grad=False)
    side = trained.recipe.input_px
    # Leaves an image of the same size as it is.
    scaled = nn.Sequential(v2.Resize((side, side), antialias=True), network)
    return scaled.to(memory_format=torch.channels_last)
