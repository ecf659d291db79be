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
from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import read_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Audit
from ferbench.data.dedup import deduplicate, list_images, write_cleaned
from ferbench.data.ingest.fetch import fetch
from ferbench.data.leakage.audit import audit_dataset
from ferbench.data.pack import pack_images
from ferbench.data.split import draw_split
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
def test_counts_equal_published_ones(name: str, tmp_path: Path) -> None:
    source_name, archive, expected = CASES[name]
    source = plugins.load("ferbench.data.sources", source_name)()
    record = fetch(source, source_name, archive, tmp_path / "raw")
    assert record["unverified"] == []
    reading = list_images(source, tmp_path / "raw")
    assert list_images(source, tmp_path / "raw") == reading
    cleaned = deduplicate(reading, tmp_path / "raw", name, "drop_all", 16)
    counts = cleaned.counts
    assert {key: counts[key] for key in expected} == expected
    declared = list(cleaned.emotions or source.METADATA.emotions)
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
    own = plugins.load("ferbench.data.sources", "ferplus")({"label": "fer2013"})
    plain = plugins.load("ferbench.data.sources", "fer2013")().read(tmp_path / "raw").records
    with_votes = own.read(tmp_path / "raw").records
    assert [(r.image_id, r.emotion) for r in with_votes] == [(r.image_id, r.emotion) for r in plain]
    assert sum(record.votes is not None for record in with_votes) == 32_137


def _audited(name: str, root: Path, *protocols: str) -> list[dict[str, Any]]:
    """Reports of the audit of a data set under every protocol."""
    source, paths = plugins.load("ferbench.data.sources", name)(), DatasetPaths(name, root)
    fetch(source, name, None, paths.raw)
    cleaned = deduplicate(list_images(source, paths.raw), paths.raw, name, "drop_all", 16)
    write_cleaned(paths.interim, cleaned, source.metadata, {})
    index = read_index(paths.index)
    pack_images(index, paths.raw, paths.pack)
    paths.split.parent.mkdir()
    reports = []
    for protocol in protocols:
        table, summary = draw_split(index, protocol, 0)
        write_split(paths, table, summary)
        reports.append(audit_dataset(paths, Audit(4, 4.0)).report)
    return reports


@pytest.mark.usefixtures("_archives")
def test_audit_of_fer2013_finds_its_known_copies(tmp_path: Path) -> None:
    (report,) = _audited("fer2013", tmp_path, "official")
    assert report["as_released"] == [
        {
            "left": "train",
            "right": "test",
            "shared_pictures": 270,
            "images_left": 351,
            "images_right": 280,
            "label_disagreements": 13,
        }
    ]
    # A tenth of train is val here, so some of the 280 have their only copies there.
    without = report["without_dedup"]
    assert without["test_images"] == 3589
    assert 220 < without["test_images_with_copy_in_train"] <= 280
    assert report["leaks"]["exact"]["test_images"] == 0
    assert 0.02 < report["leaks"]["near"]["share"] < 0.08
    assert report["leaks"]["person"]["test_images"] is None
    # Twelve more are one file under five labels, which dedup drops as a conflict.
    assert report["flat_images"] == 1
    assert report["sizes"] == [{"width": 48, "height": 48, "images": 30719}]
    assert report["channels"] == {"grey": 30719, "colour": 0}


@pytest.mark.usefixtures("_archives")
def test_audit_of_fer_plus_counts_what_its_raters_call_no_face(tmp_path: Path) -> None:
    (report,) = _audited("ferplus", tmp_path, "official")
    # 159 files in no row and one whose raters mostly said NF.
    assert report["not_faces"] == 160
    assert report["as_released"][0]["label_disagreements"] == 0
    assert 0.75 < report["votes"]["agreement"] < 0.85


@pytest.mark.usefixtures("_archives")
def test_audit_of_ckplus_distinguishes_splits_by_image_and_by_person(tmp_path: Path) -> None:
    by_image, by_person = _audited("ckplus", tmp_path, "stratified_70_10_20", "person_70_10_20")
    assert by_image["leaks"]["near"]["share"] > 0.8
    assert by_image["leaks"]["sequence"]["share"] > 0.9
    assert by_image["leaks"]["person"]["share"] > 0.95
    # Copies that the hash sees where persons are apart are its mistakes.
    assert by_person["leaks"]["near"]["share"] < 0.03
    for kind in ("exact", "person", "sequence"):
        assert by_person["leaks"][kind]["test_images"] == 0
    for report in (by_image, by_person):
        assert report["as_released"] == []
        assert report["without_dedup"]["test_images_with_copy_in_train"] == 0
