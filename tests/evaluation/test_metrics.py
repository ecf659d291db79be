import importlib

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification as reference

from ferbench import plugins

PACKAGE = "ferbench.evaluation.metrics"
PROB = [
    n for n in plugins.names(PACKAGE) if importlib.import_module(f"{PACKAGE}.{n}").INPUT == "prob"
]
BOXES = [n for n in plugins.names(PACKAGE) if n not in PROB]
TORCH = {
    "accuracy": ("accuracy", "micro"),
    "balanced_accuracy": ("accuracy", "macro"),
    "precision_macro": ("precision", "macro"),
    "recall_macro": ("recall", "macro"),
    "f1_macro": ("f1_score", "macro"),
    "precision_weighted": ("precision", "weighted"),
    "recall_weighted": ("recall", "weighted"),
    "f1_weighted": ("f1_score", "weighted"),
}


def load(name):
    return plugins.load(PACKAGE, name)


def random_answers(seed, faces=200, classes=7, miss=0.0):
    rng = np.random.default_rng(seed)
    target = rng.integers(classes, size=faces)
    logits = rng.normal(size=(faces, classes))
    logits[np.arange(faces), target] += 1
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    prob[rng.random(faces) < miss] = 0
    return prob, target


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_a_metric_says_what_it_is(name):
    module = importlib.import_module(f"{PACKAGE}.{name}")
    assert module.HIGHER_IS_BETTER in (True, False)
    assert module.INPUT in ("prob", "boxes")
    assert module.BOUNDS == (0.0, 1.0)
    assert module.__all__ == [name]


@pytest.mark.parametrize("name", PROB)
def test_perfect_answers_are_best_and_misses_alone_are_worst(name):
    target = np.array([0, 1, 2, 2, 5])
    assert load(name)(np.eye(7)[target], target) == 1
    assert load(name)(np.zeros((5, 7)), target) == 0


@pytest.mark.parametrize("name", PROB)
def test_the_order_of_faces_changes_nothing(name):
    prob, target = random_answers(1, miss=0.2)
    order = np.random.default_rng(2).permutation(len(target))
    assert load(name)(prob[order], target[order]) == pytest.approx(load(name)(prob, target))


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_torchmetrics(name, seed):
    prob, target = random_answers(seed)
    function, average = TORCH[name]
    value = getattr(reference, f"multiclass_{function}")(
        torch.from_numpy(prob), torch.from_numpy(target), num_classes=7, average=average
    )
    assert load(name)(prob, target) == pytest.approx(value.item(), abs=1e-6)


@pytest.mark.parametrize("name", TORCH)
def test_misses_count_as_one_more_class_that_is_never_right(name):
    prob, target = random_answers(4, miss=0.3)
    label = np.where(prob.any(axis=1), prob.argmax(axis=1), 7)
    function, average = TORCH[name]
    if average == "micro":
        value = sklearn.metrics.accuracy_score(target, label)
    else:
        function = "recall" if function == "accuracy" else function.removesuffix("_score")
        scorer = getattr(sklearn.metrics, f"{function}_score")
        value = scorer(target, label, labels=range(7), average=average, zero_division=0)
    assert load(name)(prob, target) == pytest.approx(value)


def test_a_class_without_faces_is_left_out_of_macro_means():
    # Hand: targets 0, 0, 1; answers 0, 2, 1. Recall 1/2 and 1; precision 1 and 1; F1 2/3 and 1.
    prob, target = np.eye(3)[[0, 2, 1]], np.array([0, 0, 1])
    assert load("recall_macro")(prob, target) == pytest.approx(3 / 4)
    assert load("balanced_accuracy")(prob, target) == pytest.approx(3 / 4)
    assert load("precision_macro")(prob, target) == 1
    assert load("f1_macro")(prob, target) == pytest.approx(5 / 6)
    assert load("f1_weighted")(prob, target) == pytest.approx((2 * 2 / 3 + 1) / 3)


def test_coverage_and_accuracy_of_answers_split_the_accuracy():
    prob, target = random_answers(5, miss=0.4)
    product = load("coverage")(prob, target) * load("accuracy_detected")(prob, target)
    assert product == pytest.approx(load("accuracy")(prob, target))
    assert load("coverage")(prob, target) == pytest.approx(prob.any(axis=1).mean())


def frame(rows):
    names = ["image_id", "truth", "emotion", "left", "top", "right", "bottom", "score"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize("name", BOXES)
def test_perfect_boxes_are_best_and_none_worst(name):
    truth = [("a", True, "fear", 0.1, 0.1, 0.5, 0.5, 1.0), ("b", True, "anger", 0, 0, 1, 1, 1.0)]
    answers = [(image, False, *rest) for image, _, *rest in truth]
    assert load(name)(frame(truth + answers), ["anger", "disgust", "fear"]) == pytest.approx(1)
    assert load(name)(frame(truth), ["anger", "disgust", "fear"]) == 0
    assert load(name)(frame(answers), ["anger", "disgust", "fear"]) == 0


def test_average_precision_by_hand():
    # Three faces of one class. By falling score: right, wrong (far off), right; one face unfound.
    # Precision 1 up to recall 1/3, then 2/3 up to recall 2/3: of the 101 recall points 34 lie in
    # 0..0.33 and 33 in 0.34..0.66.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, "fear", *place, 1.0) for i in "abc"]
    rows += [("a", False, "fear", *place, 0.9), ("b", False, "fear", 0.6, 0.6, 1.0, 1.0, 0.8)]
    rows += [("c", False, "fear", *place, 0.7)]
    assert load("map50")(frame(rows), ["fear"]) == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_a_second_box_on_a_face_is_wrong():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [("a", True, "fear", *place, 1.0), ("b", True, "fear", *place, 1.0)]
    rows += [("a", False, "fear", *place, s) for s in (0.9, 0.8)] + [
        ("b", False, "fear", *place, 0.7)
    ]
    # Precision 1 up to recall 1/2 (51 points), then 2/3 (50 points).
    assert load("map50")(frame(rows), ["fear"]) == pytest.approx((51 + 50 * 2 / 3) / 101)


def random_boxes(seed):
    rng = np.random.default_rng(seed)
    rows = []
    for image in range(30):
        for _ in range(rng.integers(1, 4)):
            left, top = rng.random(2) * 0.6
            width, height = 0.1 + rng.random(2) * 0.3
            word = ["anger", "fear"][rng.integers(2)]
            rows.append((f"{image}", True, word, left, top, left + width, top + height, 1.0))
            for _ in range(rng.integers(0, 4)):
                shift = rng.normal(scale=0.03, size=4)
                corners = np.array([left, top, left + width, top + height]) + shift
                said = word if rng.random() < 0.7 else "anger"
                rows.append((f"{image}", False, said, *corners, float(rng.random())))
    return frame(rows)


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_agrees_with_torchmetrics(seed):
    from torchmetrics.detection import MeanAveragePrecision

    boxes = random_boxes(seed)
    number = {"anger": 0, "fear": 1}
    judge = MeanAveragePrecision(backend="faster_coco_eval")
    for _, image in boxes.groupby("image_id"):
        sides = {}
        for truth, part in image.groupby("truth"):
            corners = torch.tensor(part[["left", "top", "right", "bottom"]].to_numpy() * 1000)
            labels = torch.tensor([number[word] for word in part["emotion"]])
            scores = torch.tensor(part["score"].to_numpy())
            sides[truth] = {"boxes": corners, "labels": labels, "scores": scores}
        none = {
            "boxes": torch.zeros(0, 4),
            "labels": torch.zeros(0).long(),
            "scores": torch.zeros(0),
        }
        judge.update([sides.get(False, none)], [sides[True]])
    value = judge.compute()
    classes = ["anger", "disgust", "fear"]
    assert load("map50")(boxes, classes) == pytest.approx(value["map_50"].item(), abs=1e-6)
    assert load("map50_95")(boxes, classes) == pytest.approx(value["map"].item(), abs=1e-6)
