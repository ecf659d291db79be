"""Splits by every protocol, on small made-up indexes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferbench import plugins
from ferbench.artifacts.datasets import SPLITS, read_split, read_split_summary, write_split
from ferbench.artifacts.paths import DatasetPaths
from ferbench.data.sampling import by_image, by_person, draw_evenly, folds, protocol
from ferbench.data.split import PROTOCOLS, draw_rounds, draw_split, is_redrawn
from ferbench.errors import InputError
from ferbench.files import write_json

EMOTIONS = ("neutral", "happiness", "anger", "fear")


def an_index(persons: int = 24, images: int = 3, **columns: Any) -> pd.DataFrame:
    """Every person shows every emotion `images` times; every third person is the official test."""
    rows = [
        {
            "image_id": f"p{person:03d}_{emotion}_{i}",
            "emotion": emotion,
            "person": f"p{person:03d}",
            "source_split": "test" if person % 3 == 0 else "train",
        }
        for person in range(persons)
        for emotion in EMOTIONS
        for i in range(images)
    ]
    frame = pd.DataFrame(rows).assign(dataset="toy", **columns)
    frame["md5"] = frame["image_id"]
    box = {"left": 0.0, "top": 0.0, "right": 8.0, "bottom": 8.0}
    frame["faces"] = [[{**box, "emotion": emotion}] for emotion in frame["emotion"]]
    return frame


def an_index_for(protocol: str) -> pd.DataFrame:
    """An index that the protocol can split: `official_public` asks for FER2013's names."""
    index = an_index()
    if protocol == "official_public":
        public = "test_" + index["emotion"] + "_PublicTest_" + index["image_id"]
        index["image_id"] = index["image_id"].where(index["source_split"] != "test", public)
        index["md5"] = index["image_id"]
    return index


def shares(split: pd.DataFrame) -> list[float]:
    return [float((split["split"] == name).mean()) for name in SPLITS]


def splits_per_person(split: pd.DataFrame) -> int:
    return int(split.groupby("person")["split"].nunique().max())


@pytest.mark.parametrize("protocol", plugins.names(PROTOCOLS))
def test_protocol_does_not_depend_on_the_order_of_rows(protocol: str) -> None:
    index = an_index_for(protocol)
    mixed = index.sample(frac=1, random_state=1)
    expected, summary = draw_split(index, protocol, seed=3)
    got, repeated = draw_split(mixed, protocol, seed=3)
    pd.testing.assert_frame_equal(got, expected)
    assert repeated == summary
    draw = plugins.load(PROTOCOLS, protocol)
    one, other = (draw(rows, np.random.default_rng(5)) for rows in (index, mixed))
    assert (one == other.reindex(one.index)).all()


@pytest.mark.parametrize("protocol", plugins.names(PROTOCOLS))
def test_protocol_depends_on_the_seed_and_puts_every_class_in_every_split(protocol: str) -> None:
    splits = [draw_split(an_index_for(protocol), protocol, seed)[0] for seed in (0, 1)]
    assert not splits[0].equals(splits[1])
    table = pd.crosstab(splits[0]["split"], splits[0]["emotion"])
    assert set(table.index) == set(SPLITS)
    assert (table > 0).all(axis=None)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("stratified_70_10_20", [0.7, 0.1, 0.2]),
        ("p1_60_20_20", [0.6, 0.2, 0.2]),
        ("person_70_10_20", [0.7, 0.1, 0.2]),
        ("kfold_person", [0.8, 0.1, 0.1]),
        ("official", [0.9 * 2 / 3, 0.1 * 2 / 3, 1 / 3]),
        ("p4_half_test", [2 / 3, 1 / 6, 1 / 6]),
    ],
)
def test_shares_are_those_in_the_name_of_the_protocol(protocol: str, expected: list[float]) -> None:
    split, summary = draw_split(an_index(persons=60), protocol, seed=0)
    assert shares(split) == pytest.approx(expected, abs=0.02)
    for emotion in EMOTIONS:
        assert shares(split[split["emotion"] == emotion]) == pytest.approx(expected, abs=0.03)
    assert summary.images == split["split"].value_counts().to_dict()
    assert all(expectation["holds"] for expectation in summary.expectations)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=80),
    st.integers(0, 2**32 - 1),
)
def test_split_by_person_keeps_each_person_in_one_split(
    images: list[tuple[int, int]], seed: int
) -> None:
    # Three persons who show everything, so that the split is possible; the rest as it comes.
    certain = [(person, emotion) for person in (100, 101, 102) for emotion in range(4)]
    frame = pd.DataFrame(
        [
            {"image_id": f"{i:03d}", "person": f"p{person}", "emotion": EMOTIONS[emotion]}
            for i, (person, emotion) in enumerate(images + certain)
        ]
    ).assign(dataset="toy")
    draw = plugins.load(PROTOCOLS, "person_70_10_20")
    split = draw(frame, np.random.default_rng(seed))
    assert split.groupby(frame["person"]).nunique().max() == 1
    assert pd.crosstab(split, frame["emotion"]).shape == (3, frame["emotion"].nunique())
    mixed = frame.sample(frac=1, random_state=seed % 1000)
    assert (draw(mixed, np.random.default_rng(seed)).reindex(split.index) == split).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(3, 40), min_size=1, max_size=4), st.integers(0, 1000))
def test_split_by_image_is_within_two_images_of_the_shares_and_never_empty(
    sizes: list[int], seed: int
) -> None:
    emotions = [EMOTIONS[i] for i, size in enumerate(sizes) for _ in range(size)]
    frame = pd.DataFrame({"emotion": emotions})
    frame["image_id"] = [f"{i:04d}" for i in range(len(frame))]
    part = by_image(frame, (0.7, 0.1, 0.2), np.random.default_rng(seed))
    for i, size in enumerate(sizes):
        counts = np.bincount(part[frame["emotion"] == EMOTIONS[i]], minlength=3)
        assert counts.min() >= 1
        assert np.abs(counts - np.array([0.7, 0.1, 0.2]) * size).max() < 2


def test_class_of_three_persons_is_in_every_split() -> None:
    index = an_index(persons=40, images=1)
    rare = index["emotion"].eq("fear") & ~index["person"].isin(["p003", "p017", "p031"])
    for seed in range(5):
        split, _ = draw_split(index[~rare], "person_70_10_20", seed)
        assert set(split.loc[split["emotion"] == "fear", "split"]) == set(SPLITS)


def test_images_without_a_person_count_as_persons_of_their_own() -> None:
    frame = an_index(persons=4, images=2)
    frame.loc[frame["person"] == "p001", "person"] = None
    part = by_person(frame, (0.5, 0.5), np.random.default_rng(0))
    assert part.groupby(frame["person"]).nunique().max() == 1
    assert sorted(part.unique()) == [0, 1]


def test_folds_are_equal_and_disjoint_by_person() -> None:
    frame = an_index(persons=30)
    fold = folds(frame, 10, np.random.default_rng(0))
    assert fold.value_counts().tolist() == [36] * 10
    assert fold.groupby(frame["person"]).nunique().max() == 1


def test_unknown_person_is_refused_with_data_set_and_remedy() -> None:
    index = an_index()
    index.loc[5, "person"] = None
    with pytest.raises(InputError, match=r"data set toy: the person of 1 of 288 images.*") as error:
        draw_split(index, "person_70_10_20", seed=0)
    assert "stratified_70_10_20" in error.value.remedy


@pytest.mark.parametrize(
    ("protocol", "what"),
    [
        ("stratified_70_10_20", r"too few images, 3 are needed in each class: fear \(2\)"),
        ("person_70_10_20", r"too few persons, 3 are needed in each class: fear \(1\)"),
        ("kfold_person", r"too few persons, 10 are needed in each class: fear \(1\)"),
        ("official", r"too few test images, 1 are needed in each class: fear \(0\)"),
    ],
)
def test_too_small_class_is_refused_with_its_count(protocol: str, what: str) -> None:
    index = an_index()
    kept = index["emotion"].ne("fear") | index["image_id"].isin(["p001_fear_0", "p001_fear_1"])
    with pytest.raises(InputError, match=what) as error:
        draw_split(index[kept], protocol, seed=0)
    assert "merge or remove the class" in error.value.remedy


def test_official_keeps_the_authors_split_and_leaves_out_other_images() -> None:
    index = an_index(persons=12)
    index.loc[index["person"] == "p001", "source_split"] = "val"
    index.loc[index["person"] == "p002", "source_split"] = None
    split, summary = draw_split(index, "official", seed=0)
    given = index.set_index("image_id")["source_split"].dropna()
    assert split.set_index("image_id")["split"].to_dict() == given.to_dict()
    assert summary.left_out == {"in none of the authors' splits": 12}


def test_public_test_is_a_test_part_by_its_own_name_only() -> None:
    index = an_index_for("official_public")
    with pytest.raises(InputError, match="PublicTest, the competition's validation set") as error:
        draw_split(index, "official", seed=0)
    assert "official_public" in error.value.remedy
    split, _ = draw_split(index, "official_public", seed=0)
    tested = split.loc[split["split"] == "test", "image_id"]
    assert len(tested) == 96 and tested.str.contains("PublicTest").all()
    with pytest.raises(InputError, match="not FER2013's PublicTest alone"):
        draw_split(an_index(), "official_public", seed=0)
    # With PrivateTest, PublicTest is val and `official` holds.
    whole = index.copy()
    public = whole["image_id"].str.contains("PublicTest")
    private = whole[public].assign(
        image_id=whole["image_id"].str.replace("PublicTest", "PrivateTest"),
        person=whole["person"] + "b",
    )
    whole.loc[public, "source_split"] = "val"
    whole = pd.concat([whole, private.assign(md5=private["image_id"])], ignore_index=True)
    split, _ = draw_split(whole, "official", seed=0)
    assert split.loc[split["split"] == "test", "image_id"].str.contains("PrivateTest").all()


def test_official_takes_whole_persons_for_val() -> None:
    split, summary = draw_split(an_index(), "official", seed=0)
    assert splits_per_person(split) == 1
    assert summary.persons == {"train": 14, "val": 2, "test": 8}


def test_official_draws_val_by_image_where_no_person_is_known() -> None:
    split, summary = draw_split(an_index(person=None), "official", seed=0)
    assert (split.loc[split["split"] == "val", "emotion"].value_counts() == 5).all()
    assert summary.persons == {"train": None, "val": None, "test": None}


@pytest.mark.parametrize("protocol", ["official", "p4_half_test"])
def test_source_without_test_images_is_refused(protocol: str) -> None:
    with pytest.raises(InputError, match=r"no test images \(their splits: train\)"):
        draw_split(an_index(source_split="train"), protocol, seed=0)


def test_person_in_two_official_splits_is_refused_by_name() -> None:
    index = an_index()
    index.loc[0, "source_split"] = "train"
    with pytest.raises(InputError, match="persons in two of its authors' splits: p000") as error:
        draw_split(index, "official", seed=0)
    assert "person_70_10_20" in error.value.remedy


def test_half_test_keeps_the_published_train() -> None:
    index = an_index()
    split, _ = draw_split(index, "p4_half_test", seed=0)
    train = index.loc[index["source_split"] == "train", "image_id"]
    assert set(split.loc[split["split"] == "train", "image_id"]) == set(train)


def test_limit_draws_evenly_over_classes_and_counts_images_left_out() -> None:
    index = an_index()
    few = index[index["emotion"].ne("fear") | index["image_id"].str.match(r"p00[2-6]_fear_0")]
    split, summary = draw_split(few, "stratified_70_10_20", seed=0, limit=65)
    # 5 images of fear are all there are; 60 are left for three classes
    assert split["emotion"].value_counts().to_dict() == {
        "neutral": 20,
        "happiness": 20,
        "anger": 20,
        "fear": 5,
    }
    assert summary.left_out == {"over the row's limit": len(few) - 65}
    assert summary.limit == 65


def test_limit_is_kept_exactly_and_without_repeats() -> None:
    drawn = draw_evenly(an_index(), 50, np.random.default_rng(0))
    assert len(drawn) == drawn["image_id"].nunique() == 50
    assert drawn["emotion"].value_counts().isin([12, 13]).all()


def test_limit_above_the_number_of_images_changes_nothing() -> None:
    full, _ = draw_split(an_index(), "stratified_70_10_20", seed=0)
    limited, summary = draw_split(an_index(), "stratified_70_10_20", seed=0, limit=10_000)
    pd.testing.assert_frame_equal(limited, full)
    assert summary.left_out == {}


def test_classes_are_those_of_all_faces_in_canonical_order() -> None:
    index = an_index()
    index.at[0, "faces"] = [
        *index.at[0, "faces"],
        {**index.at[0, "faces"][0], "emotion": "sadness"},
    ]
    _, summary = draw_split(index, "stratified_70_10_20", seed=0)
    assert summary.classes == ["neutral", "happiness", "sadness", "anger", "fear"]
    assert sum(counts.get("sadness", 0) for counts in summary.faces.values()) == 1


def test_unknown_protocol_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"unknown .*'person_70_20_10'") as error:
        draw_split(an_index(), "person_70_20_10", seed=0)
    assert "did you mean 'person_70_10_20'?" in error.value.remedy


def test_equal_images_are_refused() -> None:
    index = an_index()
    index.loc[1, "md5"] = index.loc[0, "md5"]
    with pytest.raises(InputError, match="1 images equal another one"):
        draw_split(index, "stratified_70_10_20", seed=0)


def test_empty_index_is_refused() -> None:
    with pytest.raises(InputError, match="no image"):
        draw_split(an_index().iloc[:0], "stratified_70_10_20", seed=0)


def test_protocol_that_divides_a_person_fails_its_expectation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @protocol(person_disjoint=True)
    def wrong(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
        return by_image(frame, (0.6, 0.2, 0.2), rng).map(dict(enumerate(SPLITS)))

    monkeypatch.setattr(plugins, "load", lambda package, name: wrong)
    with pytest.raises(ValueError, match="no known person is in two splits"):
        draw_split(an_index(), "wrong", seed=0)


def test_resplit_gives_every_seed_its_own_split_of_the_same_images(tmp_path: Path) -> None:
    index, paths = an_index(), DatasetPaths("toy", tmp_path)
    base, summary = draw_split(index, "person_70_10_20", 0, limit=200)
    rounds = draw_rounds(index, base, "person_70_10_20", [0, 7])
    assert rounds[base.columns].equals(base)
    write_split(paths, rounds, summary)
    assert read_split_summary(paths) == summary
    own = read_split(paths, 7)
    alone, _ = draw_split(index[index["image_id"].isin(base["image_id"])], "person_70_10_20", 7)
    assert own["split"].tolist() == alone["split"].tolist() != base["split"].tolist()
    assert splits_per_person(own) == 1
    write_split(paths, base, summary)
    assert read_split(paths, 7).equals(base)


@pytest.mark.parametrize(
    ("protocol", "images", "persons", "resplit", "redrawn"),
    [
        ("person_70_10_20", 4_999, True, "auto", True),
        ("person_70_10_20", 5_000, True, "auto", False),
        ("stratified_70_10_20", 100, True, "auto", True),
        ("stratified_70_10_20", 100, False, "auto", False),
        ("official", 100, True, "auto", False),
        ("official", 100, True, True, True),
        ("person_70_10_20", 100, True, False, False),
    ],
)
def test_small_data_sets_with_known_persons_are_redrawn(
    protocol: str, images: int, persons: bool, resplit: Any, redrawn: bool
) -> None:
    index = pd.DataFrame({"person": ["a" if persons else None] * images})
    assert is_redrawn(index, protocol, resplit) is redrawn


def test_split_that_is_missing_or_has_other_keys_is_refused(tmp_path: Path) -> None:
    paths = DatasetPaths("toy", tmp_path)
    with pytest.raises(InputError, match="missing"):
        read_split(paths)
    write_json(paths.split_summary, {"protocol": "official"})
    with pytest.raises(InputError, match="keys are protocol, not classes"):
        read_split_summary(paths)
