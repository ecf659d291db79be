"""The audits of real archives have the counts that are known of them, by independent counting."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ferbench.external.audit import Rules, audit_data
from ferbench.external.opening import open_data

pytestmark = pytest.mark.data

# Source, counts, and shared pictures by pair of splits.
CASES: dict[str, tuple[str, dict[str, int], dict[tuple[str, str], int]]] = {
    "fer2013.zip": (
        "fer2013",
        {"images": 32298, "duplicate_groups": 1273, "redundant_copies": 1532}
        | {"conflict_groups": 47, "conflict_images": 129, "quarantined": 0},
        {("train", "test"): 270},
    ),
    "ckplus48.zip": (
        "ckplus",
        {"images": 981, "persons": 118, "sequences": 327, "redundant_copies": 0},
        {},
    ),
    "expw_sample.zip": (
        "expw",
        {"images": 1260, "faces": 1327, "clipped_boxes": 8, "duplicate_groups": 1},
        {},
    ),
    "emotion_fyp2_yolo.zip": (
        "yolo_export",
        {"images": 782, "faces": 784, "duplicate_groups": 8, "conflict_groups": 0},
        {("train", "val"): 3, ("val", "test"): 4},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_counts_are_found(name: str) -> None:
    archive = Path(os.environ.get("FERBENCH_DATA", "")) / name
    if not archive.is_file():
        pytest.skip(f"no {name} in FERBENCH_DATA")
    source, counts, shared = CASES[name]
    with open_data(archive) as opened:
        assert opened.source == source
        report: dict[str, Any] = audit_data(opened, Rules(baselines=False))
    assert {key: report["counts"][key] for key in counts} == counts
    pairs = report["copies"]["exact_across_splits"]
    assert {(one["left"], one["right"]): one["shared_pictures"] for one in pairs} == shared
