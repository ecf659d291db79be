"""Exact counts of planted faults, and what the checks make of them."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests.external.conftest import FAULTS

from ferbench.errors import InputError
from ferbench.external.audit import Allowance, Rules, audit_data
from ferbench.external.audit_page import audit_page, result_words
from ferbench.external.opening import open_data

_LATER = {"val": ["train"], "test": ["train", "val"]}


def audit(path: Path, **rules: Any) -> dict[str, Any]:
    with open_data(path) as opened:
        return audit_data(opened, Rules(**rules))


def found(report: dict[str, Any]) -> dict[str, int | None]:
    return {check["check"]: check["found"] for check in report["checks"]}


def rows_of(root: Path) -> list[dict[str, str]]:
    with (root / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def report(faulty: Path) -> dict[str, Any]:
    return audit(faulty)


def test_planted_faults_are_counted_exactly(faulty, report):
    counts, copies = report["counts"], FAULTS["exact_duplicates"] + FAULTS["label_conflicts"]
    assert counts["quarantined"] == FAULTS["corrupt"]
    assert counts["duplicate_groups"] == counts["redundant_copies"] == copies
    assert counts["conflict_groups"] == FAULTS["label_conflicts"]
    assert counts["conflict_images"] == 2 * FAULTS["label_conflicts"]
    assert counts["images"] == 70 + copies + FAULTS["near_duplicates"]
    assert counts["distinct"] == counts["images"] - copies
    assert {frozenset(one["path"] for one in group) for group in report["conflicts"]} == {
        group for group in equal_files(faulty) if any("conflict" in path for path in group)
    }
    assert len(report["duplicates"]) == FAULTS["exact_duplicates"]


def equal_files(root: Path) -> set[frozenset[str]]:
    """Groups of equal files by comparing their bytes, as an independent source."""
    groups = defaultdict(list)
    for path in sorted((root / "images").iterdir()):
        groups[path.read_bytes()].append(f"images/{path.name}")
    return {frozenset(group) for group in groups.values()}


def test_copies_and_persons_across_splits_are_those_of_the_label_table(faulty, report):
    rows, exact = rows_of(faulty), 0
    usable = [row for row in rows if "corrupt" not in row["file"]]
    content = {row["file"]: (faulty / "images" / row["file"]).read_bytes() for row in usable}
    for row in usable:
        others = [
            other
            for other in usable
            if content[other["file"]] == content[row["file"]]
            and other["source_split"] in _LATER.get(row["source_split"], ())
        ]
        exact += bool(others)
    assert found(report)["exact"] == exact == FAULTS["exact_duplicates"] // 2
    splits = defaultdict(set)
    for row in usable:
        splits[row["person"]].add(row["source_split"])
    shared = {person for person, of in splits.items() if len(of) > 1}
    assert set(report["copies"]["across_splits"]["person"]["names"]) == shared
    assert found(report)["persons"] == len(shared)


def test_every_corrupt_file_is_listed_with_its_reason(report):
    reasons = {entry["path"]: entry["reason"] for entry in report["quarantined"]}
    assert set(reasons) == {f"images/corrupt_{n:03d}.png" for n in range(6)}
    assert reasons["images/corrupt_001.png"] == "empty file"
    assert "not an image" in reasons["images/corrupt_002.png"]
    assert "1x1 px" in reasons["images/corrupt_003.png"]


def test_planted_near_copies_are_in_one_group_with_their_originals(report):
    groups = [{entry["path"] for entry in group} for group in report["near_copies"]]
    for number in range(FAULTS["near_duplicates"]):
        (group,) = (group for group in groups if f"images/near_{number:03d}.png" in group)
        assert len(group) > 1


def test_report_is_json_and_the_page_names_its_findings(report):
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    page = audit_page("faces", report)
    assert result_words(report) in page.replace("&#39;", "'")
    assert "images/corrupt_001.png" in page
    assert "<img" not in page
    assert "tables/" not in page  # it stands alone: no link leads to another file


def test_clean_data_passes(clean):
    # The one person in val does not show every class, and the hash may confuse small faces.
    report = audit(clean, allowed={"classes": Allowance(3), "near": Allowance(0.1, True)})
    assert report["passed"]
    checked = found(report)
    assert {name for name, count in checked.items() if count} <= {"classes", "near"}
    assert None not in checked.values()


def test_allowed_numbers_and_shares_decide_what_passes(faulty, report):
    assert not report["passed"]
    allowed = {name: Allowance(1, True) for name in found(report)}
    allowed["duplicates"] = Allowance(found(report)["duplicates"] - 1)
    again = audit(faulty, allowed=allowed, baselines=False)
    assert [c["check"] for c in again["checks"] if not c["passed"]] == ["duplicates"]
    assert Allowance(10).covers(10, 0)
    assert Allowance(0.1, True).covers(10, 100)
    assert not Allowance(0.1, True).covers(11, 100)


def test_unknown_check_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"unknown check 'dupes'.*\n.*duplicates"):
        Rules(allowed={"dupes": Allowance()})


def test_data_without_splits_shows_what_drawn_splits_would_leak(clean, tmp_path):
    table = [{k: row[k] for k in ("file", "emotion", "person")} for row in rows_of(clean)]
    (tmp_path / "images").symlink_to(clean / "images")
    write(tmp_path / "labels.csv", table)
    report = audit(tmp_path)
    by_image, by_person = report["drawn"]
    assert by_image["leaks"]["by"]["person"]["test_images"] > 0
    assert by_person["leaks"]["by"]["person"]["test_images"] == 0
    assert [one["protocol"] for one in report["baselines"]] == [
        "stratified_70_10_20",
        "person_70_10_20",
    ]
    assert found(report)["exact"] is None


def test_baselines_of_the_own_split_agree_with_a_plain_search(clean):
    """The nearest training image, found by a loop over NumPy arrays."""
    measured = audit(clean)["baselines"][0]["test"]
    rows = rows_of(clean)
    pixels = {
        row["file"]: cv2.imread(str(clean / "images" / row["file"]), cv2.IMREAD_GRAYSCALE)
        for row in rows
    }
    train = [row for row in rows if row["source_split"] == "train"]
    test = [row for row in rows if row["source_split"] == "test"]
    right = 0
    for row in test:
        distances = [
            np.square(pixels[row["file"]].astype(float) - pixels[other["file"]]).sum()
            for other in train
        ]
        right += train[int(np.argmin(distances))]["emotion"] == row["emotion"]
    assert measured["faces"] == len(test)
    assert measured["nearest_neighbour"] == pytest.approx(right / len(test))


def test_flat_images_and_missing_classes_are_found(tmp_path):
    rng = np.random.default_rng(0)
    for split, emotions in {"train": ("happy", "sad"), "test": ("happy",)}.items():
        for emotion in emotions:
            folder = tmp_path / split / emotion
            folder.mkdir(parents=True)
            for number in range(3):
                image = rng.integers(0, 256, (32, 32), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{number}.png"), image)
    cv2.imwrite(str(tmp_path / "test" / "happy" / "flat.png"), np.full((32, 32), 90, np.uint8))
    report = audit(tmp_path)
    assert found(report) | {"near": 0} == {
        **dict.fromkeys(("quarantined", "duplicates", "conflicts", "exact", "near"), 0),
        "persons": None,
        "sequences": None,
        "flat": 1,
        "classes": 1,
    }
    assert [one["path"] for one in report["flat_images"]] == ["test/happy/flat.png"]


def test_file_that_a_list_names_twice_with_two_labels_is_a_conflict(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), rng.integers(0, 256, (32, 32), np.uint8))
    rows = [("a.png", "sad"), ("b.png", "sad"), ("a.png", "fear"), ("b.png", "sad")]
    write(tmp_path / "labels.csv", [{"path": path, "label": label} for path, label in rows])
    report = audit(tmp_path, baselines=False)
    assert found(report)["conflicts"] == found(report)["duplicates"] == 2
    assert [entry["path"] for entry in report["conflicts"][0]] == ["a.png", "a.png"]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
