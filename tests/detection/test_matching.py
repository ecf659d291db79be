"""Which box is the prediction for which face, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from ferbench.detection.matching import assign_faces, overlaps


def assigned(score: list[float], iou: list[list[float]]) -> list[int]:
    return assign_faces(np.array(score), np.array(iou, float).reshape(len(score), -1)).tolist()


@pytest.mark.parametrize(("boxes", "faces"), [(1, 1), (7, 3), (0, 2)])
def test_overlaps_equal_those_of_torchvision_to_the_bit(boxes: int, faces: int) -> None:
    rng = np.random.default_rng(boxes)
    corners = np.sort(rng.random((boxes + faces, 2, 2)), axis=1).reshape(-1, 4)
    mine = overlaps(corners[:boxes, None], corners[None, boxes:])
    theirs = box_iou(torch.from_numpy(corners[:boxes]), torch.from_numpy(corners[boxes:]))
    assert mine.shape == (boxes, faces)
    assert np.array_equal(mine, theirs.numpy())


def test_boxes_without_area_or_contact_do_not_overlap() -> None:
    face = np.array([[0.2, 0.2, 0.4, 0.4]])
    boxes = np.array([[0.3, 0.3, 0.3, 0.3], [0.4, 0.2, 0.6, 0.4], [0.2, 0.2, 0.4, 0.4]])
    assert overlaps(boxes, face).tolist() == pytest.approx([0.0, 0.0, 1.0])
    assert overlaps(boxes[:1], boxes[:1]).tolist() == [0.0]


def test_only_face_gets_the_box_with_the_highest_score_wherever_it_is() -> None:
    assert assigned([0.3, 0.9, 0.8], [[0.95], [0.0], [1.0]]) == [-1, 0, -1]


def test_only_face_gets_the_first_of_boxes_with_equal_scores() -> None:
    assert assigned([0.5, 0.5], [[0.0], [1.0]]) == [0, -1]


def test_boxes_choose_among_several_faces_by_falling_score() -> None:
    # The box with the higher score takes face 1; the other overlaps it most too and takes face 0.
    assert assigned([0.6, 0.9], [[0.55, 0.8], [0.5, 0.7]]) == [0, 1]


def test_box_without_a_free_face_of_half_overlap_is_assigned_to_none() -> None:
    assert assigned([0.9, 0.8, 0.7], [[0.8, 0.1], [0.9, 0.49], [0.1, 0.5]]) == [0, -1, 1]


@pytest.mark.parametrize("faces", [1, 3])
def test_no_boxes_are_assigned_to_no_faces(faces: int) -> None:
    assert assign_faces(np.zeros(0), np.zeros((0, faces))).tolist() == []
