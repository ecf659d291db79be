"""Promises are tested, written down, and stop the pipeline when broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ferbench.artifacts.index import read_index, write_index
from ferbench.config.params import Dataset, Validate
from ferbench.data.data_page import render_page
from ferbench.data.dedup import deduplicate, write_cleaned
from ferbench.data.source import Metadata, Reading, Record
from ferbench.data.validate import require, validate
from ferbench.errors import InputError

Draw = Callable[..., Path]
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
    """The folders of a data set of six images: three persons, one source split each."""

    def __init__(self, folder: Path, draw: Draw) -> None:
        self.folders = folder / "raw", folder / "interim", folder / "docs"
        reading = Reading()
        for number in range(6):
            draw(self.folders[0] / f"{number}.png", number)
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
        (self.folders[0] / ".ferbench.json").write_text('{"archives": {"toy.zip": "00"}}')
        cleaned = deduplicate(reading, self.folders[0], "toy", "drop_all", 16)
        write_cleaned(self.folders[1], cleaned)

    def report(self, protocol: str = "official", settings: Validate = SETTINGS) -> Report:
        row = Dataset("toy", "toy", None, protocol, "drop_all", None, None, False, {})
        return validate(row, METADATA, settings, self.folders)

    def change(self, number: int, **cells: Any) -> None:
        """Overwrite cells of one row of the index, behind the back of dedup."""
        path = self.folders[1] / "index.parquet"
        rows = pq.read_table(path).to_pylist()
        rows[number] |= cells
        write_index(path, rows)


@pytest.fixture
def stage(tmp_path: Path, draw: Draw) -> _Stage:
    return _Stage(tmp_path, draw)


def _broken(report: Report) -> dict[str, str]:
    return {p["expectation"]: p["observed"] for p in report["promises"] if not p["holds"]}


def test_good_data_set_passes_and_reports_its_counts(stage: _Stage) -> None:
    report = stage.report()
    assert _broken(report) == {}
    assert report["passed"]
    require(report, "toy")
    assert report["unique"] == 6
    assert report["persons"] == 3
    assert report["emotions"] == {"anger": 3, "fear": 3}
    assert report["archives"] == {"toy.zip": "00"}
    assert {"title", "licence", "citation", "version", "faults", "quarantined"} <= set(report)
    assert (stage.folders[2] / "index.html").is_file()


@pytest.mark.parametrize(
    ("cells", "broken"),
    [
        (
            {"md5": "x", "width": 8, "height": 9, "person": None},
            {
                "md5 is well formed": "1 of 6 images, such as 5",
                "width is at least 16 px": "1 of 6 images, such as 5",
                "height is at least 16 px": "1 of 6 images, such as 5",
                "every box lies inside its image and has an area": "1 of 6 images, such as 5",
                "every image says who is shown": "1 of 6 images, such as 5",
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
def test_broken_promise_names_the_offender(
    stage: _Stage, cells: dict[str, Any], broken: dict[str, str]
) -> None:
    stage.change(5, **cells)
    report = stage.report(settings=Validate(4, 3, 0.2, 16))
    assert _broken(report) == broken
    assert not report["passed"]
    with pytest.raises(InputError) as caught:
        require(report, "reports/data/toy.json")
    for promise, observed in broken.items():
        assert f"{promise}: {observed}" in str(caught.value)
    assert caught.value.remedy


def test_box_outside_or_without_area_is_found(stage: _Stage) -> None:
    boxes = [(0, 0, 49, 48), (-1, 0, 48, 48), (5, 5, 5, 9), (float("nan"), 0, 9, 9)]
    for number, box in enumerate(boxes):
        sides = dict(zip(("left", "top", "right", "bottom"), map(float, box), strict=True))
        stage.change(number, faces=[sides | {"emotion": "anger"}])
    assert _broken(stage.report()) == {
        "every box lies inside its image and has an area": "4 of 6 images, such as 0, 1, 2, 3"
    }


def test_foreign_and_absent_emotions_are_found(stage: _Stage) -> None:
    for number in range(6):
        face = {"left": 0.0, "top": 0.0, "right": 48.0, "bottom": 48.0, "emotion": "sadness"}
        stage.change(number, emotion="sadness", faces=[face])
    broken = _broken(stage.report())
    assert broken["every label is a declared emotion"] == "6 of 6 images, such as sadness"
    assert broken["every declared emotion has images"] == "missing: anger, fear"


def test_equal_images_with_two_labels_are_found(stage: _Stage) -> None:
    md5 = read_index(stage.folders[1] / "index.parquet")["md5"][0]
    stage.change(1, md5=md5)
    assert _broken(stage.report()) == {
        "md5 is unique": "2 of 6 images, such as 0, 1",
        "equal images have one label": "2 of 6 images, such as 0, 1",
    }


def test_too_few_images_and_too_many_quarantined_are_found(stage: _Stage) -> None:
    counts = json.loads((stage.folders[1] / "dedup.json").read_text())
    (stage.folders[1] / "dedup.json").write_text(json.dumps(counts | {"quarantined": 2}))
    broken = _broken(stage.report(settings=Validate(7, 2, 0.2, 16)))
    assert broken == {
        "there are at least 7 images": "6",
        "at most 20.0% of the listed images are quarantined": "0.25",
    }


def test_person_in_two_source_splits_breaks_the_official_protocol_only(stage: _Stage) -> None:
    stage.change(5, person="p0")
    strict = stage.report("official")
    assert _broken(strict) == {"no person is in two source splits": "3 of 6 images, such as p0"}
    with pytest.raises(InputError) as caught:
        require(strict, "toy")
    assert "p0" in str(caught.value)
    assert "person_70_10_20" in caught.value.remedy
    lenient = stage.report("person_70_10_20")
    assert _broken(lenient) == _broken(strict)
    assert lenient["passed"]
    require(lenient, "toy")


def test_report_is_the_same_every_time(stage: _Stage) -> None:
    stage.change(5, person="p0")
    assert json.dumps(stage.report()) == json.dumps(stage.report())


def test_missing_index_names_the_stage_to_run(stage: _Stage) -> None:
    shutil.rmtree(stage.folders[1])
    with pytest.raises(InputError, match="run stage dedup first"):
        stage.report()


def test_page_needs_no_network_and_escapes_what_it_shows(stage: _Stage) -> None:
    stage.change(5, person="p0")
    page = render_page("toy", stage.report())
    assert "Toy &lt;b&gt;faces&lt;/b&gt;" in page
    assert "http" not in page
    assert "<script" not in page
    assert "no person is in two source splits" in page
    assert "use protocol person_70_10_20" in page
    assert "not usable" in page
