"""What a split leaks from train to test, and how much of a score it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.reporting.blocks import Block, Table, Value, difference, number, share, word
from ferbench.reporting.numbers import count, percent
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

__all__ = ["leak_block", "noise_words"]

# Of fewer faces a difference is chance: the report shows the scores and says nothing of them.
_ENOUGH = 30
_KINDS = {
    "exact": "an equal image",
    "near": "a near copy",
    "person": "the same person",
    "sequence": "the same sequence",
}


def leak_block(files: StudyFiles, key: str) -> Block:
    """Test images that training has seen in some way, and the scores with and without them."""
    audit = files.audits[key]
    parts = _parts_table(files, key)
    tables = (_leak_table(key, audit), _released_table(key, audit), parts)
    bits = audit["rules"]["near_bits"]
    return Block(
        title="What the split leaks",
        words=(*_words(audit), *_parts_words(parts)),
        tables=tuple(table for table in tables if table.rows),
        note=(
            f"A near copy has a perceptual hash that differs in at most {bits} of 64 bits. "
            "A dash: the data set does not tell who or which sequence an image is of."
        ),
    )


def _words(audit: Mapping[str, Any]) -> tuple[str, ...]:
    leaked, clean = audit["leaked_test_images"], audit["clean_test_images"]
    total = leaked + clean
    if not leaked:
        text = f"None of the {count(total)} test images is found again in train."
    else:
        text = (
            f"{count(leaked)} of {count(total)} test images ({percent(leaked / total)} %) "
            "are found again in train, by an equal image, a near copy, their person or sequence."
        )
    before = audit.get("without_dedup")
    if before:
        text += (
            f" Without dedup, {count(before['test_images_with_copy_in_train'])} test images "
            f"({percent(before['share'])} %) would have an equal image in train."
        )
    return (text,)


def _leak_table(key: str, audit: Mapping[str, Any]) -> Table:
    found = {kind: audit["leaks"].get(kind) or {} for kind in _KINDS}
    rows = [
        {
            "train holds": word(words),
            "test images": number(found[kind].get("test_images")),
            "share of test %": share(found[kind].get("share")),
        }
        for kind, words in _KINDS.items()
    ]
    return Table(f"leaks_{key}", tuple(rows), title="by kind")


def _released_table(key: str, audit: Mapping[str, Any]) -> Table:
    """Equal images on two sides of the source's own splits, before anything was removed."""
    rows = [
        {
            "as released": word(f"{pair['left']} and {pair['right']}"),
            "equal images on both sides": number(pair["shared_pictures"]),
            "images left": number(pair["images_left"]),
            "images right": number(pair["images_right"]),
            "of them with other labels": number(pair.get("label_disagreements")),
        }
        for pair in audit.get("as_released") or ()
    ]
    return Table(f"released_{key}", tuple(rows), title="as released")


def _parts_table(files: StudyFiles, key: str) -> Table:
    """The first metric on test, on its clean and on its leaked part; empty if there is no part."""
    metric = files.params.compare.metrics[0]
    subsets = {name: files.on(name, key, metric) for name in ("test", "test_clean", "test_leaked")}
    faces = {name: files.on(name, key, "faces") for name in subsets}
    clean, leaked = subsets["test_clean"], subsets["test_leaked"]
    rows = []
    for variant in clean if leaked else ():
        cells: dict[str, Value] = {"variant": word(variant)}
        for name, words in (("test", "test"), ("test_clean", "clean"), ("test_leaked", "leaked")):
            cells[f"{metric}, {words} %"] = share(_mean(subsets[name].get(variant)))
            cells[f"faces, {words}"] = number(_mean(faces[name].get(variant)))
        gap = leaked[variant].mean - clean[variant].mean
        rows.append({**cells, "leaked − clean, points": difference(gap)})
    return Table(f"parts_{key}", tuple(rows), title="scores on clean and leaked images")


def _mean(mean: Mean | None) -> float | None:
    return None if mean is None else mean.mean


def _parts_words(parts: Table) -> tuple[str, ...]:
    gaps = {row["variant"].raw: row["leaked − clean, points"].raw for row in parts.rows}
    if not gaps:
        return ()
    fewest = min(row[f"faces, {part}"].raw for row in parts.rows for part in ("clean", "leaked"))
    if fewest < _ENOUGH:
        return (f"With {count(fewest)} faces in the smaller part the two cannot be compared.",)
    widest = max(gaps, key=lambda variant: gaps[variant])
    gap = gaps[widest]
    if gap <= 0:
        return ("No variant scores higher on the leaked images than on the clean ones.",)
    return (
        f"{widest} gains most from them: {percent(gap)} points more on leaked images than on "
        "clean ones.",
    )


# Below this accuracy networks contradict many a right label.
_SOUND = 0.8
_WEAK = " Networks that err so often call many right labels wrong: it is at most an upper bound."


def noise_words(files: StudyFiles, key: str) -> str:
    """What the study's own answers say of the labels of test; empty if nobody asked them."""
    about = (files.noise.get(key) or {}).get("test")
    if not about:
        return ""
    if about["share"] is None:
        return f"Label noise was not estimated: {about['reason']}."
    alone = about["models"] == 1
    who = "one network" if alone else f"{count(about['models'])} networks together"
    weak = about["accuracy"] < _SOUND
    return (
        f"Label noise: {who}, right in {percent(about['accuracy'])} % of cases, "
        f"contradict{'s' if alone else ''} {count(about['issues'])} of "
        f"{count(about['n'])} labels of test ({percent(about['share'])} %). An estimate, by "
        f"{about['method']}: a hard face may be called an error, and an error that annotators "
        f"always make is not found.{_WEAK if weak else ''}"
    )
