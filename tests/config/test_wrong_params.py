"""A table of wrong parameter files: each is refused when it is read, and the message says why."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.example_study import example_tree

from ferbench.cli.commands import doctor
from ferbench.config.params import load_params
from ferbench.errors import InputError

TREE = example_tree()
INF, NAN = float("inf"), float("nan")

R, D, V = "recipes.p1", "datasets.synthetic", "variants.ivsa"
Values = list[Any]

# Key, values that it must not have, and what the message says of each of them.
NUMBERS: list[tuple[str, Values, str]] = [
    (f"{R}.input_px", [0, -1, 7], "must be at least 8"),
    (f"{R}.input_px", [100_000], "must be at most 4096"),
    (f"{R}.resize_px", [0, -36, 7], "must be at least 8"),
    (f"{R}.resize_px", [5000], "must be at most 4096"),
    (f"{R}.channels", [0, 2, 4, -1], "known: 1, 3"),
    (f"{R}.scale_gain", [-0.1], "must be at least 0"),
    (f"{R}.scale_gain", [1, 5.0], "must be below 1"),
    (f"{R}.mosaic", [-0.5], "must be at least 0"),
    (f"{R}.mosaic", [1.5, 5], "must be at most 1"),
    (f"{R}.plain_epochs", [-1], "must be at least 0"),
    (f"{R}.mixup_alpha", [-0.1], "must be at least 0"),
    (f"{R}.crops", [0, 2, 5, -10], "known: 1, 10"),
    (f"{R}.batch_size", [0, -16], "must be at least 1"),
    (f"{R}.batch_size", [10**30], "must be at most 1000000"),
    (f"{R}.nominal_batch", [-1, -64], "must be at least 0"),
    (f"{R}.head_epochs", [-1], "must be at least 0"),
    (f"{R}.head_lr", [-0.1], "must be at least 0"),
    (f"{R}.head_lr", [1000], "must be at most 100"),
    (f"{R}.epochs", [0, -5], "must be at least 1"),
    (f"{R}.epochs", [10**9], "must be at most 1000000"),
    (f"{R}.patience", [0, -1], "must be at least 1"),
    (f"{R}.lr", [0, 0.0, -0.1], "must be above 0"),
    (f"{R}.lr", [1000], "must be at most 100"),
    (f"{R}.momentum", [-0.1], "must be at least 0"),
    (f"{R}.momentum", [1, 1.5, 9], "must be below 1"),
    (f"{R}.weight_decay", [-1, -0.0001], "must be at least 0"),
    (f"{R}.weight_decay", [5], "must be at most 1"),
    (f"{R}.lr_final", [-0.1], "must be at least 0"),
    (f"{R}.lr_final", [1.1, 100], "must be at most 1"),
    (f"{R}.warmup_epochs", [-3], "must be at least 0"),
    (f"{R}.warmup_bias_lr", [-0.1], "must be at least 0"),
    (f"{R}.warmup_momentum", [-0.8], "must be at least 0"),
    (f"{R}.warmup_momentum", [1, 8], "must be below 1"),
    (f"{R}.plateau_factor", [0, -0.75], "must be above 0"),
    (f"{R}.plateau_factor", [1, 7.5], "must be below 1"),
    (f"{R}.plateau_patience", [-1], "must be at least 0"),
    (f"{R}.ema_decay", [-0.9], "must be at least 0"),
    (f"{R}.ema_decay", [1, 2], "must be below 1"),
    (f"{R}.ema_steps", [0, -50], "must be at least 1"),
    (f"{R}.clip_norm", [-1, -0.5], "must be at least 0"),
    (f"{R}.bn_momentum", [0, -0.1], "must be above 0"),
    (f"{R}.bn_momentum", [1.5], "must be at most 1"),
    (f"{R}.paper.epochs", [0, -1], "must be at least 1"),
    (f"{R}.paper.lr", [-0.1], "must be above 0"),
    (f"{R}.paper.momentum", [9], "must be below 1"),
    (f"{D}.limit", [0, -5], "must be at least 1"),
    (f"{D}.max_side_px", [0, -1, 1], "must be at least 8"),
    (f"{D}.max_side_px", [100_000], "must be at most 4096"),
    ("validate.min_images", [-1], "must be at least 0"),
    ("validate.min_images_per_emotion", [-1], "must be at least 0"),
    ("validate.max_quarantined_share", [-0.1], "must be at least 0"),
    ("validate.max_quarantined_share", [1.5, 5], "must be at most 1"),
    ("validate.min_side_px", [0, -16], "must be at least 1"),
    ("train.devices", [0, -1], "must be at least 1"),
    ("train.devices", [10_000], "must be at most 1024"),
    ("train.threads", [0, -1], "must be at least 1"),
    ("train.threads", [100_000], "must be at most 1024"),
    ("audit.near_bits", [-1], "must be at least 0"),
    ("audit.near_bits", [32, 64], "must be below 32"),
    ("audit.flat_deviation", [-4], "must be at least 0"),
    ("audit.flat_deviation", [255], "must be at most 127.5"),
    ("latency.one.batch", [0, -1], "must be at least 1"),
    ("latency.one.threads", [0, -1], "must be at least 1"),
    ("latency.one.warm_up", [-1], "must be at least 0"),
    ("latency.one.iterations", [0, -1], "must be at least 1"),
    ("latency.one.repeats", [0, -1], "must be at least 1"),
    ("explain.default.images", [0, -1], "must be at least 1"),
    ("explain.default.images", [10**6], "must be at most 1000"),
    ("score.score_threshold", [-0.1], "must be at least 0"),
    ("score.score_threshold", [1.5, 50], "must be at most 1"),
    ("compare.alpha", [0, -0.05], "must be above 0"),
    ("compare.alpha", [1, 5], "must be below 1"),
    ("promote.min_gain", [-1], "must be at least 0"),
    ("promote.min_gain", [5], "must be at most 1"),
    ("promote.min_class_recall", [-0.1], "must be at least 0"),
    ("promote.min_class_recall", [10], "must be at most 1"),
    ("seeds", [[-1]], "must be at least 0"),
    ("seeds", [[0, 2**32]], "must be at most 4294967295"),
    ("split.seed", [-1], "must be at least 0"),
    ("split.seed", [2**40], "must be at most 4294967295"),
]

# Fields of fractions: what no arithmetic goes on with.
FRACTIONS = [
    *(f"{R}.{key}" for key in ("lr", "momentum", "weight_decay", "clip_norm", "ema_decay")),
    *(f"{R}.{key}" for key in ("scale_gain", "mosaic", "lr_final", "bn_momentum", "head_lr")),
    *(f"{R}.{key}" for key in ("warmup_bias_lr", "warmup_momentum", "plateau_factor")),
    f"{R}.paper.lr",
    f"{R}.paper.mixup",
    "validate.max_quarantined_share",
    "audit.flat_deviation",
    "score.score_threshold",
    "compare.alpha",
    "promote.min_gain",
    "promote.min_class_recall",
    f"{D}.options.min_intensity",
    "robustness.canvas.options.seed",
]

WORDS: list[tuple[str, Values, str]] = [
    (f"{D}.source", ["syntetic"], "unknown source 'syntetic'\n  remedy: did you mean 'synthetic'"),
    (f"{D}.source", ["", "../x", "_private", "archives"], "unknown source"),
    (f"{D}.protocol", ["person_70_10_2"], "did you mean 'person_70_10_20'"),
    (f"{D}.protocol", ["random"], "unknown protocol 'random'"),
    (f"{D}.conflicts", ["drop_al", "drop"], "unknown value"),
    (f"{V}.backbone", ["vgg_improvd"], "did you mean 'vgg_improved'"),
    (f"{V}.backbone", ["resnet5000", "none"], "unknown backbone"),
    (f"{V}.conv", ["nativ"], "unknown conv 'nativ'\n  remedy: did you mean 'native'"),
    (f"{V}.attention", ["sabb"], "unknown attention 'sabb'\n  remedy: did you mean 'sab'"),
    (f"{V}.head", ["fc100"], "unknown head 'fc100'\n  remedy: did you mean 'fc1000'"),
    (f"{V}.loss", ["crossentropy"], "did you mean 'cross_entropy'"),
    (f"{V}.recipe", ["p11"], "unknown recipe 'p11'"),
    (f"{V}.weights", ["imagnet"], "unknown weights 'imagnet'\n  remedy: did you mean 'imagenet'"),
    (f"{V}.weights", ["yes"], "unknown weights"),
    (f"{R}.augment", ["ligth"], "unknown augmentation 'ligth'\n  remedy: did you mean 'light'"),
    (f"{R}.normalize", ["imagenett", "yes"], "unknown value"),
    (f"{R}.optimizer", ["sdg", "rmsprop"], "known: adam, adamw, sgd"),
    (f"{R}.schedule", ["cosin", "step"], "known: constant, cosine, linear, plateau"),
    (f"{R}.precision", ["32", "fp16", "bf16"], "known: 16-mixed, 32-true, auto, bf16-mixed"),
    (f"{R}.paper.assumed", [["input_pxx"]], "unknown setting 'input_pxx'"),
    (f"{R}.paper.assumed", ["input_px", [3]], "must be"),
    ("train.accelerator", ["gpuu", "tesla"], "known: auto, cpu, gpu"),
    ("train.devices", ["two", "autos"], "must be a whole number or 'auto'"),
    ("train.select.classify", ["acuracy"], "unknown metric 'acuracy'"),
    ("train.select.detect", ["accuracy_any", "nope"], "unknown metric"),
    (
        "robustness.canvas.kind",
        ["canvass"],
        "unknown robustness test 'canvass'\n  remedy: did you mean 'canvas'",
    ),
    ("latency.one.precision", ["float64", "fp32"], "known: bfloat16, float16, float32"),
    ("explain.default.methods", [["gradcam"]], "unknown method 'gradcam'"),
    ("score.metrics", [["acuracy"]], "unknown metric 'acuracy'\n  remedy: did you mean 'accuracy'"),
    ("score.metrics", [["accuracy", "faces"]], "score: metrics[1]: unknown metric 'faces'"),
    ("score.interval", ["student"], "unknown interval 'student'"),
    ("compare.metrics", [["nope"], ["faces"]], "unknown scored metric"),
    ("compare.metrics", [["accuracy", "f1_marco"]], "did you mean 'f1_macro'"),
    ("compare.tests", [["welchh"]], "unknown test 'welchh'\n  remedy: did you mean 'welch'"),
    ("compare.omnibus", [["friedmann"]], "unknown omnibus test 'friedmann'"),
    ("compare.correction", ["bonferoni", "none"], "unknown correction"),
    ("promote.metric", ["acuracy", "faces"], "unknown scored metric"),
    ("study.control", ["ivsaa"], "unknown variant 'ivsaa'\n  remedy: did you mean 'ivsa'"),
    ("study.name", ["", "../up", "a b", "data", "x" * 65, "a;b"], "name"),
    ("study.title", ["", "  ", "two\nlines"], "must be a line of text"),
    (f"{D}.archive", ["", "a\nb"], "must be a line of text"),
]

KEYS: list[tuple[str, Values, str]] = [
    ("split", [{"sead": 1}], "unknown key 'sead'\n  remedy: did you mean 'seed'"),
    ("split", [{}], "missing: seed"),
    ("split", [{"seed": 0, "share": 1}], "unknown key 'share'"),
    ("train.select", [{"clasify": "accuracy", "detect": "accuracy"}], "did you mean 'classify'"),
    ("train.select", [{"classify": "accuracy"}], "picked by nothing, which is not compared"),
    (f"{V}.options", [{"atention": {}}], "unknown key 'atention'"),
    (f"{V}.options", [{"conv": {"slope": 1}}], "unknown key 'conv'"),
    (f"{V}.options", [{"attention": {"kernal": 7}}], "unknown option of sab 'kernal'"),
    (f"{V}.options", [{"head": {"drop": 0.5}}], "unknown option of fc1000 'drop'"),
    (f"{V}.options", [{"backbone": {"depth": 50}}], "unknown option of vgg_improved 'depth'"),
    (f"{V}.options", [{"loss": {"network": 1}}], "unknown option of cross_entropy 'network'"),
    (f"{V}.options", [{"head": 3}, []], "must be a mapping"),
    ("variants.yolov5s.options", [{"loss": {"lamda": 2}}], "did you mean 'lam'"),
    ("variants.yolov5s.options", [{"backbone": {"channels": 3}}], "unknown option of yolov5s"),
    (f"{D}.options", [{"person": 3}], "unknown option of synthetic 'person'"),
    (f"{D}.options", [{"a": 1}], "unknown option of synthetic 'a'"),
    ("robustness.canvas.options", [{"sizs": [16]}], "unknown option of canvas 'sizs'"),
    ("robustness.degraded.options", [{"sevrity": "medium"}], "did you mean 'severity'"),
    ("datasets", [{}], "is empty"),
    ("variants", [{}], "is empty"),
    ("seeds", [[]], "is empty"),
    ("seeds", [[1, 1]], "has 1 twice"),
    (
        "seeds",
        [["0"], [0, "1;touch x"], [0.5], [True], [None], [[0]], [{"a": 1}]],
        "must be a whole number",
    ),
    ("seeds", [0, {"a": 1}], "must be a list"),
    ("score.metrics", [[]], "is empty"),
    ("score.metrics", [["accuracy", "f1_macro", "accuracy"]], "has 'accuracy' twice"),
    ("compare.metrics", [[]], "is empty"),
    ("compare.metrics", [["accuracy", "accuracy"]], "has 'accuracy' twice"),
    ("compare.tests", [["welch", "welch"]], "has 'welch' twice"),
    ("compare.omnibus", [["nemenyi", "nemenyi"]], "has 'nemenyi' twice"),
    ("explain.default.methods", [[]], "is empty"),
    ("explain.default.methods", [["errors", "errors"]], "has 'errors' twice"),
]

# Names of earlier versions.
RENAMED: list[tuple[str, Values, str]] = [
    ("study.baseline", ["ivsa"], "key 'baseline' is now called 'control'"),
    ("study.answers", [["P1-T1"]], "key 'answers' is now called 'paper_tables'"),
    ("explain.default.methods", [["gates"]], "method 'gates' is now called 'attention_maps'"),
    (f"{R}.deviations", [["5 epochs"]], "deviations are not typed"),
]

# Keys that contradict each other, in one recipe unless the key says otherwise.
PAIRS: list[tuple[dict[str, Any], str]] = [
    ({f"{R}.resize_px": 30}, "resize_px: 30 contradicts input_px: 32"),
    ({f"{R}.plain_epochs": 6}, "plain_epochs: 6 contradicts epochs: 5"),
    ({f"{R}.warmup_epochs": 6}, "warmup_epochs: 6 contradicts epochs: 5"),
    (
        {f"{R}.warmup_epochs": 1, f"{R}.schedule": "plateau", f"{R}.plateau_patience": 1},
        "warmup_epochs: 1 contradicts schedule: plateau",
    ),
    ({f"{R}.schedule": "plateau"}, "plateau_patience: 5 contradicts patience: 5"),
    ({f"{R}.nominal_batch": 8}, "nominal_batch: 8 contradicts batch_size: 16"),
    ({f"{R}.head_epochs": 2}, "head_lr: 0.0 contradicts head_epochs: 2"),
    (
        {f"{R}.optimizer": "sgd", f"{R}.momentum": 0},
        "nesterov: true contradicts momentum: 0.0",
    ),
    ({"train.devices": 3}, "devices: 3 cannot share batch_size: 16 of recipe p1"),
    ({f"{V}.location": "none"}, "attention: sab is placed nowhere by location: none"),
    ({"score.metrics": ["f1_macro"]}, "unknown scored metric 'accuracy'"),
    ({f"{V}.weights": "imagenet"}, "were trained with normalize: imagenet"),
]

SINGLE = [
    *((key, v, words) for key, values, words in NUMBERS + WORDS + KEYS + RENAMED for v in values),
    *((key, v, "must be a finite number") for key in FRACTIONS for v in (NAN, INF, -INF)),
]


def _with(edits: dict[str, Any]) -> Any:
    """The demo with some keys changed; a key is the way down, joined by points."""
    tree = copy.deepcopy(TREE)
    for key, value in edits.items():
        *way, last = key.split(".")
        table = tree
        for word in way:
            table = table[word]
        table[last] = value
    return tree


def _written(folder: Path, tree: Any) -> Path:
    path = folder / "params.yaml"
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
    return path


def _refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as refusal:
        load_params(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert refusal.value.remedy, "a refusal says what would do"
    return refusal.value


def _ids(value: object) -> str:
    return str(value)[:60].encode("unicode_escape").decode()


def test_the_unchanged_file_is_valid(tmp_path: Path) -> None:
    assert load_params(_written(tmp_path, _with({}))).study.name == "example"


@pytest.mark.parametrize(("key", "value", "words"), SINGLE, ids=_ids)
def test_a_wrong_value_is_refused_with_its_key_and_a_remedy(
    tmp_path: Path, key: str, value: Any, words: str
) -> None:
    refusal = _refusal(_written(tmp_path, _with({key: value})))
    assert words in str(refusal)
    table, _, last = key.rpartition(".")
    assert ": ".join(table.split(".")) in str(refusal.where)
    assert last in str(refusal)


def test_the_old_name_of_a_table_is_answered_with_the_new(tmp_path: Path) -> None:
    tree = _with({})
    tree["probes"] = tree.pop("robustness")
    refusal = _refusal(_written(tmp_path, tree))
    assert "key 'probes' is now called 'robustness'" in str(refusal)


@pytest.mark.parametrize(("edits", "words"), PAIRS, ids=_ids)
def test_keys_that_contradict_each_other_are_refused(
    tmp_path: Path, edits: dict[str, Any], words: str
) -> None:
    assert words in str(_refusal(_written(tmp_path, _with(edits))))


@pytest.mark.parametrize(
    "edits",
    [
        {f"{R}.batch_size": 0},
        {"compare.tests": ["welchh"]},
        {"split": {"sead": 1}},
        {f"{R}.lr": NAN},
        {f"{R}.warmup_epochs": 9},
    ],
    ids=_ids,
)
def test_the_doctor_reports_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edits: dict[str, Any]
) -> None:
    _written(tmp_path, _with(edits))
    monkeypatch.chdir(tmp_path)
    (check,) = doctor._params()
    assert (check.state, check.name) == ("fail", "params.yaml")
    assert f"{check.found}\n  remedy: {check.remedy}" == str(_refusal(Path("params.yaml")))
