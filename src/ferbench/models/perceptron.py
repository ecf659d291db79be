"""Two hidden layers behind a flattened map, the classifier of VGG and AlexNet, and dropout."""

from __future__ import annotations

from torch import nn

from ferbench.errors import InputError
from ferbench.models.options import check_option

__all__ = ["dropout_of", "perceptron"]

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
