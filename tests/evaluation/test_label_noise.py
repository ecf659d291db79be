"""Label issues in made-up predictions whose wrong labels are known."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.predictions import arrays
from ferbench.errors import InputError
from ferbench.evaluation.label_noise import MIN_PER_CLASS, estimate_label_noise

CLASSES = ("neutral", "happiness", "surprise", "fear")
ISSUE = ["image_id", "face", "given", "suggested", "self_confidence"]


def made_up(
    seed: int = 0, images: int = 400, wrong: int = 24, classes: int = 3, skill: float = 3.0
) -> tuple[pd.DataFrame, set[str]]:
    """A model's predictions on images of which `wrong` have another label than what they show."""
    rng = np.random.default_rng(0)
    shown = rng.integers(0, classes, images)
    given = shown.copy()
    bad = rng.permutation(images)[:wrong]
    given[bad] = (shown[bad] + 1 + rng.integers(0, classes - 1, wrong)) % classes
    score = np.random.default_rng(seed).normal(0, 0.7, (images, classes))
    score[np.arange(images), shown] += skill
    prob = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    names = [f"i{n:03d}" for n in range(images)]
    frame = pd.DataFrame({"image_id": names, "face": 0, "target": [CLASSES[k] for k in given]})
    for k in range(classes):
        frame[CLASSES[k]] = prob[:, k]
    return frame, {names[k] for k in bad}


def test_planted_wrong_labels_are_found() -> None:
    tables = [made_up(seed)[0] for seed in range(3)]
    _, planted = made_up()
    issues, about = estimate_label_noise(tables)
    found = set(issues["image_id"])
    # The method errs towards too few issues.
    assert len(found & planted) / len(planted) > 0.8
    assert len(found & planted) / len(found) > 0.95
    assert about["n"] == 400
    assert about["models"] == 3
    assert about["missed"] == 0
    assert about["issues"] == len(issues)
    assert about["share"] == pytest.approx(len(issues) / 400)
    assert about["share"] == pytest.approx(0.06, abs=0.015)
    assert about["accuracy"] == pytest.approx(0.94, abs=0.02)
    assert "confident learning" in about["method"]


def test_issues_are_those_of_the_papers_equations() -> None:
    """Equations 1 and 2 of arXiv:1911.00068, written out; without noise in the predictions."""
    frame, _ = made_up(skill=8.0)
    prob, given = arrays(frame)
    threshold = np.array([prob[given == k, k].mean() for k in range(3)])
    joint = np.zeros((3, 3), int)
    confused = set()
    for row, label in enumerate(given):
        sure = [k for k in range(3) if prob[row, k] >= threshold[k]]
        if sure:
            guess = max(sure, key=lambda k: prob[row, k])
            joint[label, guess] += 1
            if guess != label:
                confused.add(frame["image_id"][row])
    issues, about = estimate_label_noise([frame])
    # Rates are scaled from the confident images to all of a class, hence the tolerance.
    assert about["issues"] == pytest.approx(joint.sum() - np.trace(joint), abs=2)
    assert len(confused ^ set(issues["image_id"])) <= 2


def test_least_confident_labels_come_first_with_the_suggested_class() -> None:
    frame, _ = made_up()
    issues, _ = estimate_label_noise([frame])
    assert list(issues.columns) == ISSUE
    assert issues["self_confidence"].is_monotonic_increasing
    assert (issues["given"] != issues["suggested"]).all()
    rows = frame.set_index("image_id").loc[issues["image_id"]]
    assert rows["target"].tolist() == issues["given"].tolist()
    assert rows[list(CLASSES[:3])].idxmax(axis=1).tolist() == issues["suggested"].tolist()
    own = [rows[word].iloc[k] for k, word in enumerate(issues["given"])]
    assert issues["self_confidence"].tolist() == pytest.approx(own)


def test_clean_labels_give_no_issue() -> None:
    issues, about = estimate_label_noise([made_up(wrong=0, skill=6.0)[0]])
    assert len(issues) == 0
    assert about["share"] == 0


def test_model_that_missed_a_face_does_not_count_for_it() -> None:
    first, _ = made_up(1)
    second, _ = made_up(2)
    names = list(CLASSES[:3])
    blind = second.copy()
    blind.loc[:9, names] = 0.0
    both = first.copy()
    both[names] = (first[names] + second[names]) / 2
    both.loc[:9, names] = first.loc[:9, names]
    issues, about = estimate_label_noise([first, blind])
    expected, _ = estimate_label_noise([both])
    pd.testing.assert_frame_equal(issues, expected)
    assert about["n"] == 400
    gone = first.copy()
    gone.loc[:4, names] = 0.0
    issues, about = estimate_label_noise([gone, blind])
    assert (about["n"], about["missed"]) == (395, 5)
    assert not set(issues["image_id"]) & set(first["image_id"][:5])


def test_order_of_rows_and_models_does_not_matter() -> None:
    first, second = made_up(1)[0], made_up(2)[0]
    expected = estimate_label_noise([first, second])
    shuffled = [second.sample(frac=1, random_state=0), first.sample(frac=1, random_state=1)]
    issues, about = estimate_label_noise(shuffled)
    pd.testing.assert_frame_equal(issues, expected[0])
    assert about == expected[1]


def test_class_without_a_label_changes_nothing() -> None:
    frame, _ = made_up()
    names = list(CLASSES[:3])
    wider = frame.copy()
    wider[names] *= 0.9
    wider[CLASSES[3]] = 0.1
    issues, about = estimate_label_noise([wider])
    expected, known = estimate_label_noise([frame])
    pd.testing.assert_frame_equal(issues, expected)
    assert about == known


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ([], "no model"),
        ([made_up()[0].head(12)], "faces with a prediction"),
        ([made_up()[0].query("target == 'neutral'")], "two classes"),
        ([made_up()[0].assign(neutral=0.0, happiness=0.0, surprise=0.0)], "two classes"),
    ],
)
def test_too_few_labels_are_reported_with_the_reason(
    tables: list[pd.DataFrame], reason: str
) -> None:
    issues, about = estimate_label_noise(tables)
    assert issues.empty
    assert list(issues.columns) == ISSUE
    assert about["share"] is None
    assert about["issues"] is None
    assert reason in about["reason"]
    assert about["models"] == len(tables)


def test_class_with_the_least_number_of_labels_is_judged() -> None:
    frame, _ = made_up(wrong=0)
    rare = frame[frame["target"] == "surprise"].head(MIN_PER_CLASS)
    table = pd.concat([frame[frame["target"] != "surprise"], rare])
    assert estimate_label_noise([table])[1]["share"] is not None
    assert estimate_label_noise([table.iloc[:-1]])[1]["share"] is None


def test_tables_with_other_labels_or_classes_are_refused() -> None:
    frame, _ = made_up()
    other = frame.assign(target=np.roll(frame["target"], 1))
    with pytest.raises(InputError, match="two labels"):
        estimate_label_noise([frame, other])
    with pytest.raises(InputError, match="different classes"):
        estimate_label_noise([frame, frame.drop(columns="neutral")])


def test_faces_of_one_image_are_judged_apart() -> None:
    frame, _ = made_up()
    one, _ = estimate_label_noise([frame])
    pairs = frame.assign(
        image_id=frame["image_id"].iloc[::2].repeat(2).to_numpy(), face=[0, 1] * 200
    )
    two, about = estimate_label_noise([pairs])
    assert about["n"] == 400
    number = two["image_id"].str[1:].astype(int) + two["face"]
    assert number.tolist() == one["image_id"].str[1:].astype(int).tolist()


def test_cleanlab_is_imported_only_when_it_is_used() -> None:
    code = "import sys; import ferbench.evaluation.label_noise; print('cleanlab' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False"]
