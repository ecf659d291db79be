"""Parts of test, by image, where images show several faces."""

import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.predictions import no_boxes, write_boxes, write_predictions
from ferbench.errors import InputError
from ferbench.evaluation.finished_runs import Finished, Images, read_images, subsets_of
from ferbench.files import write_json

CLASSES = ["neutral", "anger"]
# Image a shows two faces, b one; c#1 is the name of an image with one face.
UNITS = ["a#0", "a#1", "b", "c#1"]


def images(leaked, person=("p", None, "q")):
    names = ["a", "b", "c#1"]
    known = None if leaked is None else pd.Series(leaked, index=names)
    return Images(pd.Series(list(person), index=names), known, "leaks.parquet")


@pytest.fixture
def cell(tmp_path):
    """A detector that answers for every face."""
    place = {"iou": 1.0, "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0, "score": 0.9}
    faces = [("a", 0), ("a", 1), ("b", 0), ("c#1", 0)]
    boxes = pd.DataFrame(
        [
            {"image_id": image, "truth": truth, "face": face, **place, "emotion": "anger"}
            for image, face in faces
            for truth in (True, False)
        ]
    ).assign(neutral=0.0, anger=1.0)[list(no_boxes(CLASSES).columns)]
    said = pd.DataFrame({"image_id": UNITS, "target": "anger", "neutral": 0.0, "anger": 1.0})
    for folder in (tmp_path, tmp_path / "val"):
        write_predictions(folder / "predictions.parquet", said)
        write_boxes(folder / "boxes.parquet", boxes)
    return Finished(None, tmp_path, {"task": "detect"})


def parts(cell, leaked):
    return dict(subsets_of(cell, images(leaked), [], 0.5))


def test_a_leaked_image_takes_all_its_faces_and_boxes_along(cell):
    found = parts(cell, [True, False, False])
    assert list(found) == ["val", "test", "test_clean", "test_leaked"]
    assert found["test_leaked"].predictions["image_id"].tolist() == ["a#0", "a#1"]
    assert found["test_clean"].predictions["image_id"].tolist() == ["b", "c#1"]
    assert set(found["test_leaked"].boxes["image_id"]) == {"a"}
    assert set(found["test_clean"].boxes["image_id"]) == {"b", "c#1"}
    assert len(found["test_leaked"].boxes) == 4
    for part in found.values():
        assert part.sure.tolist() == part.raw.tolist()  # every face keeps its answering box


@pytest.mark.parametrize("leaked", [[False] * 3, [True] * 3, None])
def test_there_are_two_parts_or_none(cell, leaked):
    assert list(parts(cell, leaked)) == ["val", "test"]


def test_persons_are_those_of_the_image():
    assert images([False] * 3).person_of(UNITS) == ["p", "p", None, "q"]
    assert images([False] * 3, person=(None, None, None)).person_of(UNITS) == [None] * 4
    assert images(None).leaked_of(UNITS) is None
    assert images([True, False, True]).leaked_of(UNITS).tolist() == [True, True, False, True]


def test_an_audit_of_another_split_is_refused():
    with pytest.raises(InputError, match="the audit knows no image d") as error:
        images([True, False, True]).leaked_of(["a#0", "d"])
    assert "dvc repro" in str(error.value)


def test_what_split_and_audit_wrote_is_read_by_image(tmp_path):
    split = tmp_path / "data" / "splits" / "faces.parquet"
    leaks = tmp_path / "data" / "audit" / "faces" / "leaks.parquet"
    for path in (split, leaks):
        path.parent.mkdir(parents=True)
    ids = {"image_id": ["a", "b"]}
    pd.DataFrame({**ids, "split": "test", "person": [None, "p"]}).to_parquet(split)
    with pytest.raises(InputError, match=r"leaks\.parquet"):
        read_images(tmp_path, "faces", resplit=True)
    pd.DataFrame({**ids, "split": "test", "leaked": [True, False]}).to_parquet(leaks)
    found = read_images(tmp_path, "faces", resplit=False)
    assert np.array_equal(found.leaked_of(["b", "a"]), [False, True])
    assert found.person_of(["b", "a"]) == ["p", None]
    assert read_images(tmp_path, "faces", resplit=True).leaked is None


def probed(cell, units):
    """The cell, after a probe that showed it some faces in two conditions."""
    folder = cell.folder / "robustness" / "canvas"
    said = pd.DataFrame({"image_id": units, "target": "anger", "neutral": 1.0, "anger": 0.0})
    for condition in ("48", "96"):
        write_predictions(folder / condition / "predictions.parquet", said)
        write_boxes(folder / condition / "boxes.parquet", no_boxes(CLASSES))
    write_json(folder / "robustness.json", {"conditions": ["48", "96"]})
    return dict(subsets_of(cell, images(None), ["canvas"], 0.5))


def test_a_probe_of_some_faces_stands_beside_the_same_faces_as_they_are(cell):
    found = probed(cell, ["b", "c#1"])
    assert list(found) == ["val", "test", "canvas_plain", "canvas_48", "canvas_96"]
    plain = found["canvas_plain"]
    assert plain.predictions["image_id"].tolist() == ["b", "c#1"]
    assert plain.predictions["anger"].tolist() == [1.0, 1.0]  # as on test, not as altered
    assert set(plain.boxes["image_id"]) == {"b", "c#1"}


def test_a_probe_of_all_faces_is_held_against_test_itself(cell):
    assert list(probed(cell, UNITS)) == ["val", "test", "canvas_48", "canvas_96"]
