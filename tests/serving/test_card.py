"""Model cards."""

from __future__ import annotations

from tests.run_records import run_record

from ferbench.serving.card import model_card

DATA = {"title": "Tiny faces", "licence": "For research <alone>.", "faults": "Few persons."}
RECORD = run_record(seed=7, best_epoch=4, epochs=9, commit="abc123", val_images=12)


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_card_lists_every_metric_on_val_and_test() -> None:
    val, test = {"f1_macro": 0.5, "accuracy": 0.625}, {"accuracy": 0.5, "f1_macro": 0.25}
    assert rows(model_card(RECORD, val, test, DATA)) == [
        "| metric | val (12 images) | test |",
        "| accuracy | 0.6250 | 0.5000 |",
        "| f1_macro | 0.5000 | 0.2500 |",
    ]


def test_card_without_test_has_val_alone() -> None:
    assert rows(model_card(RECORD, {"accuracy": 0.5}, {}, DATA)) == [
        "| metric | val (12 images) |",
        "| accuracy | 0.5000 |",
    ]


def test_card_states_origin_input_and_restrictions() -> None:
    text = " ".join(model_card(RECORD, {"accuracy": 0.5}, {"accuracy": 0.5}, DATA).split())
    for words in (
        "# ivsa on tiny",
        "study `demo`, protocol `person_70_10_20`, seed 7, epoch 5 of 9, commit `abc123`",
        "Selected on val",
        "1 x 40 x 40, grey",
        "Classes: neutral, happiness, anger.",
        "Licence: For research &lt;alone&gt;. Known faults: Few persons.",
        "An expression is not an inner state",
        "Regulation 2024/1689",
    ):
        assert words in text


def test_card_has_nan_for_a_metric_that_test_lacks() -> None:
    card = model_card(RECORD, {"accuracy": 0.5}, {"f1_macro": 0.1}, DATA)
    assert "| accuracy | 0.5000 | nan |" in card


def test_card_states_what_exports_cost() -> None:
    exports = {"model.int8.onnx": {"accuracy": 0.5, "largest_difference": 0.0123}}
    assert "| model.int8.onnx | 0.5000 | 0.012 |" in model_card(RECORD, {}, {}, DATA, exports)
