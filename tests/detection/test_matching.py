"""Which box answers for which face, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from ferbench.detection.matching import answers, overlaps


def said(score: list[float], iou: list[list[float]]) -> list[int]:
    return answers(np.array(score), np.array(iou, float).reshape(len(score), -1)).tolist()


@pytest.mark.parametrize(("boxes", "faces"), [(1, 1), (7, 3), (0, 2)])
def test_overlaps_are_those_of_torchvision(boxes: int, faces: int) -> None:
    rng = np.random.default_rng(boxes)
    corners = np.sort(rng.random((boxes + faces, 2, 2)), axis=1).reshape(-1, 4)
    mine = overlaps(corners[:boxes], corners[boxes:])
    theirs = box_iou(torch.from_numpy(corners[:boxes]), torch.from_numpy(corners[boxes:]))
    assert mine.shape == (boxes, faces)
    assert np.allclose(mine, theirs.numpy(), atol=1e-12)


def test_boxes_without_area_or_contact_do_not_overlap() -> None:
    face = np.array([[0.2, 0.2, 0.4, 0.4]])
    boxes = np.array([[0.3, 0.3, 0.3, 0.3], [0.4, 0.2, 0.6, 0.4], [0.2, 0.2, 0.4, 0.4]])
    assert overlaps(boxes, face)[:, 0].tolist() == pytest.approx([0.0, 0.0, 1.0])
    assert overlaps(boxes[:1], boxes[:1]).tolist() == [[0.0]]


def test_for_one_face_the_highest_score_answers_wherever_it_is() -> None:
    assert said([0.3, 0.9, 0.8], [[0.95], [0.0], [1.0]]) == [-1, 0, -1]


def test_of_equal_scores_for_one_face_the_first_answers() -> None:
    assert said([0.5, 0.5], [[0.0], [1.0]]) == [0, -1]


def test_for_several_faces_boxes_choose_by_falling_score() -> None:
    # The surest box takes face 1; the second would like it too and takes face 0 instead.
    assert said([0.6, 0.9], [[0.55, 0.8], [0.5, 0.7]]) == [0, 1]


def test_a_box_without_a_free_face_of_half_overlap_answers_for_none() -> None:
    assert said([0.9, 0.8, 0.7], [[0.8, 0.1], [0.9, 0.49], [0.1, 0.5]]) == [0, -1, 1]


@pytest.mark.parametrize("faces", [1, 3])
def test_no_box_answers_nothing(faces: int) -> None:
    assert answers(np.zeros(0), np.zeros((0, faces))).tolist() == []
