"""`params.yaml` as frozen dataclasses; its only reader.

`params.yaml` is always the active study. A key that is unknown, missing, given twice or of the
wrong type is an error that names the file, the key and the remedy; so are a number out of its
range, a word that names no part, and keys that contradict each other. The range or the package of
parts stands beside each field. Names that point to another row are checked when the file is read,
not hours later.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ferbench.config.catalogue import expand, read_yaml
from ferbench.config.records import Entries, Keys, Line, Range, build_record, build_value
from ferbench.errors import InputError, unknown
from ferbench.plugins import Part, parameters

__all__ = [
    "ADDED_METRICS",
    "PAPER_KEYS",
    "Audit",
    "Compare",
    "Dataset",
    "Explain",
    "Latency",
    "Params",
    "Promote",
    "Recipe",
    "RobustnessTest",
    "Score",
    "Study",
    "Train",
    "Validate",
    "Variant",
    "load_params",
]

# What a recipe's `paper` has besides settings of the recipe itself: the paper's name, where its
# settings are from, those that it leaves to the code it builds on, the ranges of its augmentation,
# the weights of the start, and what our training does not offer.
PAPER_KEYS = ("name", "source", "assumed", "augmentation", "weights", "precision", "mixup")
# Names become DVC stage names (joined by `-`), folders and tags.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
TASKS = ("classify", "detect")
# Rows of `results.csv` that scoring adds to those of `score.metrics` and that can be compared.
ADDED_METRICS = ("accuracy_any",)
# Columns of the variants table whose parts take options: their package, and how many arguments of
# a part are given by `ferbench.models.build`; those behind them are options.
_COLUMNS = {
    "backbone": ("models.backbones", 4),
    "attention": ("models.attention", 1),
    "head": ("models.heads", 4),
    "loss": ("models.losses", 2),
}
_NO_WEIGHTS = "none"
# How the inputs of published weights are scaled: by ImageNet's mean and deviation (torchvision,
# timm), or as fractions in [0, 1] (ultralytics).
_SCALING_OF_WEIGHTS = {"imagenet": "imagenet", "coco": "none"}

# Types that several fields share; what holds for one field alone stands beside it.
_Text = Annotated[str, Line()]
_Count = Annotated[int, Range(min=1, max=1_000_000)]
_CountOrNone = Annotated[int, Range(min=0, max=1_000_000)]  # 0 switches something off
_Pixels = Annotated[int, Range(min=8, max=4096)]
_Threads = Annotated[int, Range(min=1, max=1024)]
_Seed = Annotated[int, Range(min=0, max=2**32 - 1)]
_Share = Annotated[float, Range(min=0, max=1)]
_Rate = Annotated[float, Range(min=0, max=100)]
_Momentum = Annotated[float, Range(min=0, below=1)]
_Metric = Annotated[str, Part("evaluation.metrics", "metric")]


@dataclass(frozen=True)
class Study:
    """What this study is.

    Args:
        name: also the folder of its outputs.
        title: one line for the report.
        baseline: the variant that all others are compared with.
        answers: the paper tables it answers, such as `P0-T2`.
    """

    name: str
    title: _Text
    baseline: str
    answers: Annotated[tuple[_Text, ...], Entries()]


@dataclass(frozen=True)
class Dataset:
    """A data set under a protocol.

    Args:
        name: of the data set in tables; two rows may share it under different protocols.
        source: the file of `ferbench.data.sources` that reads it.
        archive: where it is, instead of the source's own archive names: a file or a folder.
        protocol: the file of `ferbench.data.protocols` that splits it.
        conflicts: equal images with different labels: `drop_all`, `majority` or `keep_first`.
        limit: at most so many images, drawn evenly over classes; null for all.
        max_side_px: longest side of a packed image; larger ones are scaled down; null to keep all.
        resplit: every seed draws a split of its own, as papers that report "ten rounds" do.
        options: options of the source.
    """

    name: _Text
    source: Annotated[str, Part("data.sources", "source")]
    archive: _Text | None
    protocol: Annotated[str, Part("data.protocols", "protocol")]
    conflicts: Literal["drop_all", "majority", "keep_first"]
    limit: Annotated[int, Range(min=1)] | None
    max_side_px: _Pixels | None
    resplit: bool
    options: Mapping[str, Any]

    @property
    def trained_on(self) -> str:
        """The source that is learnt from: another than `source` where two make one data set."""
        return str(self.options.get("train", self.source))

    @property
    def tested_on(self) -> str:
        """The source of the test images, likewise."""
        return str(self.options.get("test", self.source))


@dataclass(frozen=True)
class Variant:
    """One whole row of the variants table: which part stands in which place.

    Args:
        paper: `p0` to `p4`, or another word for rows of no paper.
        backbone: a file of `ferbench.models.backbones`; conv, attention, head and loss likewise.
        conv: the unit behind convolutions.
        attention: the part that stands at `location`.
        location: a place that the backbone has.
        head: from features to outputs.
        loss: that is minimised.
        recipe: a row of the recipes.
        options: by column, options of that column's part, such as `{attention: {repeat: 2}}`.
        weights: of the start: `none`, `imagenet`, `coco`, or the path of a file.
    """

    paper: _Text
    backbone: Annotated[str, Part("models.backbones", "backbone")]
    conv: Annotated[str, Part("models.convs", "conv")]
    attention: Annotated[str, Part("models.attention", "attention")]
    location: _Text
    head: Annotated[str, Part("models.heads", "head")]
    loss: Annotated[str, Part("models.losses", "loss")]
    recipe: str
    options: Annotated[Mapping[str, Mapping[str, Any]], Keys(tuple(_COLUMNS))]
    weights: _Text

    @property
    def has_paper(self) -> bool:
        """Whether the row is one of a paper's."""
        return re.fullmatch(r"p\d+", self.paper) is not None


@dataclass(frozen=True)
class Recipe:
    """How a variant is trained.

    Args:
        input_px: side of the network's input.
        resize_px: side an image is brought to before a crop of `input_px` is taken.
        channels: 1 for grey, 3 for colour.
        normalize: `none` feeds fractions in [0, 1]; `imagenet` takes ImageNet's mean and deviation.
        augment: the file of `ferbench.data.augmentations`.
        scale_gain: YOLO's isotropic scale gain g, for augmentations `p0` and `p3`: an image is
            scaled by one factor drawn from 1 - g to 1 + g.
        mosaic: share of a detector's training images that are put together of four.
        plain_epochs: so many last epochs are without mosaic.
        crops: 10 trains on all ten crops of an image and averages them in prediction; 1 does not.
        batch_size: images a batch.
        nominal_batch: batches are gathered to steps of so many images; 0 for a step each batch.
        head_epochs: epochs of a first stage, in which the classifier alone learns; 0 for none.
        head_lr: learning rate of that stage.
        epochs: at most; of the second stage, if there are two.
        patience: epochs without a better validation score before training stops.
        optimizer: `sgd`, `adam` or `adamw`.
        lr: learning rate at the start.
        momentum: of SGD; the first beta of Adam.
        nesterov: for SGD.
        weight_decay: on weights of convolutions and linear layers, none on norms and biases.
        schedule: `constant`, `linear`, `cosine` or `plateau`.
        lr_final: last learning rate as a fraction of `lr`, for `linear` and `cosine`.
        warmup_epochs: epochs over which the rate rises from 0.
        warmup_bias_lr: rate of the biases at the start of the warm-up, from where it falls.
        warmup_momentum: momentum at the start of the warm-up.
        plateau_factor: what the rate is multiplied with on a plateau.
        plateau_patience: epochs without a better validation score that make a plateau.
        ema_decay: decay of the weights' moving average; 0 for none.
        ema_steps: time constant, in steps, of the ramp of that decay.
        clip_norm: bound of the gradient's norm; 0 for none.
        bn_momentum: of every BatchNorm.
        precision: Lightning's word for the precision that is trained in; a hyper-parameter like any
            other, since rounding changes what a run learns.
        paper: the paper's own settings, with which `ferbench.config.deviations` compares those
            above; empty for a recipe of no paper.
    """

    input_px: _Pixels
    resize_px: _Pixels
    channels: Literal[1, 3]
    normalize: Literal["none", "imagenet"]
    augment: Annotated[str, Part("data.augmentations", "augmentation")]
    scale_gain: Annotated[float, Range(min=0, below=1)]
    mosaic: _Share
    plain_epochs: _CountOrNone
    crops: Literal[1, 10]
    batch_size: _Count
    nominal_batch: _CountOrNone
    head_epochs: _CountOrNone
    head_lr: _Rate
    epochs: _Count
    patience: _Count
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Annotated[float, Range(above=0, max=100)]
    momentum: _Momentum
    nesterov: bool
    weight_decay: _Share
    schedule: Literal["constant", "linear", "cosine", "plateau"]
    lr_final: _Share
    warmup_epochs: _CountOrNone
    warmup_bias_lr: _Rate
    warmup_momentum: _Momentum
    plateau_factor: Annotated[float, Range(above=0, below=1)]
    plateau_patience: _CountOrNone
    ema_decay: Annotated[float, Range(min=0, below=1)]
    ema_steps: _Count
    clip_norm: Annotated[float, Range(min=0)]
    bn_momentum: Annotated[float, Range(above=0, max=1)]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    paper: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """Every key that decides how a network is trained, which is all but `paper`."""
        return {key: value for key, value in asdict(self).items() if key != "paper"}


@dataclass(frozen=True)
class Validate:
    """Promises that a data set must keep.

    Args:
        min_images: of the whole set after dedup.
        min_images_per_emotion: of every class after dedup.
        max_quarantined_share: share of listed images that may be unusable.
        min_side_px: smallest width or height.
    """

    min_images: Annotated[int, Range(min=0)]
    min_images_per_emotion: Annotated[int, Range(min=0)]
    max_quarantined_share: _Share
    min_side_px: Annotated[int, Range(min=1, max=4096)]


@dataclass(frozen=True)
class Train:
    """Where runs are trained, and what picks their checkpoint.

    Args:
        accelerator: Lightning's word: `auto`, `cpu`, `gpu`.
        devices: number of devices of one run; `auto` is one. More than one means DDP: the batch is
            shared out, so that the effective batch and the number of steps stay what they are.
        threads: of one run on a CPU.
        progress: show a progress bar.
        select: the metric on val that picks a checkpoint, by task: one that the study compares, for
            what is selected must be what is reported.
    """

    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Annotated[int, Range(min=1, max=1024)] | Literal["auto"]
    threads: _Threads
    progress: bool
    select: Annotated[Mapping[str, _Metric], Keys(TASKS)]


@dataclass(frozen=True)
class Audit:
    """What counts as a leak between the sides of a split, and as no picture of a face.

    Args:
        near_bits: near duplicates have perceptual hashes that differ in at most so many of 64 bits.
        flat_deviation: the grey values (0 to 255) of a flat image deviate by less.
    """

    # Unrelated pictures differ in half of the bits; no deviation of bytes is above 127.5.
    near_bits: Annotated[int, Range(min=0, below=32)]
    flat_deviation: Annotated[float, Range(min=0, max=127.5)]


@dataclass(frozen=True)
class RobustnessTest:
    """A protocol that shows trained networks altered test images.

    Args:
        kind: the file of `ferbench.evaluation.robustness`.
        options: of it.
    """

    kind: Annotated[str, Part("evaluation.robustness", "robustness test")]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Latency:
    """One way to time every variant's deployed network.

    Args:
        batch: images a call.
        precision: of weights and images.
        threads: on a CPU.
        warm_up: calls before the clock starts.
        iterations: timed calls of one repeat.
        repeats: of which the median is reported.
    """

    batch: _Count
    precision: Literal["float32", "bfloat16", "float16"]
    threads: _Threads
    warm_up: _CountOrNone
    iterations: _Count
    repeats: _Count


@dataclass(frozen=True)
class Explain:
    """What is drawn of every variant's first seed, on test.

    Args:
        methods: files of `ferbench.evaluation.explanations`.
        images: so many test images, spread over the classes.
    """

    methods: Annotated[
        tuple[Annotated[str, Part("evaluation.explanations", "method")], ...], Entries(1)
    ]
    images: Annotated[int, Range(min=1, max=1000)]


@dataclass(frozen=True)
class Score:
    """Which numbers are computed.

    Args:
        metrics: files of `ferbench.evaluation.metrics`.
        score_threshold: a detector's box below it does not count as an answer.
        interval: the file of `ferbench.stats.intervals` for means over seeds.
    """

    metrics: Annotated[tuple[_Metric, ...], Entries(1)]
    score_threshold: _Share
    interval: Annotated[str, Part("stats.intervals", "interval")]


@dataclass(frozen=True)
class Compare:
    """Which tests are run on which metrics.

    Args:
        metrics: rows of `results.csv` that are compared: some of `score.metrics`, `accuracy_any`.
        tests: files of `ferbench.stats.comparisons`, of pairs.
        omnibus: files of `ferbench.stats.omnibus`, of all variants at once.
        correction: the file of `ferbench.stats.corrections`, over all pairs of a table.
        alpha: level of significance.
    """

    metrics: Annotated[tuple[str, ...], Entries(1)]
    tests: Annotated[tuple[Annotated[str, Part("stats.comparisons", "test")], ...], Entries()]
    omnibus: Annotated[tuple[Annotated[str, Part("stats.omnibus", "omnibus test")], ...], Entries()]
    correction: Annotated[str, Part("stats.corrections", "correction")]
    alpha: Annotated[float, Range(above=0, below=1)]


@dataclass(frozen=True)
class Promote:
    """The gates before alias `champion`.

    Args:
        metric: the scored metric that a champion must lead in, on val.
        min_gain: by how much a challenger must be better than the champion.
        min_class_recall: no class may be recalled less often, on val.
    """

    metric: str
    min_gain: _Share
    min_class_recall: _Share


@dataclass(frozen=True)
class Params:
    """The whole of `params.yaml`."""

    study: Study
    seeds: Annotated[tuple[_Seed, ...], Entries(1)]
    datasets: Annotated[Mapping[str, Dataset], Entries(1)]
    variants: Annotated[Mapping[str, Variant], Entries(1)]
    recipes: Mapping[str, Recipe]
    split: Annotated[Mapping[str, _Seed], Keys(("seed",), whole=True)]
    validate: Validate
    train: Train
    audit: Audit
    robustness: Mapping[str, RobustnessTest]
    latency: Mapping[str, Latency]
    explain: Mapping[str, Explain]
    score: Score
    compare: Compare
    promote: Promote

    def recipe_of(self, variant: str) -> Recipe:
        """The recipe of a variant's row."""
        return self.recipes[self.variants[variant].recipe]


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a parameter file.

    Raises:
        InputError: the file is absent, is no YAML, or a key, word or number in it is wrong.
    """
    if not path.is_file():
        raise InputError(
            "no parameter file",
            where=path,
            remedy="run from the project's folder; `ferbench study use demo` puts a study in place",
        )
    tree = expand(read_yaml(path), path)
    _check_papers(tree, path)
    params: Params = build_record(Params, tree, where=str(path))
    _check_names(params, path)
    _check_weights(params, path)
    _check_recipes(params, path)
    _check_options(params, path)
    _check_attention(params, path)
    _check_metrics(params, path)
    _check_selection(params, path)
    return params


def _check_papers(tree: Any, path: Path) -> None:
    """Refuse typed deviations, and words that are no setting in a recipe's `paper`."""
    recipes = tree.get("recipes") if isinstance(tree, dict) else None
    rows = recipes.items() if isinstance(recipes, dict) else ()
    for name, row in [(name, row) for name, row in rows if isinstance(row, dict)]:
        if "deviations" in row:
            raise InputError(
                "deviations are not typed; they are what sets a recipe apart from its `paper`",
                where=f"{path}: recipes: {name}: deviations",
                remedy="delete the key; `like` inherits the `paper` of the other recipe",
            )
        block = row.get("paper")
        if isinstance(block, dict):
            _check_paper(block, f"{path}: recipes: {name}: paper")


def _check_paper(block: Mapping[str, Any], where: str) -> None:
    """Refuse unknown settings of a paper, and numbers that no recipe could have.

    Words are a paper's own: `unstated`, or what our training does not offer.
    """
    settings = typing.get_type_hints(Recipe, include_extras=True)
    known = {*PAPER_KEYS, *settings} - {"paper"}
    for key, value in block.items():
        if key not in known:
            raise unknown("setting", key, known, where=where)
        if key in settings and isinstance(value, int | float):
            build_value(settings[key], value, f"{where}: {key}")
    assumed, ranges = block.get("assumed", []), block.get("augmentation", {})
    names = build_value(tuple[str, ...], assumed, f"{where}: assumed")
    for name in names:
        if name not in (more := {*known, *build_value(Mapping[str, Any], ranges, where)}):
            raise unknown("setting", name, more, where=f"{where}: assumed")


def _check_names(params: Params, path: Path) -> None:
    """Refuse words that point nowhere, and names that cannot be a stage's."""
    named = [("study: name", params.study.name), *(("datasets", key) for key in params.datasets)]
    named += [("variants", key) for key in params.variants]
    named += [("recipes", key) for key in params.recipes]
    named += [("robustness", key) for key in params.robustness]
    named += [("latency", key) for key in params.latency]
    named += [("explain", key) for key in params.explain]
    for table, name in named:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"bad name {name!r}",
                where=f"{path}: {table}",
                remedy="use at most 64 lower-case letters, digits and _, beginning with a letter",
            )
    if params.study.name == "data":
        raise InputError(
            "a study cannot be called data",
            where=f"{path}: study: name",
            remedy="take another name; reports/data holds the data sets' own reports",
        )
    for name, variant in params.variants.items():
        if variant.recipe not in params.recipes:
            where = f"{path}: variants: {name}: recipe"
            raise unknown("recipe", variant.recipe, params.recipes, where=where)
    if params.study.baseline not in params.variants:
        raise unknown(
            "variant", params.study.baseline, params.variants, where=f"{path}: study: baseline"
        )
    _check_unique(params, path)


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
                    f"{_said(first)} contradicts {_said(second)}: {pair.what}",
                    where=f"{path}: recipes: {name}: {pair.keys[0]}",
                    remedy=pair.remedy,
                )
        if devices != "auto" and recipe.batch_size % devices:
            raise InputError(
                f"devices: {devices} cannot share batch_size: {recipe.batch_size} of recipe {name}",
                where=f"{path}: train: devices",
                remedy="take a number of devices that divides the batch, or another batch_size",
            )


def _said(setting: Mapping[str, Any]) -> str:
    """A setting as it stands in the file."""
    ((key, value),) = setting.items()
    return f"{key}: {str(value).lower() if isinstance(value, bool) else value}"


def _check_options(params: Params, path: Path) -> None:
    """Refuse options that a part does not have; their values are checked where it is built."""
    for name, dataset in params.datasets.items():
        where = f"{path}: datasets: {name}: options"
        _known_options("data.sources", dataset.source, 0, dataset.options, where)
    for name, probe in params.robustness.items():
        where = f"{path}: robustness: {name}: options"
        _known_options("evaluation.robustness", probe.kind, 0, probe.options, where)
    for name, variant in params.variants.items():
        for column, options in variant.options.items():
            package, given = _COLUMNS[column]
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


def _check_unique(params: Params, path: Path) -> None:
    seen: dict[tuple[str, str], str] = {}
    for key, row in params.datasets.items():
        first = seen.setdefault((row.name, row.protocol), key)
        if first != key:
            raise InputError(
                f"rows {first} and {key} have one name and one protocol",
                where=f"{path}: datasets",
                remedy="give one of them another `name`; tables know them by name and protocol",
            )
