"""Deviations of a training from its paper's, derived from the settings of both."""

from __future__ import annotations

import inspect
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ferbench.config.catalogue import Catalogue, expand
from ferbench.config.checks import PAPER_KEYS
from ferbench.config.deviations import (
    READINGS,
    Reading,
    data_deviations,
    deviations,
    idle_settings,
    network_deviations,
    recipe_deviations,
    unstated_settings,
)
from ferbench.config.params import Dataset, Recipe, Variant
from ferbench.config.records import build_record
from ferbench.models.build import PARTS
from ferbench.plugins import load

PROJECT = Path(__file__).parents[2]
REAL = Catalogue(PROJECT / "params.yaml")
FIELDS = {field.name for field in fields(Recipe)} - {"paper"}
TEXT = {"name", "source", "assumed", "augmentation"}
# Where the paper's code computes in half precision and a recipe says that ours does not.
HALF = ("precision 32-true instead of 16-mixed",) if "precision" in FIELDS else ()


YOLOV5 = (
    "head: anchor-free instead of anchor-based (YOLOv5 v7)",
    "activation: SiLU instead of LeakyReLU (released code)",
)
OSAM = (
    "OSAM: softmax over positions instead of over its one channel, which is the identity "
    "(released code)"
)


@cache
def variant(name: str) -> Variant:
    return build_record(Variant, REAL.variants[name], name)


def recipe(row: str | dict[str, Any]) -> Recipe:
    """A recipe of the catalogue, or one that a study derives from it."""
    tree = expand({"recipes": {"r": row}}, PROJECT / "params.yaml")
    return build_record(Recipe, tree["recipes"]["r"], "r")


@pytest.mark.parametrize(
    ("row", "name", "expected"),
    [
        ("yolov5s_osam", "p0_paper", ("weights: none instead of coco", *HALF, *YOLOV5, OSAM)),
        ("yolov5s4h_osam_coco", "p0_paper", (*HALF, *YOLOV5, OSAM)),
        ("yolov5s_osam_released", "p0_paper", ("weights: none instead of coco", *HALF, YOLOV5[0])),
        ("yolov3", "p0_paper", (*HALF, "YOLOv3-tiny instead of YOLOv3")),
        ("yolov8s", "p0_paper", HALF),
        (
            "alexnet_osam",
            "p0_classify_paper",
            ("learning rate 0.0003 instead of 0.001", OSAM),
        ),
        ("vgg_improved", "p1_paper", ()),
        ("ivsa_literal", "p1_paper", ()),
        ("ivsa", "p1_paper", ("SAB: channel weights of mean 1 instead of sum 1 (equation 5)",)),
        ("yolo_fer", "p2_paper", ()),
        ("yolov6s", "p3_paper", ()),
        ("yolov6m", "p3_large_paper", ("mixup 0.1 not implemented",)),
        ("resnet50_cbam_light", "p4_paper", ()),
    ],
)
def test_deviations_of_a_papers_own_recipe(row: str, name: str, expected: tuple[str, ...]) -> None:
    assert deviations(variant(row), recipe(name)) == expected


@pytest.mark.parametrize(
    ("row", "name", "expected"),
    [
        (
            "yolov5s",
            "p0_cpu",
            (
                "weights: none instead of coco",
                "10 epochs instead of 500",
                "batch size 16 instead of 32",
                *HALF,
                *YOLOV5,
            ),
        ),
        (
            "vgg_improved",
            "p1_cpu",
            (
                "10 epochs instead of 100",
                "one random crop per epoch instead of ten crops",
                "batch size 16 instead of 64",
            ),
        ),
        (
            "vgg_improved_48",
            "p1_48_paper",
            ("input 48 px instead of 40", "the whole image instead of ten crops"),
        ),
        (
            "yolov6s",
            "p3_cpu",
            (
                "10 epochs instead of 400",
                "input 320 px instead of 640",
                "mosaic off for the last 2 epochs instead of 15",
                "batch size 16 instead of 32",
            ),
        ),
        (
            "resnet50",
            "p4_cpu",
            (
                "8 epochs instead of 70",
                "2 epochs of the classifier alone instead of 10",
                "input 64 px instead of 224",
                "batch size 16 instead of 32",
            ),
        ),
    ],
)
def test_deviations_of_a_reduced_recipe(row: str, name: str, expected: tuple[str, ...]) -> None:
    assert deviations(variant(row), recipe(name)) == expected


@pytest.mark.parametrize(
    ("row", "changes", "sentence"),
    [
        ("ivsa", {"like": "p1_cpu", "epochs": 2}, "2 epochs instead of 100"),
        ("ivsa", {"like": "p1_paper", "schedule": "cosine"}, "cosine schedule instead of plateau"),
        ("ivsa", {"like": "p1_paper", "optimizer": "adam"}, "Adam instead of SGD"),
        ("ivsa", {"like": "p1_paper", "nesterov": False}, "plain momentum instead of Nesterov"),
        ("ivsa", {"like": "p1_paper", "weight_decay": 0.0}, "no weight decay instead of weight "
         "decay 0.0001"),
        ("ivsa", {"like": "p1_paper", "ema_decay": 0.9}, "moving average of the weights with "
         "decay 0.9 instead of none"),
        ("ivsa", {"like": "p1_paper", "patience": 5}, "early stopping after 5 epochs instead of "
         "none"),
        ("yolov5s", {"like": "p0_paper", "patience": 500}, "no early stopping instead of early "
         "stopping after 100 epochs"),
        ("yolov5s", {"like": "p0_paper", "mosaic": 0.5}, "mosaic for 50 % of the images instead of "
         "100 %"),
        ("yolov5s", {"like": "p0_paper", "resize_px": 80}, "images resized to 80 px instead of 64"),
        ("yolov5s", {"like": "p0_paper", "clip_norm": 0.0}, "no gradient clipping instead of "
         "gradient clipping at norm 10"),
        ("yolov6m", {"like": "p3_large_paper", "scale_gain": 0.5}, "scale 0.5 to 1.5 instead of "
         "0.1 to 1.9"),
        ("yolov5s", {"like": "p0_paper", "augment": "light"}, "augmentation light instead of p0 "
         "(scale 0.5 to 1.5, translation 0.1, flip 0.5, hue 0.015, saturation 0.7, value 0.4)"),
    ],
)  # fmt: skip
def test_changed_setting_adds_a_sentence(row: str, changes: dict[str, Any], sentence: str) -> None:
    before = deviations(variant(row), recipe(changes["like"]))
    after = deviations(variant(row), recipe(changes))
    assert sentence in after
    assert sentence not in before


def test_setting_with_the_papers_value_is_no_deviation() -> None:
    row = {"like": "p1_cpu", "epochs": 100, "patience": 100}
    found = deviations(variant("ivsa"), recipe(row))
    assert found == deviations(variant("ivsa"), recipe("p1_cpu"))[1:]


def test_settings_without_effect_are_not_compared() -> None:
    row = {"like": "p1_paper", "optimizer": "adam", "nesterov": False, "schedule": "constant"}
    row |= {"lr_final": 0.5, "plateau_patience": 9, "warmup_momentum": 0.1, "ema_steps": 7}
    assert deviations(variant("vgg_improved"), recipe(row)) == (
        "Adam instead of SGD",
        "constant schedule instead of plateau",
    )


def test_early_stopping_after_the_last_epoch_is_no_deviation() -> None:
    row = {"like": "p0_paper", "epochs": 10, "patience": 10}
    assert "10 epochs instead of 500" in deviations(variant("yolov5s"), recipe(row))
    assert not any("early" in found for found in deviations(variant("yolov5s"), recipe(row)))


def test_row_or_recipe_of_no_paper_has_no_deviations() -> None:
    other = variant("efficientnet_lite0")
    assert deviations(other, recipe("p4_cpu")) == unstated_settings(other, recipe("p4_cpu")) == ()
    free = build_record(Recipe, REAL.recipes["p4_cpu"] | {"paper": {}}, "free")
    assert (
        deviations(variant("resnet50"), free) == unstated_settings(variant("resnet50"), free) == ()
    )


def test_unstated_settings_are_listed_apart_from_deviations() -> None:
    found = unstated_settings(variant("ivsa"), recipe("p1_paper"))
    assert {"weights", "batch size", "plateau factor", "input size"} <= set(found)
    assert "rotation degrees of the augmentation" in found
    assert not {"epochs", "optimizer", "moving average", "ramp of the moving average"} & set(found)
    changed = recipe({"like": "p2_paper", "epochs": 10, "patience": 10})
    assert "epochs" in unstated_settings(variant("yolo_fer"), changed)
    assert deviations(variant("yolo_fer"), changed) == ()
    assert unstated_settings(variant("yolov5s"), recipe("p0_paper")) == ()
    found = unstated_settings(variant("yolov8s"), recipe("p0_paper"))
    assert found == ("size of the network", "weights")


@pytest.mark.parametrize("name", REAL.recipes)
def test_paper_block_of_a_recipe_is_complete_with_known_settings(name: str) -> None:
    row = REAL.recipes[name]
    block = row["paper"]
    assert "deviations" not in row
    assert {"name", "source", "weights"} <= block.keys()
    missing = FIELDS - block.keys() - idle_settings(block) - idle_settings(row)
    assert missing == set()
    assert block.keys() <= FIELDS | set(PAPER_KEYS)
    assert set(block.get("assumed", ())) <= (block.keys() | block["augmentation"].keys()) - TEXT


@pytest.mark.parametrize("name", REAL.recipes)
def test_paper_settings_have_the_types_of_the_recipe(name: str) -> None:
    row = REAL.recipes[name]
    stated = {k: v for k, v in row["paper"].items() if k in FIELDS and v != "unstated"}
    if stated.get("patience") == "none":
        del stated["patience"]
    build_record(Recipe, row | stated, name)


def test_recipe_family_belongs_to_the_paper_of_its_variants() -> None:
    for name, row in REAL.variants.items():
        paper = REAL.recipes[f"{row['recipe']}_paper"]["paper"]["name"]
        assert row["paper"] in (paper, "none"), name


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_reading_applies_to_some_rows_of_the_catalogue_but_not_all(reading: Reading) -> None:
    fits = [name for name in REAL.variants if reading.fits(variant(name))]
    assert 0 < len(fits) < len(REAL.variants)


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_reading_of_an_omitted_option_names_the_default_of_its_part(reading: Reading) -> None:
    for key, allowed in reading.row.items():
        column, _, option = key.partition(".")
        if option and None in allowed:
            (part,) = reading.row[column]
            parameter = inspect.signature(load(PARTS[column], part)).parameters[option]
            assert parameter.default in allowed


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_reading_has_either_a_deviation_or_an_unstated_matter(reading: Reading) -> None:
    assert bool(reading.deviation) != bool(reading.unstated)


def data(source: str, protocol: str, images: int, classes: int, name: str) -> dict[str, bool]:
    """By deviation of a data set from the paper of a recipe, whether it is of another kind."""
    row = {"name": source, "source": source, "archive": None, "protocol": protocol}
    row |= {"conflicts": "drop_all", "limit": None, "max_side_px": None}
    dataset = build_record(Dataset, {**row, "resplit": "auto", "options": {}}, source)
    facts = {"images": images, "emotions": {str(n): 1 for n in range(classes)}}
    return {one.text: one.other_kind for one in data_deviations(dataset, facts, recipe(name))}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ckplus", "p1_60_20_20", 981, 7, "p1_paper"), {"981 images instead of 593": False}),
        (("ckplus", "stratified_70_10_20", 981, 7, "p0_paper"), {}),
        (
            ("fer2013", "stratified_70_10_20", 35887, 7, "p0_paper"),
            {"7 classes instead of 8 (those of FER+)": True},
        ),
        (
            ("fer2013", "official_public", 35685, 7, "p1_paper"),
            {"PublicTest serves as test: no PrivateTest": True},
        ),
        (("fer2013", "official", 35685, 7, "p1_paper"), {}),
        (("lld", "stratified_70_10_20", 10748, 6, "p2_paper"), {}),
        (("expw", "stratified_70_10_20", 91793, 7, "p3_paper"), {}),
    ],
)
def test_data_that_differ_from_the_papers_are_named(
    arguments: tuple[str, str, int, int, str], expected: dict[str, bool]
) -> None:
    assert data(*arguments) == expected


@pytest.mark.parametrize(
    ("row", "name", "sentence"),
    [
        ("yolov5s4h_osam", "p0_paper", "weights: none instead of coco"),
        ("yolov3", "p0_paper", "YOLOv3-tiny instead of YOLOv3"),
        ("yolov5s4h_osam", "p0_paper", OSAM),
        (
            "ivsa",
            "p1_paper",
            "SAB: channel weights of mean 1 instead of sum 1 (equation 5)",
        ),
    ],
)
def test_what_once_passed_silently_is_a_deviation(row: str, name: str, sentence: str) -> None:
    network, training = variant(row), recipe(name)
    assert sentence in deviations(network, training)
    parts = recipe_deviations(network, training), network_deviations(network, training)
    assert deviations(network, training) == (*parts[0], *parts[1])
    # Weights belong to the training; what a network reads differently does not reduce its recipe.
    assert (sentence in parts[0]) == sentence.startswith("weights")
