"""Settings of a training in plain words, for reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["PHRASES", "is_absent", "name_of", "phrase", "value_of"]

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
