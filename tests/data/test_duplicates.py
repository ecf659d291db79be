"""Of equal images one stays, by a rule that does not depend on their order."""

from __future__ import annotations

import itertools
from typing import Any

from ferbench.data.dedup import Policy, resolve


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


def _kept(rows: list[dict[str, Any]], policy: Policy = "drop_all") -> list[str]:
    resolved, _ = resolve(rows, policy)
    return sorted(row["image_id"] for row in resolved if row["dropped_reason"] is None)


def _counts(*rows: dict[str, Any], policy: Policy = "drop_all") -> dict[str, int]:
    return resolve(rows, policy)[1]


def test_copy_in_test_is_preferred_then_val_then_train_then_the_first_path() -> None:
    rows = [
        _row("a", "1", "fear"),
        _row("b", "1", "fear", split="train"),
        _row("c", "1", "fear", split="val"),
        _row("d", "1", "fear", split="test"),
    ]
    for kept in ("d", "c", "b", "a"):
        for order in itertools.permutations(rows):
            assert _kept(list(order)) == [kept]
        rows.pop()
    assert _kept([_row("b", "1", "fear"), _row("a", "1", "fear")]) == ["a"]


def test_duplicate_names_the_kept_image() -> None:
    resolved, _ = resolve([_row("a", "1", "fear"), _row("b", "1", "fear")], "drop_all")
    columns = ("image_id", "dropped_reason", "detail", "duplicate_of")
    assert [tuple(row[column] for column in columns) for row in resolved] == [
        ("a", None, None, None),
        ("b", "duplicate", None, "a"),
    ]


def _conflict(*emotions: str) -> list[dict[str, Any]]:
    return [_row(f"{i}", "1", word) for i, word in enumerate(emotions)]


def test_conflicts_follow_the_policy() -> None:
    rows = _conflict("fear", "anger", "anger")
    assert _kept(rows, "drop_all") == []
    assert _kept(rows, "majority") == ["1"]
    assert _kept(_conflict("fear", "anger"), "majority") == []
    assert _kept(rows, "keep_first") == ["0"]


def test_every_image_is_kept_or_dropped_with_a_reason() -> None:
    for policy in ("drop_all", "majority", "keep_first"):
        resolved, _ = resolve(_conflict("fear", "anger", "anger"), policy)
        assert len(resolved) == 3
        dropped = [row for row in resolved if row["dropped_reason"]]
        assert all(
            row["dropped_reason"] == "conflict" and "labels anger | fear" in row["detail"]
            for row in dropped
        )


def test_counts_do_not_depend_on_the_policy() -> None:
    rows = [
        *(_row(f"a{i}", "1", "fear") for i in range(3)),
        *(_row(f"b{i}", "2", word) for i, word in enumerate(("fear", "anger"))),
        _row("c", "3", "fear"),
    ]
    for policy in ("drop_all", "majority", "keep_first"):
        assert _counts(*rows, policy=policy) == {
            "duplicate_groups": 2,
            "redundant_copies": 3,
            "conflict_groups": 1,
            "conflict_images": 2,
        }


def test_label_lists_emotions_of_all_faces_from_left_to_right() -> None:
    swapped = [_row("a", "1", "fear", "anger"), _row("b", "1", "anger", "fear")]
    assert _counts(*swapped)["conflict_groups"] == 1
    listed_backwards = _row("b", "1", "fear", "anger")
    listed_backwards["faces"].reverse()
    assert _counts(_row("a", "1", "fear", "anger"), listed_backwards)["conflict_groups"] == 0


def test_face_outlined_twice_is_no_conflict() -> None:
    rows = [_row("a", "1", "fear"), _row("b", "1", "fear", "fear")]
    assert _counts(*rows)["conflict_groups"] == 0
