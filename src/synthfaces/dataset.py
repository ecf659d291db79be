"""A data set of generated faces: persons, takes, expressions, scenes, and planted faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synthfaces.action_units import draw_units
from synthfaces.person import draw_person
from synthfaces.photo import draw_shot
from synthfaces.scene import Sitter, render_crop, render_scene

__all__ = ["Item", "Plan", "classes", "generator", "plan_images", "plant", "render"]

Face = Mapping[str, float | str]  # left, top, right, bottom, emotion

# In the order of FER+, which is that of class indices.
EMOTIONS = (
    *("neutral", "happiness", "surprise", "sadness"),
    *("anger", "disgust", "fear", "contempt"),
)

_TAKE = 3  # frames of a filmed expression
_FILMED = 4  # one person in so many is filmed, the others are photographed
_MOST_FACES = 5
# The authors' split of every ten persons in turn; five persons suffice for all three splits.
_SPLITS = ("train", "test", "train", "train", "val", "train", "train", "test", "train", "train")
_NO_FACES: tuple[Face, ...] = ()  # of a crop: the whole picture is one
_STREAMS = {"person": 1, "take": 2, "frame": 3, "picture": 4, "faults": 5}


@dataclass(frozen=True)
class Plan:
    """One picture before it is drawn.

    Args:
        person: number of the (first) person.
        image: number of the picture among the person's.
        take: number of the take among the person's; frames of one take make a sequence.
        emotion: of the (first) face.
        filmed: whether the picture is a frame of a sequence.
    """

    person: int
    image: int
    take: int
    emotion: str
    filmed: bool


@dataclass(frozen=True)
class Item:
    """A file with its row of the label table; a face is a box with its emotion."""

    file: str
    content: bytes
    emotion: str
    person: str
    sequence: str
    source_split: str
    faces: tuple[Face, ...] = ()


def classes(options: Mapping[str, Any]) -> tuple[str, ...]:
    """The emotions that are shown: seven, and contempt on request."""
    return EMOTIONS if options["contempt"] else EMOTIONS[:7]


def generator(seed: int, stream: str, *place: int) -> np.random.Generator:
    """An independent random generator for one purpose at one place of the data set."""
    return np.random.default_rng([seed, _STREAMS[stream], *place])


def plan_images(options: Mapping[str, Any]) -> list[Plan]:
    """All pictures of the data set; the emotions take turns, so that all are about as frequent."""
    words = classes(options)
    plans: list[Plan] = []
    turn = -1
    for person in range(options["persons"]):
        filmed = person % _FILMED == _FILMED - 1
        for image in range(options["images_per_person"]):
            starts = not filmed or image % _TAKE == 0
            turn += starts
            take = image // _TAKE if filmed else image
            plans.append(Plan(person, image, take, words[turn % len(words)], filmed))
    return plans


def render(plan: Plan, options: Mapping[str, Any]) -> Item:
    """Draw one planned picture."""
    seed, name = options["seed"], f"p{plan.person:03d}"
    rng = generator(seed, "picture", plan.person, plan.image)
    first = _first_sitter(plan, options)
    if options["form"] == "crops":
        picture, faces = render_crop(first, rng), _NO_FACES
    else:
        picture, faces = _scene(first, plan.emotion, options, rng)
    return Item(
        file=f"{name}_{plan.image:03d}.png",
        content=_encode(picture),
        emotion=plan.emotion,
        person=name,
        sequence=f"{name}_t{plan.take:02d}" if plan.filmed else "",
        source_split=_SPLITS[plan.person % len(_SPLITS)],
        faces=faces,
    )


def _first_sitter(plan: Plan, options: Mapping[str, Any]) -> Sitter:
    """The person of the plan, as the take and, in a sequence, the frame show them."""
    seed = options["seed"]
    rng = generator(seed, "take", plan.person, plan.take)
    shot = draw_shot(rng, options["min_intensity"], options["variation"])
    if plan.filmed:
        shot = shot.next_frame(generator(seed, "frame", plan.person, plan.image))
    person = draw_person(generator(seed, "person", plan.person))
    return Sitter(person, draw_units(plan.emotion, shot.intensity, rng), shot)


def _scene(
    first: Sitter, emotion: str, options: Mapping[str, Any], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], tuple[Face, ...]]:
    """A scene and its faces; bystanders appear in one scene only, so the first person owns it."""
    sitters, emotions, words = [first], [emotion], classes(options)
    for _ in range(int(rng.integers(_MOST_FACES))):
        emotions.append(words[int(rng.integers(len(words)))])
        shot = draw_shot(rng, options["min_intensity"], options["variation"])
        units = draw_units(emotions[-1], shot.intensity, rng)
        sitters.append(Sitter(draw_person(rng), units, shot))
    picture, boxes = render_scene(sitters, rng)
    names = ("left", "top", "right", "bottom")
    faces: list[Face] = []
    for box, word in zip(boxes, emotions, strict=False):  # the last ones may have found no room
        corners = dict(zip(names, (round(value, 2) for value in box), strict=True))
        faces.append({**corners, "emotion": word})
    return picture, tuple(faces)


def _encode(picture: NDArray[np.uint8]) -> bytes:
    """PNG bytes of a grey or RGB picture."""
    good, data = cv2.imencode(".png", picture if picture.ndim == 2 else picture[..., ::-1])
    if not good:
        raise ValueError("the picture cannot be encoded")
    return bytes(data)


def plant(
    items: list[Item], options: Mapping[str, Any], rng: np.random.Generator
) -> Iterator[Item]:
    """The additional faulty files, each made from another image.

    Copies and changed versions keep the person. Every second exact copy is in another source split;
    all others stay in the split of their image.

    Args:
        items: the clean data set.
        options: how many faults of each kind.
        rng: chooses the images.

    Raises:
        ValueError: there are fewer images than faults.
    """
    emotions = sorted({item.emotion for item in items})
    kinds: dict[str, Callable[[Item, int], Item]] = {
        "exact_duplicates": _exact,
        "label_conflicts": partial(_conflict, emotions=emotions),
        "near_duplicates": _near,
        "corrupt": _corrupt,
    }
    wanted = sum(options[kind] for kind in kinds)
    if wanted > len(items):
        raise ValueError(f"{wanted} faults in {len(items)} images")
    order = iter(rng.permutation(len(items)).tolist())
    for kind, change in kinds.items():
        for number in range(options[kind]):
            yield change(items[next(order)], number)


def _exact(item: Item, number: int) -> Item:
    """A copy; every second one is in another source split."""
    names = ("train", "val", "test")
    split = names[(names.index(item.source_split) + number % 2) % 3]
    return replace(item, file=f"copy_{number:03d}.png", source_split=split)


def _conflict(item: Item, number: int, emotions: list[str]) -> Item:
    """A copy with another label."""
    others = [emotion for emotion in emotions if emotion != item.emotion]
    emotion = others[number % len(others)]
    faces = tuple({**face, "emotion": emotion} for face in item.faces[:1]) + item.faces[1:]
    return replace(item, file=f"conflict_{number:03d}.png", emotion=emotion, faces=faces)


def _near(item: Item, number: int) -> Item:
    """A version after lossy compression, every second one a little brighter."""
    picture = cv2.imdecode(np.frombuffer(item.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if number % 2:
        picture = cv2.convertScaleAbs(picture, alpha=1.04, beta=3)
    _, lossy = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    again = cv2.imdecode(lossy, cv2.IMREAD_UNCHANGED)
    _, data = cv2.imencode(".png", again)
    return replace(item, file=f"near_{number:03d}.png", content=bytes(data))


def _corrupt(item: Item, number: int) -> Item:
    """A file that is cut off, empty, text, or a single pixel, in turn."""
    _, pixel = cv2.imencode(".png", np.full((1, 1), number % 256, np.uint8))
    contents = (
        item.content[: len(item.content) // 2],
        b"",
        f"no image, number {number}\n".encode(),
        bytes(pixel),
    )
    return replace(item, file=f"corrupt_{number:03d}.png", content=contents[number % 4])
