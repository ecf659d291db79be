"""The protocols of the papers and of the data sets' authors."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ferbench.data.sampling import (
    by_image,
    by_person,
    folds,
    protocol,
    require_images,
    require_persons,
    require_splits,
    require_whole_persons,
)
from ferbench.errors import InputError

__all__ = [
    "kfold_person",
    "official",
    "official_public",
    "p1_60_20_20",
    "p4_half_test",
    "person_70_10_20",
    "stratified_70_10_20",
]

_NAMES = {0: "train", 1: "val", 2: "test"}
_FOLDS = 10
# A file of FER2013's PublicTest, in the ids of its images and of data sets made of it.
_PUBLIC_TEST = r"(?:^|[_./])PublicTest_"


@protocol(person_disjoint=False)
def stratified_70_10_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The papers' split: 70 % train, 10 % val, 20 % test, image by image, stratified by emotion.

    Frames of one video sequence, and pictures of one person, fall into several splits: read its
    results against the naive baselines and beside `person_70_10_20`. Source: P0 ("70/10/20").

    Raises:
        InputError: a class has fewer than three images.
    """
    require_images(frame, 3)
    return by_image(frame, (0.7, 0.1, 0.2), rng).map(_NAMES)


@protocol(person_disjoint=False)
def p1_60_20_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Paper P1's split of CK+: 60 % train, 20 % val, 20 % test, stratified by emotion.

    Source: P1 ("6:2:2"). The paper does not mention persons, so images are drawn one by one.

    Raises:
        InputError: a class has fewer than three images.
    """
    require_images(frame, 3)
    return by_image(frame, (0.6, 0.2, 0.2), rng).map(_NAMES)


@protocol(person_disjoint=True)
def person_70_10_20(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The papers' shares with no person in two splits; class and image shares are near 70/10/20.

    Source: the shares are the papers'; CK+ was published with a protocol that keeps persons apart
    (Lucey et al., CVPR Workshops 2010, leave one subject out).

    Raises:
        InputError: a person is unknown, or a class has fewer than three persons.
    """
    require_persons(frame, 3)
    return by_person(frame, (0.7, 0.1, 0.2), rng).map(_NAMES)


@protocol(person_disjoint=True)
def kfold_person(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """One turn of ten-fold cross-validation by person: fold 0 is test, fold 1 val, the rest train.

    Each fold is a tenth of every class. Another seed draws other folds; `ferbench.data.sampling`'s
    `folds` gives all ten. Source: the field's customary form of the leave-one-subject-out protocol
    of CK+ (Lucey et al., CVPR Workshops 2010).

    Raises:
        InputError: a person is unknown, or a class has fewer than ten persons.
    """
    require_persons(frame, _FOLDS)
    return folds(frame, _FOLDS, rng).map(lambda fold: {0: "test", 1: "val"}.get(fold, "train"))


@protocol(person_disjoint=True, left_out="in none of the authors' splits", draws_test=False)
def official(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The split that the data set's authors give; None where they put an image in no split.

    Where they give no val, a tenth of train becomes it: whole persons where persons are known, else
    image by image, by class. Source: `source_split` of the index.

    A copy of FER2013 without PrivateTest has the competition's validation set as its only test
    part, and scores on that are not those of the official test: it needs `official_public`.

    Raises:
        InputError: there is no train or no test, one lacks a class, a person is in two splits, or
            all test images are of FER2013's PublicTest.
    """
    if _tests_public(frame):
        raise InputError(
            "its test images are FER2013's PublicTest, the competition's validation set; this copy "
            "has no PrivateTest",
            where=f"data set {frame['dataset'].iloc[0]}",
            remedy="give the data set's row protocol official_public, whose scores say so by its "
            "name, or fetch a copy with PrivateTest",
        )
    return _authors_split(frame, rng)


@protocol(person_disjoint=True, left_out="in none of the authors' splits", draws_test=False)
def official_public(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """FER2013's split in a copy without PrivateTest: PublicTest is test, a tenth of train is val.

    Source: Goodfellow et al., ICONIP 2013: PublicTest was the competition's validation set and
    PrivateTest decided it. Papers that report "the official split" mean PrivateTest.

    Raises:
        InputError: the test images are not PublicTest's alone, or as `official`.
    """
    if not _tests_public(frame):
        raise InputError(
            "its test images are not FER2013's PublicTest alone",
            where=f"data set {frame['dataset'].iloc[0]}",
            remedy="give the data set's row protocol official",
        )
    return _authors_split(frame, rng)


def _tests_public(frame: pd.DataFrame) -> bool:
    """Whether the test images are those of FER2013's PublicTest and no others."""
    tested = frame.loc[frame["source_split"] == "test", "image_id"]
    return len(tested) > 0 and bool(tested.str.contains(_PUBLIC_TEST).all())


def _authors_split(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """The authors' train and test; their val, or else a tenth of train."""
    split = frame["source_split"].astype(object)
    require_splits(frame, ("train", "test"))
    require_whole_persons(frame)
    if (split == "val").any():
        require_splits(frame, ("val",))
        return split
    train = frame[split == "train"]
    draw = by_person if train["person"].notna().any() else by_image
    split.loc[train.index] = draw(train, (0.9, 0.1), rng).map(_NAMES)
    return split


@protocol(
    person_disjoint=False,
    left_out="in neither the authors' train nor their test",
    draws_test=False,
)
def p4_half_test(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Paper P4's split of RAF-DB: train as published, the published test halved into val and test.

    Source: P4 and its released code (12,271 train; 3,068 test images cut 50/50 by class). A score
    on half of the test set is not comparable with one on all of it; `official` is the comparable
    protocol.

    Raises:
        InputError: there is no train or no test, or a class has fewer than two test images.
    """
    require_splits(frame, ("train", "test"))
    published = frame["source_split"]
    split = published.astype(object).where(published == "train", None)
    test = frame[published == "test"]
    require_images(test, 2)
    split.loc[test.index] = by_image(test, (0.5, 0.5), rng).map({0: "val", 1: "test"})
    return split
