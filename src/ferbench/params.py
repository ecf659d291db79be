"""`params.yaml` as frozen dataclasses; its only reader.

`params.yaml` is always the active study. A key that is unknown, missing, given twice or of the
wrong type is an error that names the file, the key and the remedy. Names that point to another row
are checked when the file is read, not hours later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ferbench.catalogue import expand, read_yaml
from ferbench.errors import InputError, unknown
from ferbench.records import build_record

__all__ = [
    "PAPER_KEYS",
    "Audit",
    "Compare",
    "Dataset",
    "Explain",
    "Latency",
    "Params",
    "Probe",
    "Promote",
    "Recipe",
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
_NAME = re.compile(r"[a-z][a-z0-9_]*")
TASKS = ("classify", "detect")
# How the inputs of published weights are scaled: by ImageNet's mean and deviation (torchvision,
# timm), or as fractions in [0, 1] (ultralytics).
_SCALING_OF_WEIGHTS = {"imagenet": "imagenet", "coco": "none"}


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
    title: str
    baseline: str
    answers: tuple[str, ...]


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

    name: str
    source: str
    archive: str | None
    protocol: str
    conflicts: Literal["drop_all", "majority", "keep_first"]
    limit: int | None
    max_side_px: int | None
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

    paper: str
    backbone: str
    conv: str
    attention: str
    location: str
    head: str
    loss: str
    recipe: str
    options: Mapping[str, Mapping[str, Any]]
    weights: str

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
            other, since a network learns something else in bfloat16 than in float32.
        paper: the paper's own settings, with which `ferbench.deviations.derive` compares those
            above; empty for a recipe of no paper.
    """

    input_px: int
    resize_px: int
    channels: Literal[1, 3]
    normalize: Literal["none", "imagenet"]
    augment: str
    scale_gain: float
    mosaic: float
    plain_epochs: int
    crops: Literal[1, 10]
    batch_size: int
    nominal_batch: int
    head_epochs: int
    head_lr: float
    epochs: int
    patience: int
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: float
    momentum: float
    nesterov: bool
    weight_decay: float
    schedule: Literal["constant", "linear", "cosine", "plateau"]
    lr_final: float
    warmup_epochs: int
    warmup_bias_lr: float
    warmup_momentum: float
    plateau_factor: float
    plateau_patience: int
    ema_decay: float
    ema_steps: int
    clip_norm: float
    bn_momentum: float
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

    min_images: int
    min_images_per_emotion: int
    max_quarantined_share: float
    min_side_px: int


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

    accelerator: str
    devices: int | Literal["auto"]
    threads: int
    progress: bool
    select: Mapping[str, str]


@dataclass(frozen=True)
class Audit:
    """What counts as a leak between the sides of a split, and as no picture of a face.

    Args:
        near_bits: near duplicates have perceptual hashes that differ in at most so many of 64 bits.
        flat_deviation: the grey values (0 to 255) of a flat image deviate by less.
    """

    near_bits: int
    flat_deviation: float


@dataclass(frozen=True)
class Probe:
    """A protocol that shows trained networks altered test images.

    Args:
        kind: the file of `ferbench.evaluation.probes`.
        options: of it.
    """

    kind: str
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

    batch: int
    precision: Literal["float32", "bfloat16", "float16"]
    threads: int
    warm_up: int
    iterations: int
    repeats: int


@dataclass(frozen=True)
class Explain:
    """What is drawn of every variant's first seed, on test.

    Args:
        methods: files of `ferbench.evaluation.explanations`.
        images: so many test images, spread over the classes.
    """

    methods: tuple[str, ...]
    images: int


@dataclass(frozen=True)
class Score:
    """Which numbers are computed.

    Args:
        metrics: files of `ferbench.evaluation.metrics`.
        score_threshold: a detector's box below it does not count as an answer.
        interval: the file of `ferbench.stats.intervals` for means over seeds.
    """

    metrics: tuple[str, ...]
    score_threshold: float
    interval: str


@dataclass(frozen=True)
class Compare:
    """Which tests are run on which metrics.

    Args:
        metrics: rows of `results.csv` that are compared.
        tests: files of `ferbench.stats.comparisons`, of pairs.
        omnibus: files of `ferbench.stats.omnibus`, of all variants at once.
        correction: the file of `ferbench.stats.corrections`, over all pairs of a table.
        alpha: level of significance.
    """

    metrics: tuple[str, ...]
    tests: tuple[str, ...]
    omnibus: tuple[str, ...]
    correction: str
    alpha: float


@dataclass(frozen=True)
class Promote:
    """The gates before alias `champion`.

    Args:
        metric: the metric that a champion must lead in, on val.
        min_gain: by how much a challenger must be better than the champion.
        min_class_recall: no class may be recalled less often, on val.
    """

    metric: str
    min_gain: float
    min_class_recall: float


@dataclass(frozen=True)
class Params:
    """The whole of `params.yaml`."""

    study: Study
    seeds: tuple[int, ...]
    datasets: Mapping[str, Dataset]
    variants: Mapping[str, Variant]
    recipes: Mapping[str, Recipe]
    split: Mapping[str, int]
    validate: Validate
    train: Train
    audit: Audit
    probes: Mapping[str, Probe]
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
        InputError: the file is absent, is no YAML, or a key or word in it is wrong.
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
    _check_selection(params, path)
    return params


def _check_papers(tree: Any, path: Path) -> None:
    """Refuse typed deviations, and words that are no setting in a recipe's `paper`."""
    recipes = tree.get("recipes") if isinstance(tree, dict) else None
    rows = recipes.items() if isinstance(recipes, dict) else ()
    known = {*PAPER_KEYS, *(field.name for field in fields(Recipe))} - {"paper"}
    for name, row in [(name, row) for name, row in rows if isinstance(row, dict)]:
        if "deviations" in row:
            raise InputError(
                "deviations are not typed; they are what sets a recipe apart from its `paper`",
                where=f"{path}: recipes: {name}: deviations",
                remedy="delete the key; `like` inherits the `paper` of the other recipe",
            )
        block = row.get("paper")
        for key in block if isinstance(block, dict) else ():
            if key not in known:
                raise unknown("setting", key, known, where=f"{path}: recipes: {name}: paper")


def _check_names(params: Params, path: Path) -> None:
    """Refuse words that point nowhere, and names that cannot be a stage's."""
    named = [("study", params.study.name), *(("datasets", key) for key in params.datasets)]
    named += [("variants", key) for key in params.variants]
    named += [("recipes", key) for key in params.recipes]
    named += [("probes", key) for key in params.probes]
    named += [("latency", key) for key in params.latency]
    named += [("explain", key) for key in params.explain]
    for table, name in named:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"bad name {name!r}",
                where=f"{path}: {table}",
                remedy="use lower-case letters, digits and _, beginning with a letter",
            )
    if params.study.name == "data":
        raise InputError(
            "a study cannot be called data",
            where=f"{path}: study: name",
            remedy="take another name; reports/data holds the data sets' own reports",
        )
    for name, variant in params.variants.items():
        if variant.recipe not in params.recipes:
            raise unknown(
                "recipe", variant.recipe, params.recipes, where=f"{path}: variants: {name}"
            )
    if params.study.baseline not in params.variants:
        raise unknown(
            "variant", params.study.baseline, params.variants, where=f"{path}: study: baseline"
        )
    _check_unique(params, path)


def _check_weights(params: Params, path: Path) -> None:
    """Refuse published weights whose inputs were scaled in another way than the recipe's."""
    for name, variant in params.variants.items():
        expected = _SCALING_OF_WEIGHTS.get(variant.weights)
        normalize = params.recipes[variant.recipe].normalize
        if expected not in (None, normalize):
            raise InputError(
                f"weights: {variant.weights} were trained with normalize: {expected}, recipe "
                f"{variant.recipe} says normalize: {normalize}",
                where=f"{path}: variants: {name}: weights",
                remedy=f"give the row a recipe with normalize: {expected}, or weights: none",
            )


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
    for task in params.train.select:
        if task not in TASKS:
            raise unknown("task", task, TASKS, where=f"{path}: train: select")


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
    if not params.seeds or len(set(params.seeds)) != len(params.seeds) or min(params.seeds) < 0:
        raise InputError(
            "seeds must be distinct, from 0 on, and at least one",
            where=f"{path}: seeds",
            remedy="write a list such as [0, 1, 2]",
        )
