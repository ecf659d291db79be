"""The class names and their order, in one place.

Basic emotions are nouns in FER+ order (Barsoum et al., ICMI 2016). Compound emotions are the eleven
of RAF-DB (Li, Deng, Du, CVPR 2017) in that set's label order.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["BASIC", "COMPOUND", "EMOTIONS", "in_order", "normalise"]

BASIC = (
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
)
COMPOUND = (
    "happily_surprised",
    "happily_disgusted",
    "sadly_fearful",
    "sadly_angry",
    "sadly_surprised",
    "sadly_disgusted",
    "fearfully_angry",
    "fearfully_surprised",
    "angrily_surprised",
    "angrily_disgusted",
    "disgustedly_surprised",
)
EMOTIONS = BASIC + COMPOUND

# The spellings found in the field's data sets, mapped to ours.
_ALIASES = {
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "sad": "sadness",
    "surprised": "surprise",
    "suprise": "surprise",
    "natural": "neutral",
    "contemptuous": "contempt",
}


def normalise(word: str) -> str | None:
    """The emotion of a data set's own class name; None if it is none of ours.

    >>> normalise("Angry"), normalise("Happily Surprised"), normalise("cat")
    ('anger', 'happily_surprised', None)
    """
    key = word.strip().lower().replace(" ", "_").replace("-", "_")
    key = _ALIASES.get(key, key)
    return key if key in EMOTIONS else None


def in_order(words: Iterable[str]) -> list[str]:
    """The distinct emotions of `words` in the canonical order.

    Raises:
        KeyError: a word is no emotion.
    """
    present = set(words)
    if strange := present - set(EMOTIONS):
        raise KeyError(f"no emotions: {', '.join(sorted(strange))}")
    return [emotion for emotion in EMOTIONS if emotion in present]
