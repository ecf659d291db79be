"""The class names and their order."""

from __future__ import annotations

import pytest

from ferbench.emotions import BASIC, COMPOUND, EMOTIONS, in_order, normalise


def test_the_basic_emotions_stand_in_the_order_of_ferplus() -> None:
    # Columns of fer2013new.csv, Barsoum et al. 2016, as nouns.
    assert BASIC == (
        "neutral",
        "happiness",
        "surprise",
        "sadness",
        "anger",
        "disgust",
        "fear",
        "contempt",
    )


def test_names_are_distinct_and_there_are_eleven_compounds() -> None:
    assert len(COMPOUND) == 11
    assert len(set(EMOTIONS)) == len(EMOTIONS) == 19


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_canonical_name_stands_for_itself(emotion: str) -> None:
    assert normalise(emotion) == emotion
    assert normalise(f"  {emotion.upper().replace('_', '-')} ") == emotion


@pytest.mark.parametrize(
    ("word", "emotion"),
    [
        ("Happy", "happiness"),
        ("sad", "sadness"),
        ("ANGRY", "anger"),
        ("suprise", "surprise"),
        ("Natural", "neutral"),
        ("Fearfully Surprised", "fearfully_surprised"),
    ],
)
def test_spellings_of_the_field_are_known(word: str, emotion: str) -> None:
    assert normalise(word) == emotion


@pytest.mark.parametrize("word", ["", "cat", "0", "happyish"])
def test_other_words_are_no_emotion(word: str) -> None:
    assert normalise(word) is None


def test_emotions_are_put_in_order_once_each() -> None:
    assert in_order(["fear", "neutral", "fear", "anger"]) == ["neutral", "anger", "fear"]


def test_a_word_that_is_no_emotion_cannot_be_put_in_order() -> None:
    with pytest.raises(KeyError, match="happy"):
        in_order(["neutral", "happy"])
