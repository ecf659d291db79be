"""How our networks and trainings differ from their papers', in plain sentences.

Differences are derived, never typed. Settings are compared with the recipe's `paper`, which holds
the paper's own under the names of the recipe's, with `unstated` where neither the paper nor its
released code gives one, and `assumed` for those that the recipe takes from the code that the paper
builds on. A setting without effect, such as the final learning rate of a constant schedule, is not
compared.

Networks are compared by `READINGS`: where ours read a paper's text or released code differently
from what it says. A reading applies to the parts and options of a variant's row, not to its name,
so it follows them into every study, and disappears when an option selects the paper's own form.

Data are compared with `data` of the recipe's `paper`: number of images and classes, and which of
the authors' parts serves as test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ferbench.config.params import Dataset, Recipe, Variant

__all__ = [
    "READINGS",
    "UNSTATED",
    "DataDeviation",
    "Reading",
    "data_deviations",
    "deviations",
    "idle_settings",
    "network_deviations",
    "recipe_deviations",
    "unstated_settings",
]

UNSTATED = "unstated"
# The protocol that tests on FER2013's PublicTest, which the competition meant for validation.
_PUBLIC = "official_public"
# Settings of a paper that no key of a recipe can express.
_NOT_IMPLEMENTED = ("mixup",)


@dataclass(frozen=True)
class Reading:
    """One difference between a network and its paper.

    Args:
        paper: `p0` to `p4`.
        row: which rows of the variants table it applies to: allowed values by column, or by column
            and option as in `attention.norm`; None stands for an option that the row leaves out.
        deviation: in words; empty if the paper does not state the matter.
        unstated: what the paper does not state, in words; empty if it states it.
        settings: of the recipe's `paper` that do not hold for these rows.
    """

    paper: str
    row: Mapping[str, tuple[Any, ...]]
    deviation: str = ""
    unstated: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, variant: Variant) -> bool:
        """Whether it applies to a row."""

        def value(key: str) -> Any:
            column, _, option = key.partition(".")
            return (
                variant.options.get(column, {}).get(option) if option else getattr(variant, column)
            )

        return all(value(key) in allowed for key, allowed in self.row.items())


# The networks of P0 that its released code has: YOLOv5 v7 and parts of it.
_YOLOV5 = ("yolov5s", "yolov5s4h", "cspd53")
_DEFAULT = None  # an option left out has its part's default
_IDENTITY = "over its one channel, which is the identity (released code)"

# Options of narrower tiers (`ferbench.config.tiers`), in words.
_TIERS = (
    Reading(
        "p0",
        {"backbone": _YOLOV5, "backbone.width": (0.25,)},
        "half the channels (YOLOv5n's width)",
    ),
    Reading(
        "p0",
        {"backbone": ("alexnet",), "backbone.width": (0.25,)},
        "a quarter of the channels",
    ),
    Reading("p0", {"head.hidden": (1024,)}, "hidden layers of 1024 instead of 4096"),
    Reading("p0", {"loss.cls_gain": (3.0,)}, "gain of the class scores 3 instead of 0.5"),
    Reading(
        "p1",
        {"backbone": ("vgg_improved", "resnet"), "backbone.width": (0.25,)},
        "a quarter of the channels",
    ),
    Reading(
        "p3",
        {"backbone": ("yolov6",), "backbone.width": (0.5,)},
        "half the channels (YOLOv6-N's width)",
    ),
    Reading(
        "p4",
        {"backbone": ("resnet",), "backbone.width": (0.25,)},
        "a quarter of the channels",
    ),
)

READINGS = (
    *_TIERS,
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
        f"OSAM: softmax over positions instead of {_IDENTITY}",
    ),
    Reading(
        "p0",
        {"attention": ("osam",), "attention.norm": ("sigmoid",)},
        f"OSAM: sigmoid instead of a softmax {_IDENTITY}",
    ),
    Reading(
        "p0",
        {"backbone": ("yolo",), "backbone.model": ("yolov3-tiny",)},
        "YOLOv3-tiny instead of YOLOv3",
    ),
    # Related methods of table 1, without their sizes or initial weights.
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


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class _Setting:
    """How a setting of a training is written.

    Args:
        phrase: with `{}` for its value.
        name: without a value; by default its key in words.
        absent: the phrase for 0, if 0 means that training does without it.
        values: in words, where they have them.
        form: writes all other values.
    """

    phrase: str
    name: str = ""
    absent: str = ""
    values: Mapping[Any, str] = field(default_factory=dict)
    form: Callable[[Any], str] = _plain


# In the order of a report.
_SETTINGS = {
    "weights": _Setting("weights: {}"),
    "epochs": _Setting("{} epochs"),
    "head_epochs": _Setting(
        "{} epochs of the classifier alone", absent="no epochs of the classifier alone"
    ),
    "patience": _Setting("early stopping after {} epochs"),
    "input_px": _Setting("input {} px"),
    "resize_px": _Setting("images resized to {} px"),
    "channels": _Setting("{} images", values={1: "grey", 3: "colour"}),
    "normalize": _Setting("normalization: {}", name="normalization"),
    "crops": _Setting("{}", values={1: "one random crop per epoch", 10: "ten crops"}),
    "augment": _Setting("augmentation {}", name="augmentation"),
    "scale_gain": _Setting(
        "scale {}", absent="no scaling", form=lambda gain: f"{1 - gain:g} to {1 + gain:g}"
    ),
    "mosaic": _Setting(
        "mosaic for {} of the images", absent="no mosaic", form=lambda share: f"{100 * share:g} %"
    ),
    "plain_epochs": _Setting(
        "mosaic off for the last {} epochs",
        name="last epochs without mosaic",
        absent="mosaic until the last epoch",
    ),
    "mixup_alpha": _Setting("mixup with alpha {}", name="mixup", absent="no mixup"),
    "batch_size": _Setting("batch size {}"),
    "nominal_batch": _Setting(
        "gradient accumulation over {} images",
        name="gradient accumulation",
        absent="no gradient accumulation",
    ),
    "optimizer": _Setting("{}", values={"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}),
    "lr": _Setting("learning rate {}", name="learning rate"),
    "head_lr": _Setting(
        "learning rate {} of the classifier alone", name="learning rate of the classifier alone"
    ),
    "momentum": _Setting("momentum {}"),
    "nesterov": _Setting(
        "{} momentum", name="Nesterov momentum", values={True: "Nesterov", False: "plain"}
    ),
    "weight_decay": _Setting("weight decay {}", absent="no weight decay"),
    "schedule": _Setting("{} schedule"),
    "lr_final": _Setting("learning rate decayed to {} of its start", name="final learning rate"),
    "plateau_factor": _Setting("plateau factor {}"),
    "plateau_patience": _Setting("plateau patience {} epochs"),
    "warmup_epochs": _Setting("{} epochs of warm-up", name="warm-up", absent="no warm-up"),
    "warmup_bias_lr": _Setting("warm-up of biases from {}", name="warm-up of biases"),
    "warmup_momentum": _Setting("warm-up of momentum from {}", name="warm-up of momentum"),
    "ema_decay": _Setting(
        "moving average of the weights with decay {}",
        name="moving average",
        absent="no moving average of the weights",
    ),
    "ema_steps": _Setting("moving average ramped over {} steps", name="ramp of the moving average"),
    "clip_norm": _Setting(
        "gradient clipping at norm {}", name="gradient clipping", absent="no gradient clipping"
    ),
    "bn_momentum": _Setting("batch-norm momentum {}", name="batch-norm momentum"),
}


def deviations(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """List what differs from the paper's own network and training, one sentence each.

    Empty for a variant or a recipe of no paper.
    """
    return (*recipe_deviations(variant, recipe), *network_deviations(variant, recipe))


def recipe_deviations(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """List what differs from the paper's own training; with any of it, a recipe is reduced."""
    if not (variant.has_paper and recipe.paper):
        return ()
    ours, theirs = _settings(variant, recipe, _readings(variant, recipe))
    found = [text for key in _compared(ours, theirs) if (text := _difference(key, ours, theirs))]
    missing = [
        f"{name} {theirs[name]:g} not implemented"
        for name in _NOT_IMPLEMENTED
        if theirs.get(name, 0) not in (0, UNSTATED)
    ]
    return (*found, *missing)


def network_deviations(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """List where our network reads the paper's text or released code differently."""
    if not (variant.has_paper and recipe.paper):
        return ()
    return tuple(one.deviation for one in _readings(variant, recipe) if one.deviation)


@dataclass(frozen=True)
class DataDeviation:
    """One difference between our data and the paper's.

    Args:
        text: in words.
        other_kind: scores on ours and on the paper's do not measure the same.
    """

    text: str
    other_kind: bool = False


def data_deviations(
    row: Dataset, facts: Mapping[str, Any], recipe: Recipe
) -> tuple[DataDeviation, ...]:
    """List what differs from the data that the recipe's paper describes.

    What the paper leaves out is not compared, nor is the size of a data set made of two.

    Args:
        row: the data set.
        facts: of `reports/data/<key>.json`: `images`, and `emotions` with the images of each class.
        recipe: of the variant, with the paper's `data` by source.
    """
    stated = recipe.paper.get("data", {}).get(row.tested_on, {})
    here = {"images": facts.get("images"), "classes": len(facts.get("emotions", ())) or None}
    found = []
    if row.protocol == _PUBLIC and stated.get("split", UNSTATED) != _PUBLIC:
        found.append(DataDeviation("PublicTest serves as test: no PrivateTest", other_kind=True))
    if row.trained_on != row.tested_on:
        here["images"] = None
    for what, ours in here.items():
        theirs = stated.get(what, UNSTATED)
        if ours is not None and theirs not in (UNSTATED, ours):
            labels = f" ({stated['labels']})" if what == "classes" and "labels" in stated else ""
            text = f"{ours:,} {what} instead of {theirs:,}{labels}"
            found.append(DataDeviation(text, other_kind=what == "classes"))
    return tuple(found)


def unstated_settings(variant: Variant, recipe: Recipe) -> tuple[str, ...]:
    """Names of the settings that the paper does not state: a condition of a result, no deviation.

    What our training does without, such as gradient clipping, is not listed.
    """
    if not (variant.has_paper and recipe.paper):
        return ()
    readings = _readings(variant, recipe)
    ours, theirs = _settings(variant, recipe, readings)
    idle, assumed = idle_settings(ours), theirs.get("assumed", ())

    def unstated(key: str, settings: Mapping[str, Any]) -> bool:
        return settings.get(key, UNSTATED) == UNSTATED or key in assumed

    names = [one.unstated for one in readings if one.unstated]
    for key in _ordered(ours):
        if unstated(key, theirs) and key not in idle and not _is_absent(key, ours):
            names.append(_name(key))
    if not unstated("augment", theirs):
        ranges = theirs.get("augmentation", {})
        names += [f"{_name(key)} of the augmentation" for key in ranges if unstated(key, ranges)]
    return tuple(names)


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


def _readings(variant: Variant, recipe: Recipe) -> list[Reading]:
    paper = recipe.paper.get("name", "")
    return [one for one in READINGS if one.paper == paper and one.fits(variant)]


def _settings(
    variant: Variant, recipe: Recipe, readings: list[Reading]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Ours, and the paper's as far as they hold for the variant's network."""
    theirs = dict(recipe.paper)
    for reading in readings:
        theirs |= reading.settings
    return {"weights": variant.weights, **recipe.settings()}, theirs


def _ordered(ours: Mapping[str, Any]) -> list[str]:
    """The keys of our settings in the order of a report; unknown ones last."""
    return [
        *(key for key in _SETTINGS if key in ours),
        *(key for key in ours if key not in _SETTINGS),
    ]


def _compared(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """The keys that the paper states and that have an effect in both."""
    mine, other = idle_settings(ours), idle_settings(theirs)
    # Not to resize, and not to stop early, are settings too.
    idle = (mine | other) - ((mine ^ other) & {"resize_px", "patience"})
    if ours["augment"] != theirs.get("augment"):
        idle |= {"scale_gain"}
    for key in _ordered(ours):
        if theirs.get(key, UNSTATED) != UNSTATED and key not in idle:
            yield key


def _difference(key: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """One setting's deviation in words; None if there is none."""
    if key == "patience":
        return _patience(ours, theirs)
    if ours[key] == theirs[key]:
        return None
    if _is_absent(key, ours):
        return f"{_phrase(key, ours)} instead of {_phrase(key, theirs)}"
    if key == "augment":
        return f"{_phrase(key, ours)} instead of {theirs[key]}{_ranges(theirs)}"
    other = "none" if _is_absent(key, theirs) else _value(key, theirs)
    return f"{_phrase(key, ours)} instead of {other}"


def _patience(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str | None:
    """Early stopping's deviation: only a patience shorter than the training has an effect."""
    epochs = ours["epochs"]
    mine = min(ours["patience"], epochs)
    other = epochs if theirs["patience"] == "none" else min(theirs["patience"], epochs)
    if mine == other:
        return None
    if mine == epochs:
        return f"no early stopping instead of {_phrase('patience', theirs)}"
    return f"{_phrase('patience', ours)} instead of {theirs['patience']}"


def _ranges(theirs: Mapping[str, Any]) -> str:
    """The paper's augmentation by its components, in brackets."""
    ranges = dict(theirs.get("augmentation", {}))
    if theirs.get("scale_gain", 0):
        ranges = {"scale": _value("scale_gain", theirs), **ranges}
    listed = ", ".join(f"{_name(name)} {value}" for name, value in ranges.items())
    return f" ({listed})" if listed else ""


def _setting(key: str) -> _Setting:
    return _SETTINGS.get(key) or _Setting(f"{_name(key)} {{}}")


def _phrase(key: str, settings: Mapping[str, Any]) -> str:
    """A setting and its value: `batch size 64`, `no warm-up`."""
    if _is_absent(key, settings):
        return _setting(key).absent
    return re.sub(r"\b1 epochs", "1 epoch", _setting(key).phrase.format(_value(key, settings)))


def _is_absent(key: str, settings: Mapping[str, Any]) -> bool:
    """Whether a setting's value means that training does without it."""
    return bool(_setting(key).absent) and settings[key] == 0


def _value(key: str, settings: Mapping[str, Any]) -> str:
    """A setting's bare value: `100` of `epochs`, `Adam` of `optimizer`."""
    value, setting = settings[key], _setting(key)
    if key == "crops" and value == 1 and settings["input_px"] == settings["resize_px"]:
        return "the whole image"
    if setting.values and value in setting.values:
        return setting.values[value]
    return setting.form(value)


def _name(key: str) -> str:
    given = _SETTINGS[key].name if key in _SETTINGS else ""
    return given or key.replace("_px", " size").replace("_", " ")
