"""Which variant each variant is compared with: its control, whose difference from it is tested."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ferbench.config.params import Params, Variant

__all__ = ["control_of", "controls"]

_NONE = "none"


def control_of(params: Params, variant: str) -> str | None:
    """The variant that this one is compared with; None if there is none.

    The one that `study.controls` names. Otherwise, for a row with an attention, the study's row
    that is the same without it: `attention: none`, and backbone, conv, head, loss, recipe, weights
    and all other options equal; the location of no attention does not matter. Otherwise
    `study.control`, which itself has no control unless `study.controls` names one.

    Args:
        params: of the study.
        variant: a row of the variants table.
    """
    study = params.study
    if variant in study.controls:
        return study.controls[variant]
    if variant == study.control:
        return None
    return _without_attention(params.variants, variant) or study.control


def controls(params: Params) -> dict[str, str]:
    """The control of every variant that has one."""
    found = ((name, control_of(params, name)) for name in params.variants)
    return {name: control for name, control in found if control is not None}


def _without_attention(rows: Mapping[str, Variant], variant: str) -> str | None:
    """The first row that is the same but for the attention."""
    if rows[variant].attention == _NONE:
        return None
    plain = _stripped(rows[variant])
    same = (
        name for name, row in rows.items() if row.attention == _NONE and _stripped(row) == plain
    )
    return next(same, None)


def _stripped(row: Variant) -> Variant:
    """A row without its attention, and without the word for whose row it is."""
    options = {column: value for column, value in row.options.items() if column != "attention"}
    return replace(row, paper=_NONE, attention=_NONE, location=_NONE, options=options)
