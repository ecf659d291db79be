"""The page of an audit: one HTML file without pictures, which opens offline and can be attached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ferbench.artifacts.baselines import BASELINE_NAMES
from ferbench.emotions import in_order
from ferbench.reporting.blocks import Block, Table, Value, number, share, word
from ferbench.reporting.charts import class_chart
from ferbench.reporting.numbers import count
from ferbench.reporting.rendering import render

__all__ = ["audit_page", "result_words"]

_COUNTS = {
    "images": "readable images",
    "distinct": "different images",
    "faces": "labelled faces",
    "persons": "known persons",
    "sequences": "known sequences",
    "quarantined": "files that cannot be used",
    "excluded": "left out by the data's own rules",
    "clipped_boxes": "boxes clipped at the image's edge",
    "polygons": "polygons taken as boxes",
}
_LISTS = {
    "quarantined": "files that cannot be used",
    "excluded": "files left out by the data's own rules",
    "conflicts": "equal files with different labels",
    "duplicates": "equal files",
    "near_copies": "near copies",
    "flat_images": "flat images",
}
_SHOWN = 200  # rows of a list on the page; the JSON file has more
_UNSPLIT = "in no split"


def result_words(report: Mapping[str, Any]) -> str:
    """What an audit has found, in a sentence."""
    tested = [check for check in report["checks"] if check["found"] is not None]
    failed = [check for check in tested if not check["passed"]]
    if not failed:
        return f"All {len(tested)} checks pass."
    found = "; ".join(f"{count(check['found'])} {check['what']}" for check in failed)
    return f"{len(failed)} of {len(tested)} checks fail: {found}."


def audit_page(name: str, report: Mapping[str, Any]) -> str:
    """The page of an audit.

    Args:
        name: of the file or folder that was audited.
        report: as `ferbench.external.audit.audit_data` gives it.
    """
    counts = report["counts"]
    blocks = [_verdict(report), _content(report), _copies(report), _worth(report)]
    return render(
        "alone.html",
        {
            "title": f"Audit of {name}",
            "facts": [
                ("form", report["title"]),
                ("images", count(counts["images"])),
                ("classes", len(counts["emotions"])),
            ],
            "blocks": [*blocks, _files(report)],
            "footer": f"Made by ferbench {report['ferbench']} (ferbench audit). It holds no "
            "picture. Files hold fractions; per cent is for reading.",
        },
    )


def _verdict(report: Mapping[str, Any]) -> Block:
    rows = [
        {
            "check": word(check["what"]),
            "found": number(check["found"]),
            "of": number(check["of"]),
            "allowed": word(check["allowed"]),
            "result": word(_outcome(check)),
        }
        for check in report["checks"]
    ]
    rules = report["rules"]
    return Block(
        "Checks",
        alert="" if report["passed"] else "findings",
        answers=(("Result", result_words(report)),),
        tables=(Table("", rows, title="checks"),),
        note=f"A near copy has a perceptual hash that differs in at most {rules['near_bits']} of "
        "64 bits: some are chance, and shifted or mirrored copies are not found. The grey values "
        f"(0 to 255) of a flat image deviate by less than {rules['flat_deviation']:g}. A dash: not "
        "checked, because the data names no splits, persons or sequences.",
    )


def _outcome(check: Mapping[str, Any]) -> str:
    if check["found"] is None:
        return "not checked"
    return "passes" if check["passed"] else "fails"


def _content(report: Mapping[str, Any]) -> Block:
    counts, splits = report["counts"], report["splits"]
    emotions = in_order(word for row in splits for word in row["faces"])
    total = {e: sum(row["faces"].get(e, 0) for row in splits) for e in emotions}
    rows = [
        {
            "split": word(row["split"] or _UNSPLIT),
            "images": number(row["images"]),
            "persons": number(row["persons"]),
            **{emotion: number(row["faces"].get(emotion, 0)) for emotion in emotions},
        }
        for row in splits
    ]
    return Block(
        "What it holds",
        counts=[(words, count(counts[key])) for key, words in _COUNTS.items()],
        charts=(class_chart("classes", "faces of each class", total),),
        tables=(Table("", rows, title="faces of each class by split"),),
    )


def _copies(report: Mapping[str, Any]) -> Block:
    copies, counts = report["copies"], report["counts"]
    near, across = copies["near"], copies["across_splits"]
    words = [
        f"{count(counts['redundant_copies'])} files are copies of an equal one, in "
        f"{count(counts['duplicate_groups'])} groups; {count(counts['conflict_groups'])} groups "
        f"({count(counts['conflict_images'])} images) carry different labels. "
        f"{count(copies['equal_pixels'])} images repeat the pixels of another one.",
        f"{count(near['images'])} images are near copies, {count(near['pairs'])} pairs in "
        f"{count(near['groups'])} groups; the labels of {count(near['label_disagreements'])} pairs "
        "differ.",
    ]
    if near["pairs_of_other_persons"] is not None:
        words.append(
            f"{count(near['pairs_of_other_persons'])} of these pairs show two persons, and are "
            "mistakes of the hash."
        )
    words += [
        f"{count(shared['shared'])} of {count(shared['known'])} known {unit}s are in two splits."
        for unit, shared in across.items()
        if shared
    ]
    tables = (_exact_table(copies), _near_table(near), _leak_table(report))
    return Block("Copies, persons and splits", words=words, tables=tables)


def _exact_table(copies: Mapping[str, Any]) -> Table:
    rows = [
        {
            "splits": word(f"{pair['left']} and {pair['right']}"),
            "equal images in both": number(pair["shared_pictures"]),
            "files of the first": number(pair["images_left"]),
            "files of the second": number(pair["images_right"]),
            "with different labels": number(pair["label_disagreements"]),
        }
        for pair in copies["exact_across_splits"]
    ]
    return Table("", rows, title="equal images across splits")


def _near_table(near: Mapping[str, Any]) -> Table:
    rows = [
        {
            "splits": word(f"{pair['left']} and {pair['right']}"),
            "near copies, pairs": number(pair["pairs"]),
            "images of the first": number(pair["images_left"]),
            "images of the second": number(pair["images_right"]),
        }
        for pair in near["between_splits"]
    ]
    return Table("", rows, title="near copies between splits")


def _leak_table(report: Mapping[str, Any]) -> Table:
    """What test shares with train, in the data's own split or in drawn ones."""
    own = {"split": "the data's own", "leaks": report["copies"]["leaks"]}
    rows = [
        {
            "split": word(one["split"]),
            "test images": number(one["leaks"]["test_images"]),
            "train holds an equal image": number(one["leaks"]["by"]["exact"]["test_images"]),
            "a near copy": number(one["leaks"]["by"]["near"]["test_images"]),
            "the person": number(one["leaks"]["by"]["person"]["test_images"]),
            "the sequence": number(one["leaks"]["by"]["sequence"]["test_images"]),
            "any of these %": share(one["leaks"]["leaked"] / one["leaks"]["test_images"]),
        }
        for one in (own, *report["drawn"])
        if one["leaks"]
    ]
    return Table("", rows, title="what test shares with train")


def _worth(report: Mapping[str, Any]) -> Block:
    rows = list(_baseline_rows(report["baselines"]))
    words: Sequence[str] = (
        "A nearest neighbour on pixels learns nothing about faces, and the majority class looks at "
        "no image. A model that is not clearly above them has learnt little. Where the neighbour "
        "does much better on a split by image than by person, test images have near copies in "
        "train.",
    )
    if not rows:
        words = ("Not measured: there is no train with a test or val, or it was not asked for.",)
    note = "Splits that are drawn leave out copies (70/10/20, seed 0)." if report["drawn"] else ""
    tables = (Table("", rows, title="naive baselines"),)
    return Block("Naive baselines", words=words, tables=tables, note=note)


def _baseline_rows(baselines: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Value]]:
    for one in baselines:
        for name in ("test", "val"):
            if of := one[name]:
                yield {
                    "split": word(f"{one['split']}, {name}"),
                    "faces": number(of["faces"]),
                    "training faces": number(one["train_faces"]),
                    **{f"{what} %": share(of[key]) for key, what in BASELINE_NAMES.items()},
                }


def _files(report: Mapping[str, Any]) -> Block:
    parts = []
    for key, title in _LISTS.items():
        entries, total = report[key], report["lists"][key]
        if not entries:
            continue
        rows = [_entry(one) for one in entries[:_SHOWN]]
        more = f"{count(total - _SHOWN)} more are in the JSON file." if total > _SHOWN else ""
        grouped = isinstance(entries[0], list)
        heading = f"{title} ({count(total)}{' groups' if grouped else ''})"
        table = Table("", rows, title=title)
        parts.append(Block(heading, tables=(table,), note=more, folded=True))
    words = () if parts else ("No file is at fault.",)
    return Block("Files", words=words, parts=parts)


def _entry(one: Any) -> dict[str, Value]:
    """A row for a file, or for a group of files."""
    if isinstance(one, list):
        return {
            "files": word(", ".join(entry["path"] for entry in one)),
            "labels": word(", ".join(dict.fromkeys(entry["label"] for entry in one))),
            "splits": word(", ".join(dict.fromkeys(e["split"] or _UNSPLIT for e in one))),
        }
    if "reason" in one:
        return {"file": word(one["path"]), "reason": word(one["reason"])}
    split = one["split"] or _UNSPLIT
    return {"file": word(one["path"]), "label": word(one["label"]), "split": word(split)}
