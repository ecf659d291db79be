"""The card says what a user must know."""

from __future__ import annotations

from ferbench.config.runs import Run
from ferbench.tracking.registry import model_card
from ferbench.tracking.selected import SelectedRun

RUN = {
    "study": "demo",
    "variant": "ivsa",
    "name": "tiny",
    "protocol": "person_70_10_20",
    "seed": 7,
    "best_epoch": 4,
    "epochs": 9,
    "commit": "abc123",
    "hardware": {"cpu": "a processor"},
    "precision": "32-true",
    "val_images": 12,
    "channels": 1,
    "input_px": 40,
    "classes": ["neutral", "anger"],
}
DATA = {"title": "Tiny faces", "licence": "For research alone.", "faults": "Few persons."}


def card(**metrics: dict[str, float]) -> str:
    standing = SelectedRun(Run("demo", "ivsa", "tiny", 7), **metrics)
    return model_card(standing, RUN, DATA)


def test_the_card_gives_every_metric_on_both_sides() -> None:
    text = card(val={"f1_macro": 0.5, "accuracy": 0.625}, test={"accuracy": 0.5, "f1_macro": 0.25})
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows == [
        "| metric | val (12 images) | test |",
        "| accuracy | 0.6250 | 0.5000 |",
        "| f1_macro | 0.5000 | 0.2500 |",
    ]


def test_the_card_says_where_the_model_is_from_and_what_it_takes() -> None:
    text = " ".join(card(val={"accuracy": 0.5}, test={"accuracy": 0.5}).split())
    for words in (
        "# ivsa on tiny",
        "study `demo`, protocol `person_70_10_20`, seed 7, epoch 5 of 9, commit `abc123`",
        "Selected on val",
        "1 x 40 x 40, fractions in [0, 1]",
        "Classes: neutral, anger.",
        "Licence: For research alone. Known faults: Few persons.",
        "An expression is not an inner state",
        "Regulation 2024/1689",
    ):
        assert words in text


def test_a_metric_that_test_lacks_is_no_number() -> None:
    assert "| accuracy | 0.5000 | nan |" in card(val={"accuracy": 0.5}, test={})
