"""Near copies against the obvious comparison of every two images."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from ferbench.external import near_copies
from ferbench.external.near_copies import find_near_copies

_BITS = 4
_SPLITS = ("train", "val", "test")


@pytest.fixture
def images() -> pd.DataFrame:
    """300 images, many of them a few bits from an earlier one; some flat, some equal."""
    rng = np.random.default_rng(3)
    phash = rng.integers(0, 2**63, 300).astype(np.uint64)
    for place in range(100, 300):
        flips = rng.integers(0, 64, rng.integers(1, 7))
        change = np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64))
        phash[place] = phash[rng.integers(0, place)] ^ change
    pixels = [f"{number}" for number in range(300)]
    phash[50], pixels[50] = phash[49], pixels[49]
    split = rng.choice([*_SPLITS, "none"], 300)
    return pd.DataFrame(
        {
            "phash": phash,
            "pixels": pixels,
            "deviation": np.where(rng.random(300) < 0.1, 1.0, 50.0),
            "split": pd.Series(split, dtype=object).where(split != "none", None),
            "label": rng.choice(["fear", "anger"], 300),
            "person": pd.Series(rng.choice(["a", "b", None], 300), dtype=object),
        }
    )


def obvious(images: pd.DataFrame) -> list[tuple[int, int]]:
    rows = images.to_dict("records")
    return [
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if (rows[i]["phash"] ^ rows[j]["phash"]).bit_count() <= _BITS
        and min(rows[i]["deviation"], rows[j]["deviation"]) >= 4
        and rows[i]["pixels"] != rows[j]["pixels"]
    ]


@pytest.mark.parametrize("small", [False, True])
def test_counts_agree_with_comparing_every_two_images(images, small, monkeypatch):
    if small:  # several parts, merged one by one
        for name, size in (("_ROWS", 7), ("_COLUMNS", 11), ("_EDGES", 3)):
            monkeypatch.setattr(near_copies, name, size)
    found, pairs = find_near_copies(images, _BITS, 4.0), obvious(images)
    assert len(pairs) > 50
    assert found.pairs == len(pairs)
    label, person, split = (images[name].tolist() for name in ("label", "person", "split"))
    assert found.label_disagreements == sum(label[i] != label[j] for i, j in pairs)
    assert found.pairs_of_other_persons == sum(
        bool(person[i] and person[j] and person[i] != person[j]) for i, j in pairs
    )
    between = {(row["left"], row["right"]): row for row in found.between}
    for left, right in [("train", "train"), ("train", "test"), ("val", "test")]:
        own = [
            (i, j) if (split[i], split[j]) == (left, right) else (j, i)
            for i, j in pairs
            if (split[i], split[j]) in ((left, right), (right, left))
        ]
        row = between[left, right]
        assert row["pairs"] == len(own)
        firsts, seconds = {i for i, _ in own}, {j for _, j in own}
        if left == right:
            firsts = seconds = firsts | seconds
        assert (row["images_left"], row["images_right"]) == (len(firsts), len(seconds))


def test_earlier_marks_images_whose_copy_is_in_an_earlier_split(images):
    order = {name: number for number, name in enumerate(_SPLITS)}
    split = images["split"].tolist()
    wanted = set()
    for i, j in obvious(images):
        if None not in (split[i], split[j]) and split[i] != split[j]:
            wanted.add(max(i, j, key=lambda k: order[split[k]]))
    assert set(np.flatnonzero(find_near_copies(images, _BITS, 4.0).earlier)) == wanted


def test_groups_are_the_connected_components(images):
    """By repeated relabelling, as in a textbook."""
    label = list(range(len(images)))
    changed = True
    while changed:
        changed = False
        for i, j in obvious(images):
            least = min(label[i], label[j])
            changed |= (label[i], label[j]) != (least, least)
            label[i] = label[j] = least
    group = find_near_copies(images, _BITS, 4.0).group
    assert len({(a, b) for a, b in zip(label, group, strict=True)}) == len(set(label))
    assert len(set(label)) == len(set(group))
