"""Non-maximum suppression, by hand."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from ferbench.detection.boxes import NMS_IOU, kept_boxes

# cx cy w h and a score for each of two classes, one a place.
PLACES = [
    (10.0, 10.0, 8.0, 8.0, 0.9, 0.3),
    (10.5, 10.0, 8.0, 8.0, 0.8, 0.0),  # nearly the first place: suppressed
    (30.0, 30.0, 8.0, 8.0, 0.0, 0.6),
    (50.0, 50.0, 8.0, 8.0, 0.0005, 0.0),  # below the least score
]


def decoded(*images: list[tuple[float, ...]]) -> Tensor:
    return torch.stack([torch.tensor(rows).T for rows in images])


def test_kept_boxes_are_the_best_of_each_place_and_class() -> None:
    (boxes,) = kept_boxes(decoded(PLACES), classes=2, max_boxes=10)
    assert boxes.score.tolist() == pytest.approx([0.9, 0.6, 0.3])
    assert boxes.cls.tolist() == [0, 1, 1]
    assert boxes.xyxy.tolist() == [[6, 6, 14, 14], [26, 26, 34, 34], [6, 6, 14, 14]]
    assert boxes.prob.tolist() == [
        pytest.approx([0.9, 0.3]),
        pytest.approx([0.0, 0.6]),
        pytest.approx([0.9, 0.3]),
    ]


def test_places_that_overlap_less_are_both_kept() -> None:
    rows = [(10.0, 10.0, 8.0, 8.0, 0.9, 0.0), (12.0, 10.0, 8.0, 8.0, 0.8, 0.0)]  # IoU 0.6
    (boxes,) = kept_boxes(decoded(rows), classes=2, max_boxes=10)
    assert boxes.score.tolist() == pytest.approx([0.9, 0.8])


def test_boxes_beyond_the_limit_are_dropped_the_worst_first() -> None:
    (boxes,) = kept_boxes(decoded(PLACES), classes=2, max_boxes=2)
    assert boxes.score.tolist() == pytest.approx([0.9, 0.6])


def test_kept_box_has_the_place_it_is_from() -> None:
    (boxes,) = kept_boxes(decoded(PLACES), classes=2, max_boxes=10)
    assert boxes.place.tolist() == [0, 2, 0]


@pytest.mark.parametrize("spread", [200.0, 0.5], ids=["the best suffice", "all are needed"])
def test_comparing_the_best_places_keeps_what_comparing_all_would(spread: float) -> None:
    """Against torchvision's suppression of every place and class, whatever their number."""
    generator = torch.Generator().manual_seed(0)
    places, classes, most = 4_000, 2, 50
    centre = 100 + spread * torch.rand(places, 2, generator=generator)
    size = 20 + 0.1 * torch.rand(places, 2, generator=generator)
    prob = 0.01 + 0.9 * torch.rand(places, classes, generator=generator)
    centre[7], prob[7] = torch.tensor([500.0, 500.0]), 0.002  # alone, and worse than all
    (boxes,) = kept_boxes(torch.cat((centre, size, prob), dim=1).T[None], classes, most)

    corners = torch.cat((centre - size / 2, centre + size / 2), dim=1).repeat(classes, 1)
    cls = torch.arange(classes).repeat_interleave(places)
    right = batched_nms(corners, prob.T.flatten(), cls, NMS_IOU)[:most]
    assert (len(right) < most) == (spread < 1)
    assert sorted(boxes.place.tolist()) == sorted((right % places).tolist())
    assert boxes.score.tolist() == prob.T.flatten()[right].tolist()


def test_image_without_a_box_is_empty_and_the_next_is_not() -> None:
    nothing = [(*row[:4], 0.0, 0.0) for row in PLACES]
    empty, full = kept_boxes(decoded(nothing, PLACES), classes=2, max_boxes=10)
    assert empty.xyxy.shape == (0, 4)
    assert empty.prob.shape == (0, 2)
    assert len(full.score) == 3


def test_slow_machine_keeps_the_boxes_of_every_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own limit of some seconds a batch would leave the last images empty."""
    clock = iter(range(0, 10_000, 20))  # the clock is 20 seconds later at every call
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    kept = kept_boxes(decoded(*[PLACES] * 5), classes=2, max_boxes=10)
    assert [len(boxes.score) for boxes in kept] == [3] * 5


@pytest.mark.thorough
def test_boxes_do_not_depend_on_what_else_is_imported() -> None:
    """The library has two implementations and takes the one whose package is imported."""
    program = (
        "import sys, torch\n"
        "from ferbench.detection.boxes import kept_boxes\n"
        "assert 'torchvision' not in sys.modules\n"
        "torch.manual_seed(0)\n"
        "decoded = torch.rand(1, 11, 400)\n"
        "decoded[:, :4] = 16 + 6 * decoded[:, :4]\n"
        "first = kept_boxes(decoded, 7, 300)[0]\n"
        "assert 'torchvision' in sys.modules\n"
        "import torchvision\n"
        "print(torch.equal(first.place, kept_boxes(decoded, 7, 300)[0].place))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"
