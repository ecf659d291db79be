"""What the keys of `params.yaml` must keep together: rows that others name, and contradictions."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
# the weights of the start, and what our training does not offer.
PAPER_KEYS = ("name", "source", "assumed", "augmentation", "weights", "precision", "mixup")
_NO_WEIGHTS = "none"
# How the inputs of published weights are scaled: by ImageNet's mean and deviation (torchvision,
# timm), or as fractions in [0, 1] (ultralytics).
_SCALING_OF_WEIGHTS = {"imagenet": "imagenet", "coco": "none"}


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
        _check_references,
        _check_weights,
        _check_recipes,
        _check_options,
        _check_attention,
        _check_metrics,
        _check_selection,
    ):
        check(params, path)


def _check_papers(params: Params, path: Path) -> None:
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
        lists = {key: paper[key] for key in ("assumed", "augmentation") if key in paper}
        numbers = {k: v for k, v in paper.items() if k in settings and isinstance(v, int | float)}
        stated = build_record(kind, numbers | lists, where)
        for setting in stated.assumed:
            if setting not in (more := {*known, *stated.augmentation}):
                raise unknown("setting", setting, more, where=f"{where}: assumed")


@cache
def _stated(recipe: Any) -> type[Any]:
    """A record of the settings that a paper may state, with the bounds of a recipe's fields."""
    hints = typing.get_type_hints(recipe, include_extras=True)
    settings = [(key, hint | None, None) for key, hint in hints.items() if key != "paper"]
    ranges: Any = dataclasses.field(default_factory=dict)
    lists = [("assumed", tuple[str, ...], ()), ("augmentation", Options, ranges)]
    return dataclasses.make_dataclass("Stated", [*settings, *lists])


def _check_references(params: Params, path: Path) -> None:
    """Refuse names of rows that are not there, and two data sets that tables cannot tell apart."""
    for name, variant in params.variants.items():
        if variant.recipe not in params.recipes:
            where = f"{path}: variants: {name}: recipe"
            raise unknown("recipe", variant.recipe, params.recipes, where=where)
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


def _check_weights(params: Params, path: Path) -> None:
    """Refuse unknown weights, and those whose inputs were scaled in another way than here."""
    for name, variant in params.variants.items():
        words = (_NO_WEIGHTS, *_SCALING_OF_WEIGHTS)
        is_path = "/" in variant.weights or Path(variant.weights).suffix
        if variant.weights not in words and not is_path:
            where = f"{path}: variants: {name}: weights"
            raise unknown("weights", variant.weights, words, where=where)
        expected = _SCALING_OF_WEIGHTS.get(variant.weights)
        normalize = params.recipes[variant.recipe].normalize
        if expected not in (None, normalize):
            raise InputError(
                f"weights: {variant.weights} were trained with normalize: {expected}, recipe "
                f"{variant.recipe} says normalize: {normalize}",
                where=f"{path}: variants: {name}: weights",
                remedy=f"give the row a recipe with normalize: {expected}, or weights: none",
            )


@dataclass(frozen=True)
class _Contradiction:
    """Two keys of a recipe that do not go together.

    Args:
        keys: as the message names them; the first is the one that stands wrong.
        holds: whether a recipe has it.
        what: it comes to.
        remedy: that would do.
    """

    keys: tuple[str, str]
    holds: Callable[[Recipe], bool]
    what: str
    remedy: str


_CONTRADICTIONS = (
    _Contradiction(
        ("resize_px", "input_px"),
        lambda recipe: recipe.resize_px < recipe.input_px,
        "no crop of input_px fits into the resized image",
        "let resize_px be at least input_px",
    ),
    _Contradiction(
        ("plain_epochs", "epochs"),
        lambda recipe: recipe.plain_epochs > recipe.epochs,
        "more epochs are without mosaic than there are",
        "let plain_epochs be at most epochs",
    ),
    _Contradiction(
        ("warmup_epochs", "epochs"),
        lambda recipe: recipe.warmup_epochs > recipe.epochs,
        "training ends before the rate has risen to lr",
        "let warmup_epochs be at most epochs",
    ),
    _Contradiction(
        ("warmup_epochs", "schedule"),
        lambda recipe: recipe.warmup_epochs > 0 and recipe.schedule == "plateau",
        "a plateau schedule has no warm-up of the rate",
        "write warmup_epochs: 0, or take another schedule",
    ),
    _Contradiction(
        ("plateau_patience", "patience"),
        lambda recipe: recipe.schedule == "plateau" and recipe.patience <= recipe.plateau_patience,
        "training stops before the rate falls on a plateau",
        "let patience be larger than plateau_patience",
    ),
    _Contradiction(
        ("nominal_batch", "batch_size"),
        lambda recipe: 0 < recipe.nominal_batch < recipe.batch_size,
        "a step cannot be of fewer images than a batch",
        "let nominal_batch be 0 or at least batch_size",
    ),
    _Contradiction(
        ("head_lr", "head_epochs"),
        lambda recipe: recipe.head_epochs > 0 and recipe.head_lr == 0,
        "the classifier would learn nothing in the first stage",
        "let head_lr be above 0, or write head_epochs: 0",
    ),
    _Contradiction(
        ("nesterov", "momentum"),
        lambda recipe: recipe.nesterov and recipe.optimizer == "sgd" and recipe.momentum == 0,
        "Nesterov's method is one of momentum",
        "let momentum be above 0, or write nesterov: false",
    ),
)


def _check_recipes(params: Params, path: Path) -> None:
    """Refuse recipes that contradict themselves or the number of devices."""
    devices = params.train.devices
    for name, recipe in params.recipes.items():
        for pair in _CONTRADICTIONS:
            if pair.holds(recipe):
                first, second = ({key: getattr(recipe, key)} for key in pair.keys)
                raise InputError(
                    f"{_setting(first)} contradicts {_setting(second)}: {pair.what}",
                    where=f"{path}: recipes: {name}: {pair.keys[0]}",
                    remedy=pair.remedy,
                )
        if devices != "auto" and recipe.batch_size % devices:
            raise InputError(
                f"devices: {devices} cannot share batch_size: {recipe.batch_size} of recipe {name}",
                where=f"{path}: train: devices",
                remedy="take a number of devices that divides the batch, or another batch_size",
            )


def _setting(setting: Mapping[str, Any]) -> str:
    """A setting as it stands in the file."""
    ((key, value),) = setting.items()
    return f"{key}: {str(value).lower() if isinstance(value, bool) else value}"


def _check_options(params: Params, path: Path) -> None:
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


def _known_options(
    package: str, part: str, given: int, options: Mapping[str, Any], where: str
) -> None:
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


def _check_attention(params: Params, path: Path) -> None:
    """Refuse a row that names an attention and puts it nowhere."""
    for name, variant in params.variants.items():
        if variant.location == "none" and variant.attention != "none":
            raise InputError(
                f"attention: {variant.attention} stands nowhere with location: none",
                where=f"{path}: variants: {name}: location",
                remedy="name a place of the backbone, or write attention: none",
            )


def _check_metrics(params: Params, path: Path) -> None:
    """Refuse to compare, or to promote by, what is not scored."""
    scored = (*params.score.metrics, *ADDED_METRICS)
    named = {f"compare: metrics[{i}]": word for i, word in enumerate(params.compare.metrics)}
    for key, word in {**named, "promote: metric": params.promote.metric}.items():
        if word not in scored:
            raise unknown("scored metric", word, scored, where=f"{path}: {key}")


def _check_selection(params: Params, path: Path) -> None:
    """Refuse a checkpoint picked by a metric that the study does not compare."""
    for task in TASKS:
        metric = params.train.select.get(task)
        if metric not in params.compare.metrics:
            raise InputError(
                f"checkpoints of task {task} are picked by {metric or 'nothing'}, which is not "
                "compared",
                where=f"{path}: train: select: {task}",
                remedy=f"pick by one of {', '.join(params.compare.metrics)}, or add the metric to "
                "compare: metrics",
            )
