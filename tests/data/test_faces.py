"""The face renderer: expressions, identity, pose and exact boxes."""

import dataclasses

import numpy as np
import pytest

from ferbench.emotions import BASIC
from synthfaces.action_units import PROTOTYPES, draw_units
from synthfaces.drawing import Drawing, Pose
from synthfaces.landmarks import brow, eye, mouth
from synthfaces.person import HAIR_STYLES, draw_person
from synthfaces.photo import Shot, draw_shot
from synthfaces.scene import (
    SCENE_PX,
    Sitter,
    draw_face,
    face_bounds,
    place_faces,
    render_crop,
)

FORWARD = np.zeros(2)


def rng(*place: int) -> np.random.Generator:
    return np.random.default_rng(place)


def units_of(emotion: str) -> np.ndarray:
    """Each unit's mean over many faces that show an emotion fully."""
    return np.mean([draw_units(emotion, 1.0, rng(7, k)) for k in range(60)], axis=0)


def plain_shot(seed: int) -> Shot:
    return dataclasses.replace(draw_shot(rng(seed), 0.3), noise=0.0, occluder="none", zoom=1.0)


def corner_height(emotion: str) -> float:
    """How far the mouth's corners are below its middle."""
    lips = mouth(draw_person(rng(1)), units_of(emotion))
    line = (lips.upper_inner[:, 1] + lips.lower_inner[:, 1]) / 2
    return float((line[0] + line[-1]) / 2 - line[len(line) // 2])


def inner_brow(emotion: str) -> float:
    return float(brow(draw_person(rng(1)), units_of(emotion), 0)[0, 1])


def opening(emotion: str) -> float:
    shape = eye(draw_person(rng(1)), units_of(emotion), 1, FORWARD)
    return float((shape.lower[:, 1] - shape.upper[:, 1]).max())


def test_prototypes_are_those_of_the_basic_emotions():
    assert set(PROTOTYPES) == set(BASIC)


@pytest.mark.parametrize("emotion", BASIC)
def test_intensities_stay_between_none_and_full(emotion):
    for intensity in (0.0, 0.5, 1.0):
        units = draw_units(emotion, intensity, rng(3))
        assert units.min() >= 0.0
        assert units.max() <= 1.0


def test_weak_expression_is_nearer_to_neutral_than_a_strong_one():
    weak, strong = (draw_units("surprise", k, rng(5)).sum() for k in (0.2, 1.0))
    assert weak < 0.4 * strong


def test_contempt_is_on_one_side_only():
    dimple = draw_units("contempt", 1.0, rng(2))[:, 14]
    assert dimple.min() < 0.2
    assert dimple.max() > 0.6


def test_mouth_corners_rise_in_happiness_and_sink_in_sadness():
    neutral = corner_height("neutral")
    assert corner_height("happiness") < neutral - 0.08
    assert corner_height("sadness") > neutral + 0.08


def test_inner_brows_rise_in_sadness_and_fear_and_sink_in_anger_and_disgust():
    neutral = inner_brow("neutral")
    assert max(inner_brow("sadness"), inner_brow("fear")) < neutral - 0.08
    assert min(inner_brow("anger"), inner_brow("disgust")) > neutral + 0.05


def test_eyes_widen_in_fear_and_surprise_and_narrow_in_disgust():
    neutral = opening("neutral")
    assert min(opening("fear"), opening("surprise")) > 1.2 * neutral
    assert opening("disgust") < 0.8 * neutral


def test_mouth_opens_most_in_surprise():
    gaps = {e: mouth(draw_person(rng(1)), units_of(e)).gap for e in BASIC}
    assert max(gaps, key=gaps.__getitem__) == "surprise"
    assert gaps["anger"] > gaps["neutral"]


def test_person_is_repeatable_and_persons_differ():
    assert draw_person(rng(0, 1)) == draw_person(rng(0, 1))
    people = [draw_person(rng(0, k)) for k in range(60)]
    assert len({person.skin for person in people}) == 60
    assert {person.style for person in people} == set(HAIR_STYLES)


def test_expression_does_not_change_the_hair():
    shot = plain_shot(4)
    crops = [
        render_crop(Sitter(draw_person(rng(0, who)), draw_units(e, 1.0, rng(1)), shot), rng(2))
        for who, e in ((3, "neutral"), (3, "happiness"), (4, "neutral"))
    ]
    top = [crop[:5].astype(int) for crop in crops]
    assert np.abs(top[0] - top[1]).max() <= 2
    assert np.abs(top[0] - top[2]).max() > 20
    assert np.abs(crops[0].astype(int) - crops[1]).max() > 40


@pytest.mark.parametrize("seed", range(12))
def test_box_is_the_extent_of_the_drawn_face(seed):
    person = draw_person(rng(9, seed))
    units = draw_units(BASIC[seed % 7], 1.0, rng(8, seed))
    shot = draw_shot(rng(7, seed), 0.3)
    pose = Pose(shot.yaw, shot.pitch, shot.roll, 100.0, 96.0, 50.0)
    drawing = Drawing()
    draw_face(drawing, person, units, shot)
    opacity = drawing.layers(200, 220, pose, 4)[0][..., 3]
    rows, columns = np.flatnonzero(opacity.max(axis=1)), np.flatnonzero(opacity.max(axis=0))
    drawn = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    np.testing.assert_allclose(drawn, face_bounds(person, units, pose), atol=1.3)


def test_faces_without_variation_are_frontal_evenly_lit_and_in_full_view():
    shots = [draw_shot(rng(seed), 0.3, 0.0) for seed in range(100)]
    for shot in shots:
        assert (shot.yaw, shot.pitch, shot.roll, shot.zoom, shot.gain) == (0, 0, 0, 1, 1)
        assert (shot.contrast, shot.blur, shot.occluder) == (0, 0, "none")
        assert not shot.shift.any()
    assert len({shot.intensity for shot in shots}) == 100


def test_variation_scales_the_same_draws():
    wild, half = (draw_shot(rng(3), 0.3, variation) for variation in (1.0, 0.5))
    assert repr(wild) == repr(draw_shot(rng(3), 0.3))
    assert half.yaw == pytest.approx(wild.yaw / 2)
    assert half.contrast == pytest.approx(wild.contrast / 2)
    assert (half.intensity, half.shirt) == (wild.intensity, wild.shirt)


def test_turning_the_head_moves_the_nose_more_than_the_outline():
    ahead, turned = (Pose(yaw, 0.0, 0.0, 0.0, 0.0, 1.0) for yaw in (0.0, 0.3))
    nose = np.array([(0.0, 0.2)])
    flat = np.full(1, np.nan)
    np.testing.assert_array_equal(turned.project(nose, flat), ahead.project(nose, flat))
    shift = turned.project(nose, np.zeros(1)) - ahead.project(nose, np.zeros(1))
    assert shift[0, 0] > 0.15


def test_faces_of_a_scene_lie_inside_it_and_apart():
    for seed in range(20):
        sitters = [
            Sitter(
                draw_person(rng(seed, k)), draw_units("fear", 1.0, rng(k)), draw_shot(rng(k), 0.3)
            )
            for k in range(5)
        ]
        poses = place_faces(sitters, rng(seed))
        boxes = [face_bounds(s.person, s.units, p) for s, p in zip(sitters, poses, strict=False)]
        assert boxes
        for i, (left, top, right, bottom) in enumerate(boxes):
            assert left >= 0
            assert top >= 0
            assert right <= SCENE_PX[0]
            assert bottom <= SCENE_PX[1]
            for other in boxes[:i]:
                apart_x = right <= other[0] or other[2] <= left
                assert apart_x or bottom <= other[1] or other[3] <= top


def test_crop_can_be_drawn_larger():
    sitter = Sitter(draw_person(rng(1)), draw_units("anger", 1.0, rng(1)), draw_shot(rng(1), 0.3))
    assert render_crop(sitter, rng(1), side_px=128).shape == (128, 128)
