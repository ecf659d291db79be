"""Of equal images one stays, by a rule that does not depend on their order."""

from __future__ import annotations

import itertools
from typing import Any

from ferbench.data.dedup import Policy, Resolved, resolve


def _row(name: str, md5: str, *emotions: str, split: str | None = None) -> dict[str, Any]:
    faces = [{"left": 10.0 * i, "top": 0.0, "emotion": word} for i, word in enumerate(emotions)]
    return {
        "image_id": name,
        "path": f"{name}.png",
        "md5": md5,
        "emotion": emotions[0],
        "source_split": split,
        "faces": faces,
    }


def _kept(resolved: Resolved) -> list[str]:
    return sorted(row["image_id"] for row in resolved.kept)


def test_test_keeps_its_copy_then_val_then_train_then_the_first_path() -> None:
    rows = [
        _row("a", "1", "fear"),
        _row("b", "1", "fear", split="train"),
        _row("c", "1", "fear", split="val"),
        _row("d", "1", "fear", split="test"),
    ]
    for kept in ("d", "c", "b", "a"):
        for order in itertools.permutations(rows):
            assert _kept(resolve(order, "drop_all")) == [kept]
        rows.pop()
    assert _kept(resolve([_row("b", "1", "fear"), _row("a", "1", "fear")], "drop_all")) == ["a"]


def test_reason_names_the_kept_image() -> None:
    resolved = resolve([_row("a", "1", "fear"), _row("b", "1", "fear")], "drop_all")
    assert resolved.dropped == [
        {
            "image_id": "b",
            "path": "b.png",
            "md5": "1",
            "emotion": "fear",
            "reason": "copy",
            "kept": "a",
        }
    ]


def _conflict(policy: Policy, *emotions: str) -> Resolved:
    return resolve([_row(f"{i}", "1", word) for i, word in enumerate(emotions)], policy)


def test_conflicts_follow_the_policy() -> None:
    assert _kept(_conflict("drop_all", "fear", "anger", "anger")) == []
    assert _kept(_conflict("majority", "fear", "anger", "anger")) == ["1"]
    assert _kept(_conflict("majority", "fear", "anger")) == []
    assert _kept(_conflict("keep_first", "fear", "anger", "anger")) == ["0"]


def test_every_image_is_kept_or_dropped_with_a_reason() -> None:
    for policy in ("drop_all", "majority", "keep_first"):
        resolved = _conflict(policy, "fear", "anger", "anger")
        assert len(resolved.kept) + len(resolved.dropped) == 3
        assert all("label conflict (anger | fear)" in row["reason"] for row in resolved.dropped)


def test_counts_are_taken_before_the_policy() -> None:
    rows = [
        *(_row(f"a{i}", "1", "fear") for i in range(3)),
        *(_row(f"b{i}", "2", word) for i, word in enumerate(("fear", "anger"))),
        _row("c", "3", "fear"),
    ]
    for policy in ("drop_all", "majority", "keep_first"):
        assert dict(resolve(rows, policy).counts) == {
            "duplicate_groups": 2,
            "redundant_copies": 3,
            "conflict_groups": 1,
            "conflict_images": 2,
        }


def test_label_is_that_of_all_faces_from_left_to_right() -> None:
    swapped = [_row("a", "1", "fear", "anger"), _row("b", "1", "anger", "fear")]
    assert resolve(swapped, "drop_all").counts["conflict_groups"] == 1
    listed_backwards = _row("b", "1", "fear", "anger")
    listed_backwards["faces"].reverse()
    same = [_row("a", "1", "fear", "anger"), listed_backwards]
    assert resolve(same, "drop_all").counts["conflict_groups"] == 0


def test_face_outlined_twice_is_no_conflict() -> None:
    rows = [_row("a", "1", "fear"), _row("b", "1", "fear", "fear")]
    assert resolve(rows, "drop_all").counts["conflict_groups"] == 0
