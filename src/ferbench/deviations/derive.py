"""In what a training differs from its paper's, derived from the recipe's `paper` and what runs.

`paper` holds the paper's own settings under the names of the recipe's, with `unstated` where
neither the paper nor its released code gives one, and `assumed` for those that the recipe takes
from the code that the paper builds on. A setting that has no effect, such as the final learning
rate of a constant schedule, is not compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ferbench.deviations.readings import Reading, readings_of
from ferbench.deviations.words import PHRASES, is_absent, name_of, phrase, value_of
from ferbench.params import Recipe, Variant

__all__ = ["deviations", "idle_settings", "unstated_settings"]

_UNSTATED = "unstated"
# Settings of a paper that no key of a recipe can express.
_NOT_IMPLEMENTED = ("mixup",)


def deviations(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """What differs from the paper's own network and training, one plain sentence each.

    Empty for a variant or a recipe of no paper.
    """
    if not (variant.has_paper and recipe.paper):
        return ()
    ours, theirs = _ours(variant, recipe), _theirs(variant, recipe)
    found = [said for key in _compared(ours, theirs) if (said := _difference(key, ours, theirs))]
    missing = [
        f"{name} {theirs[name]:g} not implemented"
        for name in _NOT_IMPLEMENTED
        if theirs.get(name, 0) not in (0, _UNSTATED)
    ]
    read = [reading.deviation for reading in _readings(variant, recipe) if reading.deviation]
    return (*found, *missing, *read)


def unstated_settings(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """Names of the settings that the paper does not state: a condition of a result, no deviation.

    What our training does without, such as gradient clipping, is not listed.
    """
    if not (variant.has_paper and recipe.paper):
        return ()
    ours, theirs = _ours(variant, recipe), _theirs(variant, recipe)
    idle, assumed = idle_settings(ours), theirs.get("assumed", ())

    def open_(key: str, settings: Mapping[str, Any]) -> bool:
        return settings.get(key, _UNSTATED) == _UNSTATED or key in assumed

    keys = [key for key in _ordered(ours) if open_(key, theirs) and key not in idle]
    names = [one.unstated for one in _readings(variant, recipe) if one.unstated]
    names += [name_of(key) for key in keys if not is_absent(key, ours)]
    if open_("augment", theirs):
        return tuple(names)
    ranges = theirs.get("augmentation", {})
    return (
        *names,
        *(f"{name_of(key)} of the augmentation" for key in ranges if open_(key, ranges)),
    )


def idle_settings(settings: Mapping[str, Any]) -> frozenset[str]:
    """The keys that have no effect beside the other values, such as the ramp of no average."""
    rules = {
        ("head_lr",): not settings.get("head_epochs"),
        ("nesterov",): settings.get("optimizer") != "sgd",
        ("lr_final",): settings.get("schedule") not in ("linear", "cosine"),
        ("plateau_factor", "plateau_patience"): settings.get("schedule") != "plateau",
        ("warmup_bias_lr", "warmup_momentum"): not settings.get("warmup_epochs"),
        ("ema_steps",): not settings.get("ema_decay"),
        ("plain_epochs",): not settings.get("mosaic"),
        ("resize_px",): settings.get("resize_px") == settings.get("input_px"),
        ("patience",): settings.get("patience") == settings.get("epochs"),
    }
    return frozenset(key for keys, idle in rules.items() if idle for key in keys)


def _ours(variant: Variant, recipe: Recipe) -> dict[str, Any]:
    """All settings of a training, those of the variant's row included."""
    return {"weights": variant.weights, **recipe.settings()}


def _theirs(variant: Variant, recipe: Recipe) -> dict[str, Any]:
    """The paper's settings as far as they hold for the variant's network."""
    theirs = dict(recipe.paper)
    for reading in _readings(variant, recipe):
        theirs |= reading.settings
    return theirs


def _readings(variant: Variant, recipe: Recipe) -> list[Reading]:
    return list(readings_of(variant, recipe.paper.get("name", "")))


def _ordered(ours: Mapping[str, Any]) -> list[str]:
    """The keys of a training's settings in the order of a report; unknown ones last."""
    return [*(key for key in PHRASES if key in ours), *(key for key in ours if key not in PHRASES)]


def _compared(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """The keys that the paper states and that have an effect on both sides."""
    mine, other = idle_settings(ours), idle_settings(theirs)
    # Not to resize, and not to stop early, are settings too.
    idle = (mine | other) - ((mine ^ other) & {"resize_px", "patience"})
    if ours["augment"] != theirs.get("augment"):
        idle |= {"scale_gain"}
    for key in _ordered(ours):
        if theirs.get(key, _UNSTATED) != _UNSTATED and key not in idle:
            yield key


def _difference(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """One setting's deviation in words; None if there is none."""
    if key == "patience":
        return _patience(ours, theirs)
    if ours[key] == theirs[key]:
        return None
    if is_absent(key, ours):
        return f"{phrase(key, ours)} instead of {phrase(key, theirs)}"
    if key == "augment":
        return f"{phrase(key, ours)} instead of {theirs[key]}{_ranges(theirs)}"
    other = "none" if is_absent(key, theirs) else value_of(key, theirs)
    return f"{phrase(key, ours)} instead of {other}"


def _patience(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Early stopping's deviation: only a patience shorter than the training has an effect."""
    epochs = ours["epochs"]
    mine = min(ours["patience"], epochs)
    other = epochs if theirs["patience"] == "none" else min(theirs["patience"], epochs)
    if mine == other:
        return None
    if mine == epochs:
        return f"no early stopping instead of {phrase('patience', theirs)}"
    return f"{phrase('patience', ours)} instead of {theirs['patience']}"


def _ranges(theirs: Mapping[str, Any]) -> str:
    """The paper's augmentation by its components, in brackets."""
    ranges = dict(theirs.get("augmentation", {}))
    if theirs.get("scale_gain", 0):
        ranges = {"scale": value_of("scale_gain", theirs), **ranges}
    said = ", ".join(f"{name_of(name)} {value}" for name, value in ranges.items())
    return f" ({said})" if said else ""
