"""Subsets of a run where images show several faces."""

import numpy as np
import pandas as pd
import pytest
from tests.run_records import run_record, split_summary

from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import FACE_KEY, no_boxes, write_boxes, write_predictions
from ferbench.errors import InputError
from ferbench.evaluation.finished_runs import FinishedRun, Images, read_images, subsets_of
from ferbench.files import write_json

CLASSES = ["neutral", "anger"]
# Image a shows two faces, b one; `c#1` is the name of an image with one face.
FACES = [("a", 0), ("a", 1), ("b", 0), ("c#1", 0)]


def images(leaked):
    names = ["a", "b", "c#1"]
    known = None if leaked is None else pd.Series(leaked, index=names)
    return Images(pd.Series(["p", None, "q"], index=names), known, "leaks.parquet")


def table(faces, anger=1.0):
    frame = pd.DataFrame(faces, columns=FACE_KEY)
    return frame.assign(target="anger", neutral=1 - anger, anger=anger)


@pytest.fixture
def finished(tmp_path):
    """A detector with a box for every face."""
    place = {"iou": 1.0, "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0, "score": 0.9}
    boxes = pd.DataFrame(
        [
            {"image_id": image, "truth": truth, "face": face, **place, "emotion": "anger"}
            for image, face in FACES
            for truth in (True, False)
        ]
    ).assign(picture=0, neutral=0.0, anger=1.0)[list(no_boxes(CLASSES).columns)]
    for folder in (tmp_path, tmp_path / "val"):
        write_predictions(folder / "predictions.parquet", table(FACES))
        write_boxes(folder / "boxes.parquet", boxes)
    return FinishedRun(None, tmp_path, run_record(task="detect"))


def parts(finished, leaked, tests=()):
    return {s.name: s for s in subsets_of(finished, images(leaked), tests, 0.5)}


def faces_of(subset):
    return list(subset.predictions.table[FACE_KEY].itertuples(index=False, name=None))


def test_leaked_image_is_set_apart_with_all_its_faces_and_boxes(finished):
    found = parts(finished, [True, False, False])
    assert list(found) == ["val", "test", "test_clean", "test_leaked"]
    assert faces_of(found["test_leaked"]) == FACES[:2]
    assert faces_of(found["test_clean"]) == FACES[2:]
    assert set(found["test_leaked"].predictions.boxes["image_id"]) == {"a"}
    assert set(found["test_clean"].predictions.boxes["image_id"]) == {"b", "c#1"}
    assert len(found["test_leaked"].predictions.boxes) == 4
    for part in found.values():  # every face keeps its box
        assert part.predictions.thresholded.tolist() == part.predictions.prob.tolist()


@pytest.mark.parametrize("leaked", [[False] * 3, [True] * 3, None])
def test_test_has_two_parts_or_none(finished, leaked):
    assert list(parts(finished, leaked)) == ["val", "test"]


def test_audit_of_another_split_is_refused():
    with pytest.raises(InputError, match="the audit knows no image d") as error:
        images([True, False, True]).leaked_of(table([("a", 0), ("d", 0)]))
    assert "dvc repro" in str(error.value)


def test_images_are_read_from_split_and_audit(tmp_path):
    paths = DatasetPaths("faces", tmp_path)
    ids = {"image_id": ["a", "b"]}
    split = pd.DataFrame({**ids, "split": "test", "person": [None, "p"]})
    write_split(paths, split, split_summary())
    with pytest.raises(InputError, match=r"leaks\.parquet"):
        read_images(tmp_path, "faces")
    paths.audit.mkdir(parents=True)
    leaks = pd.DataFrame({**ids, "split": "test", "leaked": [True, False]})
    leaks.to_parquet(paths.audit / "leaks.parquet")
    with pytest.raises(InputError, match=r"index\.parquet"):
        read_images(tmp_path, "faces")
    listed = [
        {**dict.fromkeys(("image_id", "path"), i), "sequence": s}
        for i, s in (("a", "s"), ("b", None))
    ]
    write_index(paths.index, listed)
    found = read_images(tmp_path, "faces")
    assert np.array_equal(found.leaked_of(table([("b", 0), ("a", 1)])), [False, True])
    assert found.person.dropna().to_dict() == {"b": "p"}
    assert found.sequence.dropna().to_dict() == {"a": "s"}
    write_split(paths, split, split_summary(redrawn=True))
    assert read_images(tmp_path, "faces").leaked is None


def after_canvas(finished, faces):
    """The subsets of the run, after a robustness test on some faces in two conditions."""
    folder = finished.folder / "robustness" / "canvas"
    for condition in ("48", "96"):
        write_predictions(folder / condition / "predictions.parquet", table(faces, anger=0.0))
        write_boxes(folder / condition / "boxes.parquet", no_boxes(CLASSES))
    write_json(folder / "robustness.json", {"conditions": ["48", "96"]})
    return parts(finished, None, ["canvas"])


def test_robustness_test_of_some_faces_has_the_same_faces_unaltered(finished):
    found = after_canvas(finished, FACES[1:3])
    assert list(found) == ["val", "test", "canvas_plain", "canvas_48", "canvas_96"]
    plain = found["canvas_plain"]
    assert (plain.robustness, plain.condition) == ("canvas", "plain")
    assert (found["canvas_48"].robustness, found["canvas_48"].condition) == ("canvas", "48")
    assert faces_of(plain) == FACES[1:3]
    assert plain.predictions.table["anger"].tolist() == [1.0, 1.0]  # as on test, not as altered
    assert set(plain.predictions.boxes["image_id"]) == {"a", "b"}


def test_robustness_test_of_all_faces_is_compared_with_test_itself(finished):
    assert list(after_canvas(finished, FACES)) == ["val", "test", "canvas_48", "canvas_96"]
