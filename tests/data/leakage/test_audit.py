"""The leak audit, on generated pictures with known copies, persons and faults."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imagehash
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferbench.artifacts.datasets import write_split
from ferbench.artifacts.index import read_index
from ferbench.artifacts.pack import Pack
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Audit
from ferbench.data.dedup import deduplicate, write_cleaned
from ferbench.data.ingest.source import Box, Metadata, Reading, Record, Source
from ferbench.data.leakage.audit import (
    COLUMNS,
    Audited,
    audit_dataset,
    choose_samples,
    write_audited,
)
from ferbench.data.leakage.leaks import find_leaks, hash_images, near_pairs, to_image
from ferbench.data.leakage.released import across_splits, readable, without_dedup
from ferbench.data.pack import pack_images
from ferbench.data.protocols.standard import stratified_70_10_20
from ferbench.data.sources.ferplus import FerPlus
from ferbench.data.sources.synthetic import Synthetic
from ferbench.data.split import draw_split
from ferbench.errors import InputError

Pixels = np.ndarray[Any, Any]
RULES = Audit(near_bits=4, flat_deviation=4.0)
EMOTIONS = ("happiness", "sadness", "anger")


def face(seed: int, px: int = 48) -> Pixels:
    """A picture with shapes of several sizes, as faces have them; unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(30, 225, (12, 12)).astype(np.float32)
    return cv2.resize(coarse, (px, px), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(1).normal(0, 4, pixels.shape)
    return (pixels + noise).clip(0, 255).astype(np.uint8)


def brighter(pixels: Pixels) -> Pixels:
    return (pixels.astype(float) * 0.85 + 25).astype(np.uint8)


def recompressed(pixels: Pixels) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=50)
    return np.asarray(Image.open(file))


def coloured(pixels: Pixels) -> Pixels:
    return np.repeat(pixels[:, :, None], 3, axis=2)


def smaller(pixels: Pixels) -> Pixels:
    return cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA)


class Listed(Source):
    """A data set of a test: what its `labels.json` lists."""

    METADATA = Metadata("Listed", "", "", "", None, EMOTIONS, "")

    def read(self, root: Path) -> Reading:
        rows = json.loads((root / "labels.json").read_text())
        return Reading([Record(**{**row, "faces": _boxes(row)}) for row in rows])


def _boxes(row: dict[str, Any]) -> tuple[Box, ...]:
    return tuple(Box(*corners, emotion) for *corners, emotion in row.get("faces", ()))


class Toy:
    """A data set, picture by picture, and the data stages run on it."""

    def __init__(self, root: Path, key: str = "toy") -> None:
        self.paths = DatasetPaths(key, root)
        self.rows: list[dict[str, Any]] = []

    def add(
        self, name: str, pixels: Pixels, emotion: str, suffix: str = "png", **more: Any
    ) -> None:
        path = self.paths.raw / f"{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        self.rows.append({"image_id": name, "path": path.name, "emotion": emotion, **more})

    def dedup(self, source: Source | None = None) -> None:
        source, raw = source or Listed(), self.paths.raw
        if self.rows:
            (raw / "labels.json").write_text(json.dumps(self.rows))
        cleaned = deduplicate(source.read(raw), raw, self.paths.key, "drop_all", 16)
        write_cleaned(self.paths.interim, cleaned, source.metadata, {})

    def split(self, protocol: str, limit: int | None = None) -> pd.DataFrame:
        table, summary = draw_split(read_index(self.paths.index), protocol, 0, limit)
        self.paths.split.parent.mkdir(exist_ok=True)
        write_split(self.paths, table, summary)
        return table

    def stages(self, protocol: str, source: Source | None = None) -> None:
        self.dedup(source)
        pack_images(read_index(self.paths.index), self.paths.raw, self.paths.pack)
        self.split(protocol)

    def audit(self, protocol: str, source: Source | None = None) -> Audited:
        self.stages(protocol, source)
        return audit_dataset(self.paths, RULES)


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Official train, val and test of three classes, ten pictures each of a class; no copies."""
    made = Toy(tmp_path)
    for number, split in enumerate(("train", "val", "test")):
        for k in range(30):
            name = f"{split}{k:02d}"
            made.add(name, face(100 * number + k), EMOTIONS[k % 3], source_split=split)
    return made


def images(**columns: list[Any]) -> pd.DataFrame:
    """Rows as `find_leaks` takes them, unlike each other in what is not given."""
    count = len(columns["split"])
    rng = np.random.default_rng(0)
    plain = {
        "image_id": [f"i{n:03d}" for n in range(count)],
        "person": [None] * count,
        "sequence": [None] * count,
        "pixels": [f"digest {n}" for n in range(count)],
        "phash": rng.integers(0, 2**64, count, dtype=np.uint64),
        "deviation": [50.0] * count,
    }
    return pd.DataFrame({**plain, **columns})


def packed(tmp_path: Path, pictures: dict[str, Pixels]) -> pd.DataFrame:
    toy = Toy(tmp_path)
    for name, pixels in pictures.items():
        toy.add(name, pixels, "anger")
    index = pd.DataFrame(toy.rows)
    shapes = [pictures[name].shape for name in index["image_id"]]
    index = index.assign(height=[s[0] for s in shapes], width=[s[1] for s in shapes])
    pack_images(index, toy.paths.raw, toy.paths.pack)
    return hash_images(Pack(toy.paths.pack), sorted(pictures))


@pytest.mark.parametrize("change", [noisy, brighter, recompressed, coloured, smaller])
def test_near_copies_are_found_and_unrelated_pictures_are_not(
    tmp_path: Path, change: Callable[[Pixels], Pixels]
) -> None:
    seeds = range(40)
    copies = {f"copy{n:02d}": change(face(n)) for n in seeds}
    table = packed(tmp_path, copies | {f"face{n:02d}": face(n) for n in seeds})
    phash = table.set_index("image_id")["phash"].to_numpy()
    pairs = near_pairs(phash[:40], phash[40:], 4)
    assert pairs.tolist() == [[n, n] for n in seeds]


def test_near_duplicates_of_the_synthetic_faces_are_found(tmp_path: Path) -> None:
    source = Synthetic({"persons": 12, "images_per_person": 7, "near_duplicates": 12})
    toy = Toy(tmp_path, "faces")
    source.make(toy.paths.raw)
    report = toy.audit("stratified_70_10_20", source).report
    assert report["leaks"]["near"]["test_images"] > 0
    pack = Pack(toy.paths.pack)
    planted = [image_id for image_id in pack.ids if image_id.startswith("near_")]
    others = [image_id for image_id in pack.ids if image_id not in planted]
    phash = hash_images(pack, planted + others)["phash"].to_numpy()
    pairs = near_pairs(phash[:12], phash[12:], RULES.near_bits)
    assert set(pairs[:, 0]) == set(range(12))


def test_perceptual_hashes_differ_in_as_many_bits_as_in_imagehash(tmp_path: Path) -> None:
    names = [f"face{n}" for n in range(6)]
    table = packed(tmp_path, {name: face(n) for n, name in enumerate(names)})
    hashes = [imagehash.phash(Image.fromarray(face(n))) for n in range(6)]
    for one in range(6):
        for other in range(6):
            bits = int(table["phash"][one] ^ table["phash"][other]).bit_count()
            assert bits == hashes[one] - hashes[other]
    assert table["deviation"].tolist() == pytest.approx([face(n).std() for n in range(6)])


def test_near_pairs_equal_those_of_a_plain_loop() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(0, 2**64, 600, dtype=np.uint64)
    second = rng.integers(0, 2**64, 70, dtype=np.uint64)
    # In every chunk, some that are 3, 4 and 5 bits from another.
    for place, bits in ((0, 3), (255, 4), (256, 4), (300, 5), (599, 4)):
        first[place] = second[place % 70] ^ np.uint64(2**bits - 1)
    expected = [
        [i, j]
        for i, a in enumerate(first.tolist())
        for j, b in enumerate(second.tolist())
        if (a ^ b).bit_count() <= 4
    ]
    assert len(expected) == 4
    assert near_pairs(first, second, 4).tolist() == expected
    assert near_pairs(first[:0], second, 4).shape == (0, 2)
    assert near_pairs(first, second[:0], 4).shape == (0, 2)


def test_unknown_persons_do_not_leak() -> None:
    split = ["train", "train", "val", "test", "test", "test"]
    person = ["a", None, "a", "b", None, "a"]
    leaks = find_leaks(images(split=split, person=person), RULES)
    assert leaks.table["person"].tolist() == [False, False, True, False, False, True]
    assert leaks.summary["person"] == {
        "val_images": 1,
        "test_images": 1,
        "share": 1 / 3,
        "groups": 1,
    }
    assert set(leaks.summary["sequence"].values()) == {None}
    assert leaks.table["leaked"].tolist() == leaks.table["person"].tolist()


def test_kind_known_in_one_split_only_is_unknown() -> None:
    split = ["train", "train", "test"]
    leaks = find_leaks(images(split=split, sequence=["s", "t", None]), RULES)
    assert leaks.summary["sequence"]["test_images"] is None
    leaks = find_leaks(images(split=split, sequence=["s", None, "u"]), RULES)
    assert leaks.summary["sequence"]["test_images"] == 0


def test_kinds_of_leaks_are_separate_and_independent_of_row_order() -> None:
    frame = images(
        split=["train", "train", "test", "test", "test", "test", "test"],
        phash=np.array([0, 2**32 - 1, 2**40, 2**63 + 7, 15, 31, 2**64 - 1], np.uint64),
        pixels=["p", "q", "p", "r", "s", "t", "u"],
        sequence=["x", "y", "z", "z", "y", "z", "z"],
        person=["a", "b", "a", "c", None, "b", "d"],
    )
    leaks = find_leaks(frame, RULES)
    table = leaks.table.set_index("image_id")
    assert table["exact"].tolist() == [False, False, True, False, False, False, False]
    # One, four, four and five bits from train's first image.
    assert table["near"].tolist() == [False, False, True, True, True, False, False]
    assert table["sequence"].tolist() == [False, False, False, False, True, False, False]
    assert table["person"].tolist() == [False, False, True, False, False, True, False]
    assert table["leaked"].tolist() == [False, False, True, True, True, True, False]
    assert leaks.summary["near"]["pairs"] == 3
    assert leaks.summary["near"]["pairs_of_other_persons"] == 1
    shuffled = find_leaks(frame.sample(frac=1, random_state=0), RULES)
    pd.testing.assert_frame_equal(shuffled.table, leaks.table)
    assert shuffled.summary == leaks.summary


def test_flat_images_are_not_near_copies() -> None:
    phash = np.zeros(4, np.uint64)
    split = ["train", "train", "test", "test"]
    frame = images(split=split, phash=phash, deviation=[0.5, 60, 3.9, 4.0])
    leaks = find_leaks(frame, RULES)
    assert leaks.table["flat"].tolist() == [True, False, True, False]
    assert leaks.table["near"].tolist() == [False, False, False, True]
    assert leaks.summary["near"]["pairs_of_other_persons"] is None


def test_planted_leaks_are_found_through_all_stages(toy: Toy) -> None:
    same = face(0)
    # The bytes differ, so dedup keeps both; the pixels do not.
    toy.add("test_same", same, "happiness", suffix="bmp", source_split="test")
    toy.add("test_near", noisy(face(1)), "sadness", source_split="test")
    toy.add("val_near", brighter(face(2)), "anger", source_split="val")
    toy.add("train_flat", np.full((48, 48), 77, np.uint8), "anger", source_split="train")
    toy.add("test_wide", coloured(face(900, 96))[:, :60], "anger", source_split="test")
    audited = toy.audit("official")
    found = audited.leaks.set_index("image_id")
    assert found.index[found["exact"]].tolist() == ["test_same"]
    assert found.index[found["near"]].tolist() == ["test_near", "test_same", "val_near"]
    assert found.index[found["leaked"]].tolist() == ["test_near", "test_same", "val_near"]
    assert found.index[found["flat"]].tolist() == ["train_flat"]
    report = audited.report
    assert report["protocol"] == "official"
    assert report["rules"] == {"near_bits": 4, "flat_deviation": 4.0}
    assert report["images"] == {"train": 31, "val": 31, "test": 33}
    assert (report["leaked_test_images"], report["clean_test_images"]) == (2, 31)
    assert report["leaks"]["exact"]["groups"] == 1
    assert report["leaks"]["near"] == {
        "val_images": 1,
        "test_images": 2,
        "share": pytest.approx(2 / 33),
        "pairs": 2,
        "pairs_of_other_persons": None,
    }
    assert report["leaks"]["person"]["test_images"] is None
    assert report["flat_images"] == 1
    assert report["channels"] == {"grey": 94, "colour": 1}
    assert report["sizes"] == [
        {"width": 48, "height": 48, "images": 94},
        {"width": 60, "height": 96, "images": 1},
    ]
    assert "not_faces" not in report
    assert "votes" not in report


def test_images_beyond_the_limit_are_not_audited(toy: Toy) -> None:
    toy.stages("stratified_70_10_20")
    split = toy.split("stratified_70_10_20", limit=30)
    audited = audit_dataset(toy.paths, RULES)
    assert audited.leaks["image_id"].tolist() == split["image_id"].tolist()
    assert audited.report["without_dedup"]["test_images"] == 6


def _with_copies(toy: Toy) -> Toy:
    """Copies across the authors' splits: of one label, of two, and three times the same."""
    toy.add("copy_a", face(0), "happiness", source_split="test")  # of train00
    toy.add("copy_b", face(1), "anger", source_split="test")  # of train01, which is sad
    toy.add("copy_c", face(2), "anger", source_split="test")  # of train02, twice
    toy.add("copy_d", face(2), "anger", source_split="test")
    toy.add("copy_e", face(200), "happiness", source_split="val")  # of test00
    toy.add("copy_f", face(3), "happiness", source_split="train")  # of train03: on one side
    toy.add("copy_g", face(4), "anger", source_split=None)  # of train04: on no side
    return toy


def test_dropped_copies_are_counted_as_released(toy: Toy) -> None:
    report = _with_copies(toy).audit("official").report
    assert report["as_released"] == [
        {
            "left": "train",
            "right": "test",
            "shared_pictures": 3,
            "images_left": 3,
            "images_right": 4,
            "label_disagreements": 1,
        },
        {
            "left": "val",
            "right": "test",
            "shared_pictures": 1,
            "images_left": 1,
            "images_right": 1,
            "label_disagreements": 0,
        },
    ]
    assert report["leaks"]["exact"]["test_images"] == 0
    # The authors' split, with its copies: a, b, c and d of 34 test images.
    without = report["without_dedup"]
    assert (without["test_images"], without["test_images_with_copy_in_train"]) == (34, 4)
    assert without["share"] == without["mean_share"] == pytest.approx(4 / 34)


def test_labels_of_scenes_are_compared_as_in_dedup(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    left, right = [0, 0, 20, 48, "anger"], [20, 0, 48, 48, "sadness"]
    toy.add("a", face(0), "anger", source_split="train", faces=[left, right])
    # The same faces in another order are the same labels.
    toy.add("b", face(0), "sadness", source_split="test", faces=[right, left])
    toy.add("c", face(1), "anger", source_split="train", faces=[left])
    toy.add("d", face(1), "anger", source_split="test", faces=[left, right])
    toy.dedup()
    released = readable(read_index(toy.paths.index, dropped=True))
    assert sorted(released["image_id"]) == ["a", "b", "c", "d"]
    (found,) = across_splits(released)
    assert (found["shared_pictures"], found["label_disagreements"]) == (2, 1)


def test_share_without_dedup_equals_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    released = pd.DataFrame(
        {"image_id": f"i{n}", "md5": str(rng.integers(150)), "emotion": EMOTIONS[n % 3]}
        | {"dataset": "toy", "person": None, "source_split": None}
        for n in range(300)
    )
    found = without_dedup(released, "stratified_70_10_20", 5, None)["without_dedup"]
    frame = released.sort_values("image_id", ignore_index=True)
    splits = stratified_70_10_20(frame, np.random.default_rng(5)).tolist()
    rows = list(zip(splits, frame["md5"], strict=True))
    hits = [any(s == "train" and m == md5 for s, m in rows) for t, md5 in rows if t == "test"]
    assert found["test_images_with_copy_in_train"] == sum(hits)
    assert found["share"] == pytest.approx(sum(hits) / len(hits))
    # 300 files of 150 pictures: 299 others, each a copy with 1/150, in train with 0.7.
    assert found["mean_share"] == pytest.approx(1 - (1 - 0.7 / 150) ** 299, abs=0.05)
    backwards = without_dedup(released[::-1], "stratified_70_10_20", 5, None)
    assert backwards["without_dedup"] == found


def test_protocol_that_refuses_copies_is_reported_with_its_reason(toy: Toy) -> None:
    for row in toy.rows:
        row["person"] = row["image_id"]
    toy.add("copy", face(0), "happiness", source_split="test", person="train00")
    report = toy.audit("official").report
    assert report["without_dedup"] is None
    assert "train00" in report["without_dedup_skipped"]
    assert report["as_released"][0]["shared_pictures"] == 1


def test_frames_leak_by_image_and_not_by_person(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    for person in range(12):
        for number, emotion in enumerate(EMOTIONS):
            for frame in range(3):
                pixels = np.roll(noisy(face(10 * person + number)), frame, axis=0)
                who = {"person": f"p{person:02d}", "sequence": f"p{person:02d}_{number}"}
                toy.add(f"p{person:02d}_{number}_{frame}", pixels, emotion, **who)
    leaky = toy.audit("stratified_70_10_20").report
    apart = toy.audit("person_70_10_20").report
    assert leaky["leaks"]["person"]["share"] > 0.9
    assert leaky["leaks"]["sequence"]["share"] > 0.7
    for kind in ("exact", "near", "person", "sequence"):
        assert apart["leaks"][kind]["test_images"] == 0
    assert apart["leaked_test_images"] == 0
    assert apart["leaks"]["near"]["pairs_of_other_persons"] == 0


def test_equal_data_give_equal_files(toy: Toy) -> None:
    _with_copies(toy)
    write_audited(toy.audit("stratified_70_10_20"), toy.paths)
    report = toy.paths.audit_report
    first = {path.name: path.read_bytes() for path in (*toy.paths.audit.iterdir(), report)}
    split = pd.read_parquet(toy.paths.split)
    split.sample(frac=1, random_state=1).to_parquet(toy.paths.split, index=False)
    write_audited(audit_dataset(toy.paths, RULES), toy.paths)
    second = {path.name: path.read_bytes() for path in (*toy.paths.audit.iterdir(), report)}
    assert set(first) == {"leaks.parquet", "samples.json", "samples.png", report.name}
    assert first == second
    table = pd.read_parquet(toy.paths.audit / "leaks.parquet")
    kinds = ["exact", "near", "person", "sequence"]
    assert list(table.columns) == ["image_id", "split", *kinds, "flat", "leaked"]
    assert {str(kind) for kind in table.dtypes[2:]} == {"bool"}


def test_sheet_shows_training_images_of_every_class(toy: Toy) -> None:
    audited = toy.audit("official")
    assert [row["emotion"] for row in audited.samples] == list(EMOTIONS)
    for number, row in enumerate(audited.samples):
        own = {f"train{k:02d}" for k in range(number, 30, 3)}
        assert len(set(row["images"])) == COLUMNS
        assert set(row["images"]) <= own
    sheet = np.asarray(audited.sheet)
    rows = np.split(sheet[: sheet.shape[0] // 3 * 3], 3)
    # Text to the left of every row, pictures to its right.
    assert all((row[:, :170] < 128).any() for row in rows)
    assert all((row[20:80, 180:-10] < 250).mean() > 0.8 for row in rows)


def test_a_small_class_has_a_short_row() -> None:
    split = pd.DataFrame(
        [("a", "train", "fear"), ("b", "test", "fear"), ("c", "train", "anger")],
        columns=["image_id", "split", "emotion"],
    )
    assert choose_samples(split, 0) == [
        {"emotion": "anger", "images": ["c"]},
        {"emotion": "fear", "images": ["a"]},
    ]


def test_images_called_no_face_by_raters_are_counted(tmp_path: Path) -> None:
    words = "neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    votes = ["8,2,0,0,0,0,0,0,0,0", "1,6,0,0,0,0,0,0,1,2"] * 6
    votes += ["3,0,0,0,0,0,0,0,0,7", "3,0,0,0,0,0,0,0,7,0"]
    lines = [f"file,split,{words},fer2013_row"]
    toy = Toy(tmp_path, "fer")
    for number in range(len(votes) + 1):
        path = toy.paths.raw / f"train/angry/Training_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face(number)).save(path)
    # The last image is in no row.
    for number, row in enumerate(votes):
        lines.append(f"train/angry/Training_{number}.png,train,{row},{number}")
    (toy.paths.raw / "ferplus_labels.csv").write_text("\n".join(lines) + "\n")
    report = toy.audit("stratified_70_10_20", FerPlus()).report
    assert report["not_faces"] == 2
    # 8 of 10, and 6 of the 7 votes that are for an emotion.
    assert report["votes"] == {"images": 12, "agreement": pytest.approx((0.8 + 6 / 7) / 2)}


def test_missing_index_names_the_stage_to_run(toy: Toy) -> None:
    with pytest.raises(InputError, match="run stage dedup first"):
        audit_dataset(toy.paths, RULES)


def test_audit_needs_neither_the_raw_folder_nor_the_source(toy: Toy) -> None:
    toy.stages("official")
    shutil.rmtree(toy.paths.raw)
    assert audit_dataset(toy.paths, RULES).report["images"]["test"] == 30


def test_pixels_become_images_of_mode_l_or_rgb() -> None:
    grey = face(0)
    assert to_image(grey[:, :, None]).mode == "L"
    assert to_image(coloured(grey)).mode == "RGB"
    assert (np.asarray(to_image(grey[:, :, None])) == grey).all()
