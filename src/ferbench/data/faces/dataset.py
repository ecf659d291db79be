"""A whole data set of generated faces: who is seen how often with what, and the faults planted in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferbench.data.faces.anatomy import draw_person
from ferbench.data.faces.photo import draw_shot
from ferbench.data.faces.scene import Sitter, render_crop, render_scene
from ferbench.data.faces.units import draw_units
from ferbench.emotions import BASIC

__all__ = ["EMOTIONS", "Item", "Plan", "encode_png", "make_dataset", "plan_images", "render"]

EMOTIONS = BASIC

_TAKE = 3  # frames of a filmed expression
_FILMED = 4  # one person in so many is filmed, the others are photographed
_MOST_FACES = 5
_STREAMS = {"person": 1, "take": 2, "frame": 3, "plan": 4, "bystander": 5}


@dataclass(frozen=True)
class Plan:
    """One picture before it is drawn.

    Args:
        person: number of the (first) person.
        image: number of the picture among the person's.
        take: number of the take among the person's; frames of one take make a sequence.
        emotion: of the (first) face.
        sequence: name of the sequence, empty for a photograph.
    """

    person: int
    image: int
    take: int
    emotion: str
    sequence: str


@dataclass(frozen=True)
class Item:
    """A file with its row of the label table; `faces` holds boxes with emotions."""

    file: str
    content: bytes
    emotion: str
    person: str
    sequence: str
    source_split: str
    faces: tuple[tuple[Mapping[str, float], str], ...] = ()


def _rng(seed: int, stream: str, *place: int) -> np.random.Generator:
    """An independent generator for a place in the data set."""
    return np.random.default_rng([seed, _STREAMS[stream], *place])


def plan_images(options: Mapping[str, Any]) -> list[Plan]:
    """All pictures of the data set; the emotions take turns, so that all are equally frequent."""
    classes = EMOTIONS if options["contempt"] else EMOTIONS[:7]
    plans: list[Plan] = []
    turn = 0
    for person in range(options["persons"]):
        step = _TAKE if person % _FILMED == _FILMED - 1 else 1
        for image in range(options["images_per_person"]):
            turn += image % step == 0
            emotion = classes[(turn - 1) % len(classes)]
            sequence = f"p{person:03d}t{image // step:02d}" if step > 1 else ""
            plans.append(Plan(person, image, image // step, emotion, sequence))
    return plans


def source_split(person: int, persons: int) -> str:
    """The authors' split: 70 % of the persons train, 10 % val, 20 % test."""
    share = (person * 7919) % persons / persons if persons % 7919 else person / persons
    if share < 0.7:
        return "train"
    return "val" if share < 0.8 else "test"


def encode_png(picture: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a grey or RGB picture."""
    bgr = picture if picture.ndim == 2 else picture[..., ::-1]
    good, data = cv2.imencode(".png", bgr)
    if not good:
        raise ValueError("the picture cannot be encoded")
    return bytes(data)


def _sitter(plan: Plan, seed: int) -> Sitter:
    person = draw_person(_rng(seed, "person", plan.person))
    rng = _rng(seed, "take", plan.person, plan.take)
    shot = draw_shot(rng)
    if plan.sequence:
        shot = shot.next_frame(_rng(seed, "frame", plan.person, plan.image))
    return Sitter(person, draw_units(plan.emotion, shot.intensity, rng), shot)


def render(plan: Plan, options: Mapping[str, Any]) -> Item:
    """Draw one planned picture."""
    seed = options["seed"]
    item = Item(
        file=f"p{plan.person:03d}_{plan.image:03d}.png",
        content=b"",
        emotion=plan.emotion,
        person=f"p{plan.person:03d}",
        sequence=plan.sequence,
        source_split=source_split(plan.person, options["persons"]),
    )
    first = _sitter(plan, seed)
    rng = _rng(seed, "bystander", plan.person, plan.image)
    if options["form"] == "crops":
        return replace(item, content=encode_png(render_crop(first, rng)))
    classes = EMOTIONS if options["contempt"] else EMOTIONS[:7]
    sitters, emotions = [first], [plan.emotion]
    # Bystanders are seen once and never again, so a scene belongs to its first person alone.
    for _ in range(int(rng.integers(_MOST_FACES))):
        emotions.append(classes[int(rng.integers(len(classes)))])
        shot = draw_shot(rng)
        sitters.append(
            Sitter(draw_person(rng), draw_units(emotions[-1], shot.intensity, rng), shot)
        )
    picture, boxes = render_scene(sitters, rng)
    names = ("left", "top", "right", "bottom")
    faces = [
        (dict(zip(names, box, strict=True)), e) for box, e in zip(boxes, emotions, strict=False)
    ]
    return replace(item, content=encode_png(picture), faces=tuple(faces))


def make_dataset(options: Mapping[str, Any]) -> Iterator[Item]:
    """All files of a data set, the planted faults last."""
    from ferbench.data.faces.faults import plant

    items = [render(plan, options) for plan in plan_images(options)]
    yield from items
    yield from plant(items, options, _rng(options["seed"], "plan"))
