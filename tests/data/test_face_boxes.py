"""Boxes end up in pixels inside the image; what was cut or lost is told."""

from __future__ import annotations

import math

import pytest

from ferbench.data.dedup import place_faces
from ferbench.data.ingest.source import Box, Record


def _record(*boxes: tuple[float, float, float, float], normalised: bool = False) -> Record:
    faces = tuple(Box(*box, emotion="fear") for box in boxes)
    return Record("a", "a.jpg", "fear", faces=faces, normalised=normalised)


def _corners(face: dict[str, float]) -> tuple[float, float, float, float]:
    return face["left"], face["top"], face["right"], face["bottom"]


def test_image_without_boxes_is_one_face() -> None:
    placed = place_faces(_record(), 40, 30)
    assert [_corners(face) for face in placed.faces] == [(0, 0, 40, 30)]
    assert placed.faces[0]["emotion"] == "fear"


def test_fractions_become_pixels() -> None:
    placed = place_faces(_record((0.25, 0.5, 0.75, 1.0), normalised=True), 200, 100)
    assert _corners(placed.faces[0]) == (50, 50, 150, 100)
    assert placed.clipped == 0


def test_box_beyond_the_border_is_cut_and_counted() -> None:
    placed = place_faces(_record((-5, 10, 20, 20), (1, 1, 9, 31), (0, 0, 40, 30)), 40, 30)
    assert [_corners(face) for face in placed.faces] == [
        (0, 10, 20, 20),
        (1, 1, 9, 30),
        (0, 0, 40, 30),
    ]
    assert placed.clipped == 2


def test_rounding_of_fractions_is_cut_but_not_counted() -> None:
    placed = place_faces(_record((0, 0, 1.0004, 1), normalised=True), 640, 640)
    assert _corners(placed.faces[0]) == (0, 0, 640, 640)
    assert placed.clipped == 0
    assert place_faces(_record((0, 0, 1.01, 1), normalised=True), 640, 640).clipped == 1


@pytest.mark.parametrize(
    "box", [(50, 0, 60, 10), (5, 5, 5, 9), (9, 5, 5, 9), (0, 0, 0.4, 9), (math.nan, 0, 9, 9)]
)
def test_face_without_area_inside_is_a_fault(box: tuple[float, float, float, float]) -> None:
    placed = place_faces(_record((1, 1, 9, 9), box), 40, 30)
    assert len(placed.faces) == 1
    assert placed.faults == ["face 1 has no area inside the image"]
