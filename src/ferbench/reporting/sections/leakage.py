"""What leaks from train to test, how much it changes scores, and the naive baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferbench.artifacts.datasets import Baselines
from ferbench.reporting.blocks import Block, Table, Value, difference, number, share, word
from ferbench.reporting.numbers import count, interval, percent
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]

# With fewer faces a difference is chance: the scores are shown without a conclusion.
_ENOUGH = 30
_KINDS = {
    "exact": "an equal image",
    "near": "a near copy",
    "person": "the same person",
    "sequence": "the same sequence",
}
_PARTS = {"test": "test", "test_clean": "clean", "test_leaked": "leaked"}
# Below this accuracy networks contradict many correct labels.
_SOUND = 0.8


def build(study: StudyFiles) -> Block:
    """A card a data set row."""
    return Block("Leakage and naive baselines", parts=[_card(study, key) for key in study.keys])


def _card(study: StudyFiles, key: str) -> Block:
    audit, (name, protocol) = study.audits[key], study.place(key)
    parts, noise = _parts_table(study, key), noise_words(study, key)
    bits = audit["rules"]["near_bits"]
    return Block(
        title=name,
        tags=(protocol,),
        words=(_words(audit), *_parts_words(parts), *((noise,) if noise else ())),
        tables=(_leak_table(key, audit), _released_table(key, audit), parts),
        note=f"A near copy has a perceptual hash that differs in at most {bits} of 64 bits. "
        "A dash: the data set does not name the person or sequence of an image.",
        parts=(
            Block(
                "Naive baselines",
                words=(
                    "A nearest neighbour on pixels learns nothing about faces. If it does much "
                    "better in random folds than in folds by person, test images have near copies "
                    "in train, and a high accuracy on such a split means little.",
                ),
                tables=(_baseline_table(key, study.baselines[key]),),
            ),
        ),
    )


def _words(audit: Mapping[str, Any]) -> str:
    leaked, clean = audit["leaked_test_images"], audit["clean_test_images"]
    total = leaked + clean
    if leaked:
        text = (
            f"{count(leaked)} of {count(total)} test images ({percent(leaked / total)} %) "
            "leak from train: by an equal image, a near copy, the same person or sequence."
        )
    else:
        text = f"None of the {count(total)} test images leaks from train."
    if before := audit.get("without_dedup"):
        text += (
            f" Without deduplication, {count(before['test_images_with_copy_in_train'])} test "
            f"images ({percent(before['share'])} %) would have an equal image in train."
        )
    return text


def _leak_table(key: str, audit: Mapping[str, Any]) -> Table:
    found = {kind: audit["leaks"].get(kind) or {} for kind in _KINDS}
    rows = [
        {
            "train holds": word(name),
            "test images": number(found[kind].get("test_images")),
            "share of test %": share(found[kind].get("share")),
        }
        for kind, name in _KINDS.items()
    ]
    return Table(f"leaks_{key}", rows, title="by kind")


def _released_table(key: str, audit: Mapping[str, Any]) -> Table:
    """Equal images in two of the source's own splits, before anything was removed."""
    rows = [
        {
            "as released": word(f"{pair['left']} and {pair['right']}"),
            "equal images in both": number(pair["shared_pictures"]),
            "images of the first": number(pair["images_left"]),
            "images of the second": number(pair["images_right"]),
            "of them with different labels": number(pair.get("label_disagreements")),
        }
        for pair in audit.get("as_released") or ()
    ]
    return Table(f"released_{key}", rows, title="as released")


def _parts_table(study: StudyFiles, key: str) -> Table:
    """The first metric on test, its clean part and its leaked part; empty without both parts."""
    metric = study.metric
    scores = {subset: study.on(subset, key, metric) for subset in _PARTS}
    faces = {subset: study.on(subset, key, "faces") for subset in _PARTS}
    clean, leaked = scores["test_clean"], scores["test_leaked"]
    rows = []
    for variant in clean if leaked else ():
        cells: dict[str, Value] = {"variant": word(variant)}
        for subset, name in _PARTS.items():
            score, size = scores[subset].get(variant), faces[subset].get(variant)
            cells[f"{metric}, {name} %"] = share(score.mean if score else None)
            cells[f"faces, {name}"] = number(size.mean if size else None)
        gap = leaked[variant].mean - clean[variant].mean
        rows.append({**cells, "leaked − clean, points": difference(gap)})
    return Table(f"parts_{key}", rows, title="scores on clean and leaked images")


def _parts_words(parts: Table) -> tuple[str, ...]:
    gaps = {row["variant"].raw: row["leaked − clean, points"].raw for row in parts.rows}
    if not gaps:
        return ()
    fewest = min(row[f"faces, {part}"].raw for row in parts.rows for part in ("clean", "leaked"))
    if fewest < _ENOUGH:
        return (f"With {count(fewest)} faces in the smaller part the two cannot be compared.",)
    widest = max(gaps, key=lambda variant: gaps[variant])
    if gaps[widest] <= 0:
        return ("No variant scores higher on the leaked images than on the clean ones.",)
    return (
        f"{widest} gains most from leakage: {percent(gaps[widest])} points more on leaked images "
        "than on clean ones.",
    )


def noise_words(study: StudyFiles, key: str) -> str:
    """How many labels of test the study's own predictions contradict; empty if not estimated."""
    about = (study.noise.get(key) or {}).get("test")
    if not about:
        return ""
    if about["share"] is None:
        return f"Label noise was not estimated: {about['reason']}."
    alone = about["models"] == 1
    who = "one network" if alone else f"{count(about['models'])} networks together"
    text = (
        f"Label noise: {who}, correct in {percent(about['accuracy'])} % of cases, "
        f"contradict{'s' if alone else ''} {count(about['issues'])} of "
        f"{count(about['n'])} labels of test ({percent(about['share'])} %). This is an estimate by "
        f"{about['method']}: a difficult face may be flagged as an error, and an error that "
        "annotators always make is not found."
    )
    if about["accuracy"] < _SOUND:
        text += " Networks of such accuracy flag many correct labels: it is an upper bound at most."
    return text


def _baseline_table(key: str, baselines: Baselines) -> Table:
    """Naive baselines on this split and on others of the same images."""
    redraws, folds = baselines.redraws, baselines.ten_folds
    rows = [_accuracies("this split, test", baselines.split)]
    if baselines.val:
        rows.append(_accuracies("this split, val", baselines.val))
    if redraws:
        raw = redraws["nearest_neighbour"]
        bounds = interval(raw["low"], raw["high"])
        name = f"mean of {raw['n']} draws of the protocol (raw: 95 % interval {bounds})"
        rows.append(_accuracies(name, {key: drawn["mean"] for key, drawn in redraws.items()}))
    for kind, name in (
        ("random", "ten random folds, persons in several of them"),
        ("by_person", "ten folds by person"),
    ):
        known = {key: accuracy.get(kind) for key, accuracy in (folds or {}).items()}
        if any(value is not None for value in known.values()):
            rows.append(_accuracies(name, known))
    return Table(f"baselines_{key}", rows, title="naive baselines")


def _accuracies(name: str, of: Mapping[str, float | None]) -> dict[str, Value]:
    return {
        "split": word(name),
        "1-NN on raw pixels %": share(of.get("nearest_neighbour")),
        "standardised pixels %": share(of.get("nearest_neighbour_standardised")),
        "majority class %": share(of.get("majority_class")),
    }
