"""Expectations are tested, reported, and stop the pipeline when they fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ferbench.artifacts.index import read_index, write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Validate
from ferbench.data.dedup import deduplicate, write_cleaned
from ferbench.data.ingest.source import Metadata, Reading, Record
from ferbench.data.validation import validate as validation
from ferbench.data.validation.validate import render_page, require, validate
from ferbench.errors import InputError

Report = dict[str, Any]

SETTINGS = Validate(
    min_images=4, min_images_per_emotion=2, max_quarantined_share=0.2, min_side_px=16
)
METADATA = Metadata(
    title="Toy <b>faces</b>",
    citation="none",
    licence="CC0",
    version="1",
    images=6,
    emotions=("anger", "fear"),
    faults="none",
)


class _Stage:
    """A data set of six images: three persons, one source split each."""

    def __init__(self, folder: Path) -> None:
        self.paths = DatasetPaths("toy", folder)

    def report(self, protocol: str = "official", settings: Validate = SETTINGS) -> Report:
        return validate(self.paths, settings, protocol)

    def change(self, number: int, **values: Any) -> None:
        """Overwrite values of one row of the index, without running dedup."""
        rows = pq.read_table(self.paths.index).to_pylist()
        rows[number] |= values
        write_index(self.paths.index, rows)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder of `_Stage` after stage dedup."""
    paths = DatasetPaths("toy", tmp_path_factory.mktemp("clean"))
    paths.raw.mkdir(parents=True)
    reading = Reading()
    for number in range(6):
        noise = np.random.default_rng(number).integers(0, 256, (48, 48), dtype=np.uint8)
        Image.fromarray(noise).save(paths.raw / f"{number}.png")
        person = number // 2
        reading.records.append(
            Record(
                image_id=f"{number}",
                path=f"{number}.png",
                emotion=("anger", "fear")[number % 2],
                person=f"p{person}",
                source_split=("train", "val", "test")[person],
            )
        )
    cleaned = deduplicate(reading, paths.raw, "toy", "drop_all", 16)
    write_cleaned(paths.interim, cleaned, METADATA, {"toy.zip": "00"})
    return paths.root


@pytest.fixture
def documented_stage(tmp_path: Path, clean: Path) -> _Stage:
    shutil.copytree(clean, tmp_path / "project")
    return _Stage(tmp_path / "project")


@pytest.fixture
def stage(documented_stage: _Stage, monkeypatch: pytest.MonkeyPatch) -> _Stage:
    """Without Data Docs, which take most of the time of a validation."""
    monkeypatch.setattr(validation, "_ACTIONS", ())
    return documented_stage


def _failed(report: Report) -> dict[str, str]:
    return {p["expectation"]: p["observed"] for p in report["expectations"] if not p["holds"]}


def test_good_data_set_passes_and_reports_its_counts(documented_stage: _Stage) -> None:
    report = documented_stage.report()
    assert _failed(report) == {}
    assert report["passed"]
    require(report, "toy")
    assert report["unique"] == 6
    assert report["persons"] == 3
    assert report["emotions"] == {"anger": 3, "fear": 3}
    assert report["archives"] == {"toy.zip": "00"}
    assert {"title", "licence", "citation", "version", "faults", "quarantined"} <= set(report)
    assert (documented_stage.paths.report.parent / "docs/toy/index.html").is_file()


@pytest.mark.parametrize(
    ("values", "failed"),
    [
        (
            {"md5": "x", "width": 8, "height": 9, "person": None},
            {
                "md5 is well formed": "1 of 6 images, such as 5",
                "width is at least 16 px": "1 of 6 images, such as 5",
                "height is at least 16 px": "1 of 6 images, such as 5",
                "every box lies inside its image and has an area": "1 of 6 images, such as 5",
                "every image has a known person": "1 of 6 images, such as 5",
            },
        ),
        (
            {"image_id": "a b", "path": "9.png"},
            {
                "image_id is well formed": "1 of 6 images, such as a b",
                "every file is there": "1 of 6 images, such as a b",
            },
        ),
        (
            {"path": "0.png", "emotion": "anger"},
            {
                "path is unique": "2 of 6 images, such as 0, 5",
                "every emotion has at least 3 images": "2 of 6 images, such as fear",
            },
        ),
    ],
)
def test_failed_expectation_names_the_offending_rows(
    stage: _Stage, values: dict[str, Any], failed: dict[str, str]
) -> None:
    stage.change(5, **values)
    report = stage.report(settings=Validate(4, 3, 0.2, 16))
    assert _failed(report) == failed
    assert not report["passed"]
    with pytest.raises(InputError) as caught:
        require(report, "reports/data/toy.json")
    for expectation, observed in failed.items():
        assert f"{expectation}: {observed}" in str(caught.value)
    assert caught.value.remedy


def test_box_outside_or_without_area_is_found(stage: _Stage) -> None:
    boxes = [(0, 0, 49, 48), (-1, 0, 48, 48), (5, 5, 5, 9), (float("nan"), 0, 9, 9)]
    for number, box in enumerate(boxes):
        sides = dict(zip(("left", "top", "right", "bottom"), map(float, box), strict=True))
        stage.change(number, faces=[sides | {"emotion": "anger"}])
    assert _failed(stage.report()) == {
        "every box lies inside its image and has an area": "4 of 6 images, such as 0, 1, 2, 3"
    }


def test_foreign_and_absent_emotions_are_found(stage: _Stage) -> None:
    for number in range(6):
        face = {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": "sadness"}
        stage.change(number, emotion="sadness", faces=[face])
    failed = _failed(stage.report())
    assert failed["every label is a declared emotion"] == "6 of 6 images, such as sadness"
    assert failed["every declared emotion has images"] == "missing: anger, fear"


def test_equal_images_with_two_labels_are_found(stage: _Stage) -> None:
    md5 = read_index(stage.paths.index)["md5"][0]
    stage.change(1, md5=md5)
    assert _failed(stage.report()) == {
        "md5 is unique": "2 of 6 images, such as 0, 1",
        "equal images have one label": "2 of 6 images, such as 0, 1",
    }


def test_too_few_images_and_too_many_quarantined_are_found(stage: _Stage) -> None:
    summary = json.loads(stage.paths.dedup_summary.read_text())
    summary["counts"]["quarantined"] = 2
    stage.paths.dedup_summary.write_text(json.dumps(summary))
    failed = _failed(stage.report(settings=Validate(7, 2, 0.2, 16)))
    assert failed == {
        "there are at least 7 images": "6",
        "at most 20.0% of the listed images are quarantined": "0.25",
    }


def test_person_in_two_source_splits_fails_only_the_official_protocol(stage: _Stage) -> None:
    stage.change(5, person="p0")
    strict = stage.report("official")
    assert _failed(strict) == {"no person is in two source splits": "3 of 6 images, such as p0"}
    with pytest.raises(InputError) as caught:
        require(strict, "toy")
    assert "p0" in str(caught.value)
    assert "person_70_10_20" in caught.value.remedy
    lenient = stage.report("person_70_10_20")
    assert _failed(lenient) == _failed(strict)
    assert lenient["passed"]
    require(lenient, "toy")


def test_report_is_reproducible(stage: _Stage) -> None:
    stage.change(5, person="p0")
    assert json.dumps(stage.report()) == json.dumps(stage.report())


def test_missing_index_names_the_stage_to_run(stage: _Stage) -> None:
    shutil.rmtree(stage.paths.interim)
    with pytest.raises(InputError, match="run stage dedup first"):
        stage.report()


def test_page_needs_no_network_and_escapes_html(stage: _Stage) -> None:
    stage.change(5, person="p0")
    page = render_page("toy", stage.report())
    assert "Toy &lt;b&gt;faces&lt;/b&gt;" in page
    assert "http" not in page
    assert "<script" not in page
    assert "no person is in two source splits" in page
    assert "use protocol person_70_10_20" in page
    assert "not usable" in page
