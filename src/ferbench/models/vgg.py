"""The four stages that the VGG of IVSA and the one it builds on have in common."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, attend
from ferbench.models.options import check_option

__all__ = ["VGGStages", "dropout_of", "perceptron"]

_WIDTHS = (64, 128, 256, 512)


class VGGStages(nn.Module):
    """Four stages of two 3x3 convolutions with norm and activation, each ended by a pooling.

    Args:
        attention: the part that stands at `location`.
        location: `stage_end`: after each stage's pooling; `before_pool`: before it; or neither.
        conv: the unit whose activation replaces the network's own.
        channels: of the image.
        activation: the network's own.

    Shape:
        (N, channels, H, W) -> (N, 512, H / 16, W / 16)
    """

    LOCATIONS = ("none", "stage_end", "before_pool")

    def __init__(
        self,
        attention: Attention,
        location: str,
        conv: ConvUnit,
        channels: int,
        activation: type[nn.Module],
    ) -> None:
        super().__init__()

        def unit(c_in: int, c_out: int) -> list[nn.Module]:
            # The biases stand before a norm, where they do nothing; the parameter counts have them.
            convolution = nn.Conv2d(c_in, c_out, 3, padding=1)
            return [convolution, nn.BatchNorm2d(c_out), conv.module() or activation()]

        stages: list[nn.Module] = []
        for c_in, c_out in pairwise((channels, *_WIDTHS)):
            stage = nn.Sequential(*unit(c_in, c_out), *unit(c_out, c_out))
            stages += [stage, nn.MaxPool2d(2)]
            if location != "none":
                place = len(stages) - (location == "before_pool")
                stages.insert(place, attend(attention, c_out, stage))
        self.stages = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        """The last stage's map."""
        return self.stages(x)


# MERGED from ferbench.models.vgg:
# Two hidden layers behind a flattened map, the classifier of VGG and AlexNet, and dropout.


_DROPOUT_AT = ("outputs", "inputs")


def perceptron(
    widths: tuple[int, int, int],
    activation: type[nn.Module],
    dropout: float,
    dropout_at: str = "outputs",
    flat: nn.Module | None = None,
) -> nn.Sequential:
    """Layers 1, 4 and 7 are the linear ones, whatever the options.

    Args:
        widths: of the flattened map, of the hidden layers, of the answer.
        activation: of the hidden layers.
        dropout: share of zeroed values.
        dropout_at: `outputs` of the hidden layers, or their `inputs`.
        flat: from a map (N, C, H, W) to (N, C·H·W); None flattens it as it is.

    Raises:
        InputError: an option's value is unknown or no share.
    """
    check_option("head fc4096", "dropout_at", dropout_at, _DROPOUT_AT)
    inputs, hidden, classes = widths
    flat = flat or nn.Flatten()
    if dropout_at == "inputs":
        flat = nn.Sequential(flat, dropout_of(dropout))
    last_drop = dropout_of(dropout) if dropout_at == "outputs" else nn.Identity()
    return nn.Sequential(
        flat,
        *(nn.Linear(inputs, hidden), dropout_of(dropout), activation()),
        *(nn.Linear(hidden, hidden), last_drop, activation()),
        nn.Linear(hidden, classes),
    )


def dropout_of(share: float) -> nn.Dropout:
    """Dropout of a share of values.

    Raises:
        InputError: it is no share, or all.
    """
    if not 0 <= share < 1:
        raise InputError(
            f"dropout must be a share below 1, is {share!r}",
            where="params.yaml: variants",
            remedy="such as 0.5",
        )
    return nn.Dropout(share)
