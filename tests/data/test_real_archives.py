"""The real archives have the counts that are known of them; nothing of them is kept.

The figures were counted independently, by MD5 over the archives' members and by hand in their label
files; `ferplus` labels follow from the vote table alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ferbench import plugins
from ferbench.data.dedup import deduplicate, list_images
from ferbench.data.fetch import fetch
from ferbench.emotions import in_order

pytestmark = pytest.mark.data

CASES: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "fer2013": (
        "fer2013",
        None,
        {
            "images": 32298,
            "duplicate_groups": 1273,
            "redundant_copies": 1532,
            "conflict_groups": 47,
            "conflict_images": 129,
            "unique": 32298 - 1532 - 47,
            "quarantined": 0,
            "excluded": 0,
        },
    ),
    "ferplus": (
        "ferplus",
        None,
        {
            "joined_rows": 32139,
            "images": 32139 - 1449 - 157 - 170 - 25 - 2 - 1,
            "excluded": 159 + 1449 + 157 + 170 + 25 + 2 + 1,
            "conflict_groups": 0,
            "quarantined": 0,
        },
    ),
    "ckplus": (
        "ckplus",
        None,
        {
            "images": 981,
            "unique": 981,
            "persons": 118,
            "sequences": 327,
            "duplicate_groups": 0,
            "quarantined": 0,
            "emotions": {
                "happiness": 207,
                "surprise": 249,
                "sadness": 84,
                "anger": 135,
                "disgust": 177,
                "fear": 75,
                "contempt": 54,
            },
        },
    ),
    "expw": (
        "expw",
        None,
        {
            "images": 1260,
            "faces": 1327,
            "clipped_boxes": 8,
            "duplicate_groups": 1,
            "redundant_copies": 1,
            "quarantined": 0,
        },
    ),
    "emotion_fyp2": (
        "yolo_export",
        "emotion_fyp2_yolo.zip",
        {
            "images": 782,
            "faces": 784,
            "polygons": 23,
            "polygon_images": 21,
            "label_files": 782,
            "duplicate_groups": 8,
            "redundant_copies": 8,
            "conflict_groups": 0,
            "clipped_boxes": 0,
            "quarantined": 0,
        },
    ),
}


@pytest.fixture
def _archives() -> None:
    if not os.environ.get("FERBENCH_DATA"):
        pytest.skip("FERBENCH_DATA is not set")


@pytest.mark.usefixtures("_archives")
@pytest.mark.parametrize("name", CASES)
def test_counts_are_those_known(name: str, tmp_path: Path) -> None:
    source_name, archive, expected = CASES[name]
    source = plugins.load("ferbench.data.sources", source_name)()
    record = fetch(source, source_name, archive, tmp_path / "raw")
    assert record["unverified"] == []
    reading = list_images(source, tmp_path / "raw")
    assert list_images(source, tmp_path / "raw") == reading
    counts = deduplicate(reading, tmp_path / "raw", name, "drop_all", 16).counts
    assert {key: counts[key] for key in expected} == expected
    declared = counts["declared"] or list(source.METADATA.emotions)
    assert in_order(counts["emotions"]) == declared


@pytest.mark.usefixtures("_archives")
def test_official_roles_of_fer2013_and_its_plurality_labels(tmp_path: Path) -> None:
    source = plugins.load("ferbench.data.sources", "ferplus")()
    fetch(source, "ferplus", None, tmp_path / "raw")
    records = source.read(tmp_path / "raw").records
    found: dict[str | None, dict[str, int]] = {"train": {}, "test": {}}
    for record in records:
        split = found[record.source_split]
        split[record.emotion] = split.get(record.emotion, 0) + 1
    assert found["train"] == {
        "neutral": 9364,
        "happiness": 7410,
        "sadness": 3403,
        "surprise": 3378,
        "anger": 2399,
        "fear": 648,
        "disgust": 175,
        "contempt": 162,
    }
    assert found["test"] == {
        "neutral": 1242,
        "happiness": 880,
        "surprise": 441,
        "sadness": 395,
        "anger": 310,
        "fear": 73,
        "disgust": 31,
        "contempt": 24,
    }
    majority = plugins.load("ferbench.data.sources", "ferplus")({"label": "majority"})
    assert len(majority.read(tmp_path / "raw").records) < len(records)
