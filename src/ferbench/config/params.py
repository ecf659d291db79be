"""`params.yaml` as frozen records; its only reader.

`params.yaml` is always the active study. A key that is unknown, missing, given twice or of the
wrong type is an error that names the file, the key and the remedy; so are a number out of range, a
word that names no part, and keys that contradict each other (`ferbench.config.checks`). The bounds
or the package of parts are in each field's annotation. Everything is checked when the file is read,
not when a stage needs it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, with_config
from typing_extensions import TypedDict

from ferbench.config.catalogue import expand, read_yaml
from ferbench.config.checks import COLUMNS, TASKS, check_params
from ferbench.config.claims import Claim, check_claims
from ferbench.config.records import (
    RECORD,
    Distinct,
    Line,
    Options,
    Table,
    build_record,
    check_name,
    part,
    refusal,
    word,
)
from ferbench.errors import InputError

__all__ = [
    "Audit",
    "Compare",
    "Dataset",
    "Explain",
    "Latency",
    "Params",
    "Precision",
    "Promote",
    "Recipe",
    "RobustnessTest",
    "Score",
    "Split",
    "Study",
    "Train",
    "Validate",
    "Variant",
    "load_params",
]

# Types that several fields share; others are written at the field.
Precision = Literal["32-true", "bf16-mixed", "16-mixed", "auto"]
_Count = Annotated[int, Field(ge=1, le=1_000_000)]
_CountOrZero = Annotated[int, Field(ge=0, le=1_000_000)]  # 0 switches something off
_Pixels = Annotated[int, Field(ge=8, le=4096)]
_Threads = Annotated[int, Field(ge=1, le=1024)]
_Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Rate = Annotated[float, Field(ge=0, le=100)]
_Momentum = Annotated[float, Field(ge=0, lt=1)]
_Metric = Annotated[str, part("evaluation.metrics", "metric")]


def _study_name(name: str) -> str:
    if name == "data":
        raise refusal(
            "a study cannot be called data",
            "take another name; reports/data holds the data sets' own reports",
        )
    return check_name(name)


@with_config(RECORD)
@dataclass(frozen=True)
class Study:
    """What this study is.

    Args:
        name: also the folder of its outputs.
        title: one line for the report.
        control: the variant that all others are compared with unless they have a control of their
            own (`ferbench.config.controls`).
        controls: by variant, the control that it has in place of the one found from the rows; null
            for none.
        paper_tables: the tables of papers that it repeats, such as `P0-T2`.
    """

    name: Annotated[str, AfterValidator(_study_name)]
    title: Line
    control: str
    controls: Mapping[str, str | None]
    paper_tables: Distinct[Line]


@with_config(RECORD)
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
        resplit: whether every seed draws a split of its own, as papers that report "ten rounds" do;
            `auto` for data sets with known persons and few images (`ferbench.data.split`), under a
            protocol that draws the test part.
        options: options of the source.
    """

    name: Line
    source: Annotated[str, part("data.sources", "source")]
    archive: Line | None
    protocol: Annotated[str, part("data.protocols", "protocol")]
    conflicts: Literal["drop_all", "majority", "keep_first"]
    limit: Annotated[int, Field(ge=1)] | None
    max_side_px: _Pixels | None
    resplit: bool | Literal["auto"]
    options: Options

    @property
    def trained_on(self) -> str:
        """The source that is learnt from: another than `source` where two make one data set."""
        return str(self.options.get("train", self.source))

    @property
    def tested_on(self) -> str:
        """The source of the test images, likewise."""
        return str(self.options.get("test", self.source))


@with_config(RECORD)
@dataclass(frozen=True)
class Variant:
    """One whole row of the variants table: the part in each place of a network.

    Args:
        paper: `p0` to `p4`, or another word for rows of no paper.
        backbone: a file of `ferbench.models.backbones`; conv, attention, head and loss likewise.
        conv: the unit behind convolutions.
        attention: the part that is placed at `location`.
        location: a place that the backbone has.
        head: from features to outputs.
        loss: that is minimised.
        recipe: a row of the recipes.
        options: by column, options of that column's part, such as `{attention: {repeat: 2}}`.
        weights: of the start: `none`, `imagenet`, `coco`, or the path of a file.
    """

    paper: Line
    backbone: Annotated[str, part("models.backbones", "backbone")]
    conv: Annotated[str, part("models.convs", "conv")]
    attention: Annotated[str, part("models.attention", "attention")]
    location: Line
    head: Annotated[str, part("models.heads", "head")]
    loss: Annotated[str, part("models.losses", "loss")]
    recipe: str
    options: Mapping[Annotated[str, word("key", COLUMNS)], Options]
    weights: Line

    @property
    def has_paper(self) -> bool:
        """Whether the row is one of a paper's."""
        return re.fullmatch(r"p\d+", self.paper) is not None


@with_config(RECORD)
@dataclass(frozen=True)
class Recipe:
    """How a variant is trained.

    Args:
        input_px: width and height of the network's input.
        resize_px: width and height an image is resized to before a crop of `input_px` is taken.
        channels: 1 for grey, 3 for colour.
        normalize: `none` feeds fractions in [0, 1]; `imagenet` takes ImageNet's mean and deviation.
        augment: the file of `ferbench.data.augmentations`.
        scale_gain: YOLO's isotropic scale gain g, for augmentations `p0` and `p3`: an image is
            scaled by one factor drawn from 1 - g to 1 + g.
        mosaic: share of a detector's training images that are mosaics of four.
        plain_epochs: number of last epochs without mosaic.
        mixup_alpha: of the Beta distribution of mixup's factor, for classifiers; 0 for no mixup.
        crops: 10 trains on all ten crops of an image and averages them in prediction; 1 does not.
        batch_size: images a batch.
        nominal_batch: effective batch size; gradients are accumulated over so many images before a
            step. 0 for a step each batch.
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
            other, since rounding changes what a run learns. `auto` is the fastest of `32-true` and
            `bf16-mixed` on the machine that trains: results then depend on the machine.
        paper: the paper's own settings, with which `ferbench.config.deviations` compares those
            above; empty for a recipe of no paper.
    """

    input_px: _Pixels
    resize_px: _Pixels
    channels: Annotated[int, word("value", (1, 3))]
    normalize: Literal["none", "imagenet"]
    augment: Annotated[str, part("data.augmentations", "augmentation")]
    scale_gain: Annotated[float, Field(ge=0, lt=1)]
    mosaic: _Share
    plain_epochs: _CountOrZero
    mixup_alpha: Annotated[float, Field(ge=0, le=100)]
    crops: Annotated[int, word("value", (1, 10))]
    batch_size: _Count
    nominal_batch: _CountOrZero
    head_epochs: _CountOrZero
    head_lr: _Rate
    epochs: _Count
    patience: _Count
    optimizer: Literal["sgd", "adam", "adamw"]
    lr: Annotated[float, Field(gt=0, le=100)]
    momentum: _Momentum
    nesterov: bool
    weight_decay: _Share
    schedule: Literal["constant", "linear", "cosine", "plateau"]
    lr_final: _Share
    warmup_epochs: _CountOrZero
    warmup_bias_lr: _Rate
    warmup_momentum: _Momentum
    plateau_factor: Annotated[float, Field(gt=0, lt=1)]
    plateau_patience: _CountOrZero
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    ema_steps: _Count
    clip_norm: Annotated[float, Field(ge=0)]
    bn_momentum: Annotated[float, Field(gt=0, le=1)]
    precision: Precision
    paper: Options

    def settings(self) -> dict[str, Any]:
        """Every key that decides how a network is trained, which is all but `paper`."""
        return {key: value for key, value in asdict(self).items() if key != "paper"}


@with_config(RECORD)
@dataclass(frozen=True)
class Validate:
    """Expectations of a data set.

    Args:
        min_images: of the whole set after dedup.
        min_images_per_emotion: of every class after dedup.
        max_quarantined_share: share of listed images that may be unusable.
        min_side_px: smallest width or height.
    """

    min_images: Annotated[int, Field(ge=0)]
    min_images_per_emotion: Annotated[int, Field(ge=0)]
    max_quarantined_share: _Share
    min_side_px: Annotated[int, Field(ge=1, le=4096)]


@with_config(RECORD)
@dataclass(frozen=True)
class Train:
    """Where runs are trained, and what picks their checkpoint.

    Args:
        accelerator: Lightning's word: `auto`, `cpu`, `gpu`.
        devices: number of devices of one run; `auto` is one. More than one means DDP: the batch is
            shared out, so that the effective batch and the number of steps stay what they are.
        threads: of one run on a CPU.
        progress: show a progress bar on a terminal.
        select: the metric on val that picks a checkpoint, by task: one that the study compares, for
            what is selected must be what is reported.
    """

    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"]
    threads: _Threads
    progress: bool
    select: Mapping[Annotated[str, word("key", TASKS)], _Metric]


@with_config(RECORD)
@dataclass(frozen=True)
class Audit:
    """What counts as a leak between the splits, and as no picture of a face.

    Args:
        near_bits: near duplicates have perceptual hashes that differ in at most so many of 64 bits.
        flat_deviation: the grey values (0 to 255) of a flat image deviate by less.
    """

    # Unrelated pictures differ in half of the bits; no deviation of bytes is above 127.5.
    near_bits: Annotated[int, Field(ge=0, lt=32)]
    flat_deviation: Annotated[float, Field(ge=0, le=127.5)]


@with_config(RECORD)
@dataclass(frozen=True)
class RobustnessTest:
    """A protocol that shows trained networks altered test images.

    Args:
        kind: the file of `ferbench.evaluation.robustness`.
        options: of it.
    """

    kind: Annotated[str, part("evaluation.robustness", "robustness test")]
    options: Options


@with_config(RECORD)
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
    warm_up: _CountOrZero
    iterations: _Count
    repeats: _Count


@with_config(RECORD)
@dataclass(frozen=True)
class Explain:
    """What is drawn of every variant's first seed, on test.

    Args:
        methods: files of `ferbench.evaluation.explanations`.
        images: so many test images, spread over the classes.
    """

    methods: Annotated[
        Distinct[Annotated[str, part("evaluation.explanations", "method")]], Field(min_length=1)
    ]
    images: Annotated[int, Field(ge=1, le=1000)]


@with_config(RECORD)
@dataclass(frozen=True)
class Score:
    """Which numbers are computed.

    Args:
        metrics: files of `ferbench.evaluation.metrics`.
        score_threshold: a detector's box below it does not count as a prediction.
        interval: the file of `ferbench.stats.intervals` for means over seeds.
        train: whether networks are scored on train too, where a paper measured on its training
            images; such scores are no tests, and stand beside test as subset `train`.
    """

    metrics: Annotated[Distinct[_Metric], Field(min_length=1)]
    score_threshold: _Share
    interval: Annotated[str, part("stats.intervals", "interval")]
    train: bool


@with_config(RECORD)
@dataclass(frozen=True)
class Compare:
    """Which tests are run on which metrics.

    Args:
        metrics: rows of `results.csv` that are compared: some of `score.metrics`, `accuracy_any`.
        tests: files of `ferbench.stats.comparisons`, of pairs.
        omnibus: files of `ferbench.stats.omnibus`, of all variants at once.
        correction: the file of `ferbench.stats.corrections`, over the pairs of variant and control
            of one data set, protocol, metric and test.
        alpha: level of significance.
    """

    metrics: Annotated[Distinct[str], Field(min_length=1)]
    tests: Distinct[Annotated[str, part("stats.comparisons", "test")]]
    omnibus: Distinct[Annotated[str, part("stats.omnibus", "omnibus test")]]
    correction: Annotated[str, part("stats.corrections", "correction")]
    alpha: Annotated[float, Field(gt=0, lt=1)]


@with_config(RECORD)
@dataclass(frozen=True)
class Promote:
    """The promotion gates before alias `champion`.

    Args:
        metric: the scored metric that a champion must lead in, on val.
        min_gain: by how much a challenger must be better than the champion.
        min_class_recall: no class may be recalled less often, on val.
    """

    metric: str
    min_gain: _Share
    min_class_recall: _Share


@with_config(RECORD)
class Split(TypedDict):
    """How images are drawn into the splits: the seed of the draw."""

    seed: _Seed


@with_config(RECORD)
@dataclass(frozen=True)
class Params:
    """The whole of `params.yaml`.

    `claims` are the study's own, besides those of the catalogue.
    """

    study: Study
    seeds: Annotated[Distinct[_Seed], Field(min_length=1)]
    datasets: Annotated[Table[Dataset], Field(min_length=1)]
    variants: Annotated[Table[Variant], Field(min_length=1)]
    recipes: Table[Recipe]
    split: Split
    validate: Validate
    train: Train
    audit: Audit
    robustness: Table[RobustnessTest]
    latency: Table[Latency]
    explain: Table[Explain]
    score: Score
    compare: Compare
    claims: tuple[Claim, ...]
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
    params: Params = build_record(Params, tree, where=str(path))
    check_params(params, path)
    check_claims(params.claims, params.variants, f"{path}: claims")
    return params
