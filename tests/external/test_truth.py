"""What predictions are judged by, made from data and read from a checkout."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.external.judged_data import CLASSES, TEST, TRAIN, image_row
from tests.run_records import naive_baselines

from ferbench.artifacts.datasets import SplitSummary, write_baselines, write_split
from ferbench.artifacts.index import write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.data.sources.synthetic import Synthetic
from ferbench.errors import InputError
from ferbench.external.truth import Truth, truth_of_checkout, truth_of_data


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """140 faces in split folders; a picture of test lies in train too, under its own label."""
    root = tmp_path_factory.mktemp("released")
    Synthetic({"persons": 10, "images_per_person": 14, "seed": 4}).make(root / "made")
    with (root / "made" / "labels.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            target = root / "faces" / row["source_split"] / row["emotion"] / row["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / "made" / "images" / row["file"], target)
    first = sorted((root / "faces" / "test" / "fear").iterdir())[0]
    shutil.copyfile(first, root / "faces" / "train" / "fear" / "again.png")
    return root / "faces"


@pytest.fixture(scope="module")
def truth(released: Path) -> Truth:
    return truth_of_data(released, "folder")


def test_test_faces_are_those_of_the_authors_split(released, truth):
    assert truth.protocol == "official"
    faces = truth.faces(0)
    paths = truth.index.set_index("image_id").loc[faces["image_id"], "path"]
    assert sorted(paths) == sorted(
        path.relative_to(released).as_posix() for path in (released / "test").rglob("*.png")
    )
    assert (faces["target"].to_numpy() == paths.str.split("/").str[1].to_numpy()).all()


def test_copy_in_the_released_train_makes_a_test_image_leaked(released, truth):
    """Deduplication drops the copy from train, but somebody else has trained on it."""
    copied = sorted((released / "test" / "fear").iterdir())[0].name
    image_id = truth.index.set_index("path").at[f"test/fear/{copied}", "image_id"]
    assert truth.leaked is not None
    assert truth.leaked[image_id]
    assert len(truth.leaked) == len(truth.faces(0))
    dropped = truth.index.set_index("path").at["train/fear/again.png", "dropped_reason"]
    assert dropped == "duplicate"


def test_baselines_are_measured_on_test(truth):
    assert set(truth.baselines_of([0])) == {
        "nearest_neighbour",
        "nearest_neighbour_standardised",
        "majority_class",
    }
    assert all(0 < value < 1 for value in truth.baselines.values())


def test_split_list_names_every_image_with_its_split(truth, tmp_path):
    truth.write_split(tmp_path / "split.csv")
    table = pd.read_csv(tmp_path / "split.csv")
    assert list(table) == ["image_id", "path", "md5", "split", "label", "person"]
    assert (table["split"] == table["path"].str.split("/").str[0]).all()
    assert len(table) == 140


def test_protocol_on_request_draws_another_split(released, truth):
    own = set(truth.faces(0)["image_id"])
    truth = truth_of_data(released, "folder", "stratified_70_10_20", seed=3)
    assert truth.protocol == "stratified_70_10_20"
    drawn = set(truth.faces(0)["image_id"])
    assert 0.15 * 140 < len(drawn) < 0.25 * 140
    assert drawn != own
    assert truth.origin.endswith("stratified_70_10_20, seed 3")


def test_unknown_data_set_is_refused_with_the_nearest(released):
    with pytest.raises(InputError, match=r"unknown data set 'foldr'(.|\n)*'folder'"):
        truth_of_data(released, "foldr")


def checkout(root: Path, protocol: str, *, redrawn: bool = False) -> None:
    """The files of a data set that stages leave; image 120 of test has a dropped copy in train."""
    paths = DatasetPaths("faces", root)
    rows = [
        image_row(number, 20, "mine") | {"source_split": "train" if number < TRAIN else "test"}
        for number in range(TRAIN + TEST)
    ]
    copy = {"image_id": "copy", "path": "copy.png", "source_split": "train"}
    rows.append(rows[TRAIN] | copy | {"dropped_reason": "duplicate"})
    write_index(paths.index, rows)
    ids = [f"i{number:03d}" for number in range(TRAIN + TEST)]
    split = pd.DataFrame({"image_id": ids, "split": ["train"] * TRAIN + ["test"] * TEST})
    if redrawn:
        split = split.assign(split_0=split["split"], split_1=split["split"].to_numpy()[::-1])
    images = {"train": TRAIN, "val": 0, "test": TEST}
    summary = SplitSummary(protocol, 0, None, CLASSES, images, {}, {}, {}, {}, [], redrawn)
    write_split(paths, split, summary)
    write_baselines(paths, naive_baselines())
    paths.audit.mkdir(parents=True)
    leaks = split[["image_id"]].assign(leaked=[name == "i121" for name in ids])
    leaks.to_parquet(paths.audit / "leaks.parquet")


@pytest.mark.parametrize(
    ("protocol", "leaked"),
    [("official", {"i120", "i121"}), ("stratified_70_10_20", {"i121"})],
)
def test_checkout_has_the_audits_leaks_and_copies_of_the_release(protocol, leaked, tmp_path):
    checkout(tmp_path, protocol)
    truth = truth_of_checkout("faces", tmp_path)
    assert truth is not None
    assert (truth.dataset, truth.protocol) == ("mine", protocol)
    assert set(truth.leaked.index[truth.leaked]) == leaked
    assert len(truth.faces(7)) == TEST
    assert "majority_class" in truth.baselines_of([0])


def test_every_seed_has_its_test_part_where_splits_are_redrawn(tmp_path):
    checkout(tmp_path, "person_70_10_20", redrawn=True)
    truth = truth_of_checkout("faces", tmp_path)
    assert truth is not None
    assert truth.leaked is None
    assert truth.faces(0)["image_id"].min() == "i120"
    assert truth.faces(1)["image_id"].min() == "i000"
    with pytest.raises(InputError, match=r"unknown seed 2(.|\n)*known: 0, 1"):
        truth.faces(2)


def test_checkout_without_the_data_set_has_no_truth(tmp_path):
    assert truth_of_checkout("faces", tmp_path) is None
