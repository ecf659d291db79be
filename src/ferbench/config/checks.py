"""What the keys of `params.yaml` must keep together: rows that others name, and contradictions."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.config.records import Options, build_record
from ferbench.errors import InputError, unknown
from ferbench.plugins import parameters

if TYPE_CHECKING:
    from ferbench.config.params import Params, Recipe

__all__ = ["ADDED_METRICS", "COLUMNS", "PAPER_KEYS", "TASKS", "check_params"]

TASKS = ("classify", "detect")
# Columns of the variants table whose parts take options: their package, and how many arguments of
# a part are given by `ferbench.models.build`; those behind them are options.
COLUMNS = {
    "backbone": ("models.backbones", 4),
    "attention": ("models.attention", 1),
    "head": ("models.heads", 4),
    "loss": ("models.losses", 2),
}
# Rows of `results.csv` that scoring adds to those of `score.metrics` and that can be compared.
ADDED_METRICS = ("accuracy_any",)
# What a recipe's `paper` has besides settings of the recipe itself: the paper's name, where its
# settings are from, those that it leaves to the code it builds on, the ranges of its augmentation,
# the weights of the start, what our training does not offer, and its data sets by our source.
PAPER_KEYS = ("name", "source", "assumed", "augmentation", "weights", "precision", "mixup", "data")
# What a paper may say of a data set: images and classes in all, whose labels, and its split.
_DATA_KEYS = ("images", "classes", "labels", "split")
_NO_WEIGHTS = "none"
# How the inputs of published weights are scaled: by ImageNet's mean and deviation (torchvision,
# timm), or as fractions in [0, 1] (ultralytics; those for face recognition, as we load them).
_SCALING_OF_WEIGHTS = {"imagenet": "imagenet", "coco": "none", "faces": "none"}


def check_params(params: Params, path: Path) -> None:
    """Refuse a study whose keys are right one by one and do not go together.

    Args:
        params: of the file.
        path: the file, for messages.

    Raises:
        InputError: with the first contradiction.
    """
    for check in (
        _check_papers,
        _check_names,
        _check_controls,
        _check_variants,
        _check_recipes,
        _check_options,
        _check_metrics,
    ):
        check(params, str(path))


def _check_papers(params: Params, path: str) -> None:
    """Refuse unknown settings of a recipe's `paper`, and numbers that no recipe could have.

    Words are a paper's own: `unstated`, or what our training does not offer.
    """
    for name, recipe in params.recipes.items():
        where, paper = f"{path}: recipes: {name}: paper", recipe.paper
        recipe_type: Any = type(recipe)
        kind = _stated(recipe_type)
        settings = {field.name for field in dataclasses.fields(kind)}
        known = {*PAPER_KEYS, *settings}
        for key in paper:
            if key not in known:
                raise unknown("setting", key, known, where=where)
        _check_data(paper.get("data", {}), f"{where}: data")
        lists = {key: paper[key] for key in ("assumed", "augmentation") if key in paper}
        numbers = {k: v for k, v in paper.items() if k in settings and isinstance(v, int | float)}
        stated = build_record(kind, numbers | lists, where)
        for setting in stated.assumed:
            if setting not in (more := {*known, *stated.augmentation}):
                raise unknown("setting", setting, more, where=f"{where}: assumed")


def _check_data(data: Options, where: str) -> None:
    """Refuse unknown facts of a paper's data sets."""
    for source, stated in data.items():
        if strange := set(stated) - set(_DATA_KEYS):
            raise unknown("fact", min(strange), _DATA_KEYS, where=f"{where}: {source}")


@cache
def _stated(recipe: Any) -> type[Any]:
    """A record of the settings that a paper may state, with the bounds of a recipe's fields."""
    hints = typing.get_type_hints(recipe, include_extras=True)
    settings = [(key, hint | None, None) for key, hint in hints.items() if key != "paper"]
    ranges: Any = dataclasses.field(default_factory=dict)
    lists = [("assumed", tuple[str, ...], ()), ("augmentation", Options, ranges)]
    return dataclasses.make_dataclass("Stated", [*settings, *lists])


def _check_names(params: Params, path: str) -> None:
    """Refuse a control that is no variant, and two data sets that tables cannot tell apart."""
    control = params.study.control
    if control not in params.variants:
        raise unknown("variant", control, params.variants, where=f"{path}: study: control")
    seen: dict[tuple[str, str], str] = {}
    for key, row in params.datasets.items():
        first = seen.setdefault((row.name, row.protocol), key)
        if first != key:
            raise InputError(
                f"rows {first} and {key} have one name and one protocol",
                where=f"{path}: datasets",
                remedy="give one of them another `name`; tables know them by name and protocol",
            )


def _check_controls(params: Params, path: str) -> None:
    """Refuse controls that are no variants, and variants that are their own or each other's."""
    controls = params.study.controls
    for variant, control in controls.items():
        where = f"{path}: study: controls"
        for name in (variant, *([] if control is None else [control])):
            if name not in params.variants:
                raise unknown("variant", name, params.variants, where=where)
        if control is not None and variant in (control, controls.get(control)):
            what = "itself" if variant == control else f"{control}, which is compared with it"
            raise InputError(
                f"{variant} is compared with {what}",
                where=f"{where}: {variant}",
                remedy="name another variant, or write null for no control",
            )


def _check_variants(params: Params, path: str) -> None:
    """Refuse rows whose recipe or weights are unknown or do not go together with the rest."""
    for name, variant in params.variants.items():
        where = f"{path}: variants: {name}"
        if variant.recipe not in params.recipes:
            raise unknown("recipe", variant.recipe, params.recipes, where=f"{where}: recipe")
        if variant.location == "none" and variant.attention != "none":
            raise InputError(
                f"attention: {variant.attention} is placed nowhere by location: none",
                where=f"{where}: location",
                remedy="name a place of the backbone, or write attention: none",
            )
        words = (_NO_WEIGHTS, *_SCALING_OF_WEIGHTS)
        is_path = "/" in variant.weights or Path(variant.weights).suffix
        if variant.weights not in words and not is_path:
            raise unknown("weights", variant.weights, words, where=f"{where}: weights")
        expected = _SCALING_OF_WEIGHTS.get(variant.weights)
        normalize = params.recipes[variant.recipe].normalize
        if expected not in (None, normalize):
            raise InputError(
                f"weights: {variant.weights} were trained with normalize: {expected}, recipe "
                f"{variant.recipe} has normalize: {normalize}",
                where=f"{where}: weights",
                remedy=f"give the row a recipe with normalize: {expected}, or weights: none",
            )


def _check_recipes(params: Params, path: str) -> None:
    """Refuse recipes that contradict themselves or the number of devices."""
    devices = params.train.devices
    for name, recipe in params.recipes.items():
        for keys, what, remedy in _contradictions(recipe):
            first, second = (f"{key}: {_yaml(getattr(recipe, key))}" for key in keys.split())
            raise InputError(
                f"{first} contradicts {second}: {what}",
                where=f"{path}: recipes: {name}: {keys.split()[0]}",
                remedy=remedy,
            )
        if devices != "auto" and recipe.batch_size % devices:
            raise InputError(
                f"devices: {devices} cannot share batch_size: {recipe.batch_size} of recipe {name}",
                where=f"{path}: train: devices",
                remedy="take a number of devices that divides the batch, or another batch_size",
            )


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _contradictions(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Two keys that contradict each other, what they come to, and a remedy."""
    yield from _contradictions_of_schedule(recipe)
    if recipe.resize_px < recipe.input_px:
        what = "no crop of input_px fits into the resized image"
        yield "resize_px input_px", what, "let resize_px be at least input_px"
    if recipe.plain_epochs > recipe.epochs:
        what = "more epochs are without mosaic than there are"
        yield "plain_epochs epochs", what, "let plain_epochs be at most epochs"
    if 0 < recipe.nominal_batch < recipe.batch_size:
        what = "the effective batch cannot be smaller than a batch"
        yield "nominal_batch batch_size", what, "let nominal_batch be 0 or at least batch_size"
    if recipe.head_epochs > 0 and recipe.head_lr == 0:
        what = "the classifier would learn nothing in the first stage"
        yield "head_lr head_epochs", what, "let head_lr be above 0, or write head_epochs: 0"
    if recipe.nesterov and recipe.optimizer == "sgd" and recipe.momentum == 0:
        what = "Nesterov's method needs momentum"
        yield "nesterov momentum", what, "let momentum be above 0, or write nesterov: false"


def _contradictions_of_schedule(recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    on_plateau = recipe.schedule == "plateau"
    if recipe.warmup_epochs > recipe.epochs:
        what = "training ends before the rate has risen to lr"
        yield "warmup_epochs epochs", what, "let warmup_epochs be at most epochs"
    if recipe.warmup_epochs > 0 and on_plateau:
        what = "a plateau schedule has no warm-up of the rate"
        yield "warmup_epochs schedule", what, "write warmup_epochs: 0, or take another schedule"
    if on_plateau and recipe.patience <= recipe.plateau_patience:
        what = "training stops before the rate falls on a plateau"
        yield "plateau_patience patience", what, "let patience be larger than plateau_patience"


def _check_options(params: Params, path: str) -> None:
    """Refuse options that a part does not have; their values are checked where it is built."""
    for name, dataset in params.datasets.items():
        where = f"{path}: datasets: {name}: options"
        _known_options("data.sources", dataset.source, 0, dataset.options, where)
    for name, test in params.robustness.items():
        where = f"{path}: robustness: {name}: options"
        _known_options("evaluation.robustness", test.kind, 0, test.options, where)
    for name, variant in params.variants.items():
        for column, options in variant.options.items():
            package, given = COLUMNS[column]
            where = f"{path}: variants: {name}: options: {column}"
            _known_options(package, getattr(variant, column), given, options, where)


def _known_options(package: str, part: str, given: int, options: Options, where: str) -> None:
    """Refuse an option that is none of a part's parameters behind the first `given`."""
    taken = parameters(f"ferbench.{package}", part) if options else None
    if taken is None:  # no options, or a part whose source does not show them
        return
    known = taken[given:]
    for option in options:
        if not known:
            raise InputError(
                f"{part} has no options, not {option!r}", where=where, remedy="leave it out"
            )
        if option not in known:
            raise unknown(f"option of {part}", option, known, where=where)


def _check_metrics(params: Params, path: str) -> None:
    """Refuse to compare, promote or select by what is not scored or not compared."""
    scored, compared = (*params.score.metrics, *ADDED_METRICS), params.compare.metrics
    named = {f"compare: metrics[{i}]": word for i, word in enumerate(compared)}
    for key, word in {**named, "promote: metric": params.promote.metric}.items():
        if word not in scored:
            raise unknown("scored metric", word, scored, where=f"{path}: {key}")
    for task in TASKS:
        metric = params.train.select.get(task)
        if metric not in compared:  # what is selected must be what is reported
            raise InputError(
                f"checkpoints of task {task} are picked by {metric or 'nothing'}, which is not "
                "compared",
                where=f"{path}: train: select: {task}",
                remedy=f"pick by one of {', '.join(compared)}, or add the metric to compare: "
                "metrics",
            )
