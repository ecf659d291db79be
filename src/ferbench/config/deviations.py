"""Where our networks read a paper's text or its released code otherwise than it stands there.

A reading belongs to the cells of a variant's row, not to the row: it follows the part and its
options into every study, and goes when an option chooses the paper's own form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferbench.config.params import Recipe, Variant

__all__ = [
    "PHRASES",
    "READINGS",
    "Reading",
    "deviations",
    "idle_settings",
    "is_absent",
    "name_of",
    "phrase",
    "readings_of",
    "unstated_settings",
    "value_of",
]

# The networks of P0 that its released code has: YOLOv5 v7 and parts of it.
_YOLOV5 = ("yolov5s", "yolov5s4h", "cspd53")
# An option that a row does not give has its part's default.
_DEFAULT = None
_IDENTITY = "instead of over its one channel, which is the identity (released code)"


@dataclass(frozen=True)
class Reading:
    """One difference between a network and its paper.

    Args:
        paper: `p0` to `p4`.
        cells: what a row must have: by column, or by column and option as `attention.norm`, any of
            these words; None stands for an option that the row does not give.
        deviation: in words; empty if the paper does not state the matter.
        unstated: what the paper does not state, in words; empty if it states it.
        settings: of the recipe's `paper` that do not hold for these rows.
    """

    paper: str
    cells: Mapping[str, tuple[Any, ...]]
    deviation: str = ""
    unstated: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, variant: Variant) -> bool:
        """Whether a row has these cells."""
        return all(_cell(variant, key) in words for key, words in self.cells.items())


READINGS = (
    Reading(
        "p0",
        {"head": ("detect",), "backbone": _YOLOV5},
        "head: anchor-free instead of anchor-based (YOLOv5 v7)",
    ),
    Reading(
        "p0",
        {"head": ("detect",), "backbone": _YOLOV5, "conv": ("native",)},
        "activation: SiLU instead of LeakyReLU (released code)",
    ),
    Reading(
        "p0",
        {"attention": ("osam",), "attention.norm": (_DEFAULT, "spatial", "spatial_raw")},
        f"OSAM: softmax over positions {_IDENTITY}",
    ),
    Reading(
        "p0",
        {"attention": ("osam",), "attention.norm": ("sigmoid",)},
        f"OSAM: sigmoid instead of a softmax {_IDENTITY.removeprefix('instead of ')}",
    ),
    Reading(
        "p0",
        {"backbone": ("yolo",), "backbone.model": ("yolov3-tiny",)},
        "YOLOv3-tiny instead of YOLOv3",
    ),
    # Related methods of table 1: neither their sizes nor how they start is told.
    Reading(
        "p0",
        {"backbone": ("yolo", "yolov6", "yolov7t")},
        unstated="size of the network",
        settings={"weights": "unstated"},
    ),
    Reading(
        "p1",
        {"attention": ("sab",), "attention.gamma_scale": (_DEFAULT, "mean1")},
        "SAB: channel weights of mean 1 instead of sum 1 (equation 5)",
    ),
)


def readings_of(variant: Variant, paper: str) -> Iterator[Reading]:
    """The readings of a paper that a row's network makes."""
    return (one for one in READINGS if one.paper == paper and one.fits(variant))


def _cell(variant: Variant, key: str) -> Any:
    column, _, option = key.partition(".")
    return variant.options.get(column, {}).get(option) if option else getattr(variant, column)


# MERGED from ferbench.config.deviations:
# Settings of a training in plain words, for reports.


# Each setting in words, in the order of a report.
PHRASES = {
    "weights": "weights: {}",
    "epochs": "{} epochs",
    "head_epochs": "{} epochs of the classifier alone",
    "patience": "early stopping after {} epochs",
    "input_px": "input {} px",
    "resize_px": "images resized to {} px",
    "channels": "{} images",
    "normalize": "normalization: {}",
    "crops": "{}",
    "augment": "augmentation {}",
    "scale_gain": "scale {}",
    "mosaic": "mosaic of {} of the images",
    "plain_epochs": "mosaic off for the last {} epochs",
    "batch_size": "batch size {}",
    "nominal_batch": "gradients accumulated over {} images",
    "optimizer": "{}",
    "lr": "learning rate {}",
    "head_lr": "learning rate {} of the classifier alone",
    "momentum": "momentum {}",
    "nesterov": "{} momentum",
    "weight_decay": "weight decay {}",
    "schedule": "{} schedule",
    "lr_final": "learning rate falling to {} of its start",
    "plateau_factor": "plateau factor {}",
    "plateau_patience": "plateau patience {} epochs",
    "warmup_epochs": "{} epochs of warm-up",
    "warmup_bias_lr": "warm-up of biases from {}",
    "warmup_momentum": "warm-up of momentum from {}",
    "ema_decay": "moving average of decay {}",
    "ema_steps": "moving average ramped over {} steps",
    "clip_norm": "gradient norm at most {}",
    "bn_momentum": "batch-norm momentum {}",
}
# What the value 0 of a setting is called.
_ABSENT = {
    "head_epochs": "no epochs of the classifier alone",
    "scale_gain": "no scaling",
    "mosaic": "no mosaic",
    "plain_epochs": "mosaic to the last epoch",
    "nominal_batch": "no gradient accumulation",
    "weight_decay": "no weight decay",
    "warmup_epochs": "no warm-up",
    "ema_decay": "no moving average of the weights",
    "clip_norm": "no gradient clipping",
}
_NAMES = {
    "lr": "learning rate",
    "head_lr": "learning rate of the classifier alone",
    "lr_final": "final learning rate",
    "warmup_epochs": "warm-up",
    "warmup_bias_lr": "warm-up of biases",
    "warmup_momentum": "warm-up of momentum",
    "ema_decay": "moving average",
    "ema_steps": "ramp of the moving average",
    "clip_norm": "gradient clipping",
    "bn_momentum": "batch-norm momentum",
    "nesterov": "Nesterov momentum",
    "normalize": "normalization",
    "augment": "augmentation",
    "nominal_batch": "gradient accumulation",
    "plain_epochs": "last epochs without mosaic",
}
_WORDS: dict[str, dict[Any, str]] = {
    "channels": {1: "grey", 3: "colour"},
    "crops": {1: "one random crop an epoch", 10: "ten crops"},
    "optimizer": {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"},
    "nesterov": {True: "Nesterov", False: "plain"},
}
_FORMS: dict[str, Callable[[Any], str]] = {
    "scale_gain": lambda gain: f"{1 - gain:g} to {1 + gain:g}",
    "mosaic": lambda share: f"{100 * share:g} %",
}


def phrase(key: str, settings: Mapping[str, Any]) -> str:
    """A setting and its value: `batch size 64`, `no warm-up`."""
    if is_absent(key, settings):
        return _ABSENT[key]
    said = PHRASES.get(key, f"{name_of(key)} {{}}").format(value_of(key, settings))
    return re.sub(r"\b1 epochs", "1 epoch", said)


def is_absent(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether a setting's value means that training does without it."""
    return key in _ABSENT and settings[key] == 0


def value_of(key: str, settings: Mapping[str, Any]) -> str:
    """A setting's bare value: `100` of `epochs`, `Adam` of `optimizer`."""
    value = settings[key]
    if key == "crops" and value == 1 and settings["input_px"] == settings["resize_px"]:
        return "the whole image"
    if key in _FORMS:
        return _FORMS[key](value)
    if key in _WORDS:
        return _WORDS[key].get(value, str(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def name_of(key: str) -> str:
    """What a setting is called."""
    return _NAMES.get(key, key.replace("_px", " size").replace("_", " "))


# MERGED from ferbench.config.deviations:
# In what a training differs from its paper's, derived from the recipe's `paper` and what runs.
#
# `paper` holds the paper's own settings under the names of the recipe's, with `unstated` where
# neither the paper nor its released code gives one, and `assumed` for those that the recipe takes
# from the code that the paper builds on. A setting that has no effect, such as the final learning
# rate of a constant schedule, is not compared.


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
