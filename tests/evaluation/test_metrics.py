import importlib

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification as reference

from ferbench import plugins
from ferbench.detection.metrics import Detections

PACKAGE = "ferbench.evaluation.metrics"
PROB = [
    n for n in plugins.names(PACKAGE) if importlib.import_module(f"{PACKAGE}.{n}").INPUT == "prob"
]
BOXES = [n for n in plugins.names(PACKAGE) if n not in PROB]
# What misses alone give where that is not the worst value there is, and why.
MISSES_ALONE = {
    "kappa": 0,  # no answer agrees by chance either
    "auroc_macro": 0.5,  # all tie
    "ece": 0,  # wrong, and without confidence
    "brier": 1,  # 2 is for being sure of the wrong class
    "nll": np.nan,  # no answer has a likelihood
}
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
    assert module.BOUNDS[0] < module.BOUNDS[1]
    assert 0 <= getattr(module, "THRESHOLD", 0.0) < 1
    assert module.__all__ == [name]


def best_and_worst(name):
    module = importlib.import_module(f"{PACKAGE}.{name}")
    low, high = module.BOUNDS
    return (high, low) if module.HIGHER_IS_BETTER else (low, high)


@pytest.mark.parametrize("name", PROB)
def test_perfect_answers_are_best_and_misses_alone_are_worst(name):
    target = np.array([0, 1, 2, 2, 5])
    best, worst = best_and_worst(name)
    assert load(name)(np.eye(7)[target], target) == best
    expected = MISSES_ALONE.get(name, worst)
    assert load(name)(np.zeros((5, 7)), target) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", PROB)
@pytest.mark.parametrize("seed", range(3))
def test_no_answers_leave_the_bounds(name, seed):
    low, high = sorted(best_and_worst(name))
    prob, target = random_answers(seed, faces=20, miss=0.2)
    assert low <= load(name)(prob, target) <= high
    assert low <= load(name)(np.eye(7)[(target + 1) % 7], target) <= high


@pytest.mark.parametrize("name", PROB)
def test_one_face_alone_gives_a_value_or_says_that_there_is_none(name):
    value = load(name)(np.array([[0.7, 0.2, 0.1]]), np.array([0]))
    assert np.isnan(value) == (name in ("kappa", "auroc_macro"))


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


def sklearn_kappa(prob, target):
    label = np.where(prob.any(axis=1), prob.argmax(axis=1), prob.shape[1])
    return sklearn.metrics.cohen_kappa_score(target, label)


def sklearn_auroc(prob, target):
    scores = [sklearn.metrics.roc_auc_score(target == c, prob[:, c]) for c in range(prob.shape[1])]
    return np.mean(scores)


def slow_ap(prob, target):
    """By scikit-learn's curve over the answered faces, in which each missed one is unfindable."""
    values = []
    for number in np.unique(target):
        answered = prob.any(axis=1)
        right = target[answered] == number
        precision, recall, _ = sklearn.metrics.precision_recall_curve(right, prob[answered, number])
        recall = recall * right.sum() / (target == number).sum()
        # The curve's last point, recall 0 with precision 1, belongs to no face.
        reached = [
            max([p for p, q in zip(precision[:-1], recall[:-1], strict=True) if q >= r], default=0)
            for r in np.linspace(0, 1, 101)
        ]
        values.append(np.mean(reached))
    return np.mean(values)


def torch_ece(prob, target):
    return reference.multiclass_calibration_error(
        torch.from_numpy(prob), torch.from_numpy(target), num_classes=7, n_bins=15
    ).item()


def sklearn_nll(prob, target):
    answered = prob.any(axis=1)
    return sklearn.metrics.log_loss(target[answered], prob[answered], labels=range(7))


def plain_brier(prob, target):
    return np.mean(
        [
            sum((p - (c == t)) ** 2 for c, p in enumerate(row))
            for row, t in zip(prob, target, strict=True)
        ]
    )


OTHERS = {
    "kappa": sklearn_kappa,
    "auroc_macro": sklearn_auroc,
    "ap_macro": slow_ap,
    "nll": sklearn_nll,
    "brier": plain_brier,
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("miss", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_another_form(name, miss, seed):
    prob, target = random_answers(seed, miss=miss)
    assert load(name)(prob, target) == pytest.approx(OTHERS[name](prob, target), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_ece_and_top2_agree_with_their_libraries(seed):
    prob, target = random_answers(seed)
    assert load("ece")(prob, target) == pytest.approx(torch_ece(prob, target), abs=1e-6)
    expected = sklearn.metrics.top_k_accuracy_score(target, prob, k=2, labels=range(7))
    assert load("top2_accuracy")(prob, target) == pytest.approx(expected)


def test_a_miss_is_wrong_for_top2_even_where_all_classes_tie():
    prob = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert load("top2_accuracy")(prob, np.array([1, 0])) == 0.5


def test_brier_of_two_classes_is_twice_that_of_scikit_learn():
    prob, target = random_answers(6, classes=2)
    once = sklearn.metrics.brier_score_loss(target, prob[:, 1])
    assert load("brier")(prob, target) == pytest.approx(2 * once)


def test_the_ap_of_probabilities_is_the_ap_of_whole_image_boxes():
    # One box for every face and class, as large as the image: the COCO code must say the same.
    prob, target = random_answers(7, faces=40, classes=3, miss=0.2)
    words, whole = ["anger", "disgust", "fear"], (0.0, 0.0, 1.0, 1.0)
    rows = [(f"{n:03d}", True, words[t], *whole, 1.0) for n, t in enumerate(target)]
    rows += [
        (f"{n:03d}", False, word, *whole, score)
        for n, scores in enumerate(prob)
        for word, score in zip(words, scores, strict=True)
        if scores.any()
    ]
    expected = load("map50")(seen(rows, words))
    assert load("ap_macro")(prob, target) == pytest.approx(expected, abs=1e-9)


def frame(rows):
    names = ["image_id", "truth", "emotion", "left", "top", "right", "bottom", "score"]
    return pd.DataFrame(rows, columns=names)


def seen(rows, classes=("anger", "disgust", "fear"), threshold=0.5):
    boxes = rows if isinstance(rows, pd.DataFrame) else frame(rows)
    return Detections(boxes, list(classes), threshold)


@pytest.mark.parametrize("name", BOXES)
def test_perfect_boxes_are_best_and_none_worst(name):
    truth = [("a", True, "fear", 0.1, 0.1, 0.5, 0.5, 1.0), ("b", True, "anger", 0, 0, 1, 1, 1.0)]
    answers = [(image, False, *rest) for image, _, *rest in truth]
    assert load(name)(seen(truth + answers)) == pytest.approx(1)
    assert load(name)(seen(truth)) == 0
    assert load(name)(seen(answers)) == 0


def test_average_precision_by_hand():
    # Three faces of one class. By falling score: right, wrong (far off), right; one face unfound.
    # Precision 1 up to recall 1/3, then 2/3 up to recall 2/3: of the 101 recall points 34 lie in
    # 0..0.33 and 33 in 0.34..0.66.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, "fear", *place, 1.0) for i in "abc"]
    rows += [("a", False, "fear", *place, 0.9), ("b", False, "fear", 0.6, 0.6, 1.0, 1.0, 0.8)]
    rows += [("c", False, "fear", *place, 0.7)]
    assert load("map50")(seen(rows, ["fear"])) == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_a_second_box_on_a_face_is_wrong():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [("a", True, "fear", *place, 1.0), ("b", True, "fear", *place, 1.0)]
    rows += [("a", False, "fear", *place, s) for s in (0.9, 0.8)] + [
        ("b", False, "fear", *place, 0.7)
    ]
    # Precision 1 up to recall 1/2 (51 points), then 2/3 (50 points).
    assert load("map50")(seen(rows, ["fear"])) == pytest.approx((51 + 50 * 2 / 3) / 101)


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
    assert load("map50")(seen(boxes)) == pytest.approx(value["map_50"].item(), abs=1e-6)
    assert load("map50_95")(seen(boxes)) == pytest.approx(value["map"].item(), abs=1e-6)


def iou_of(one, other):
    left, top, right, bottom = (
        f(a, b) for f, a, b in zip((max, max, min, min), one, other, strict=True)
    )
    both = max(0, right - left) * max(0, bottom - top)
    area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return both / (sum(area) - both)


def slow_right(boxes, word, least_iou):
    """Of one class's boxes by falling score: whether each finds a face; and the faces there are."""
    own = boxes[boxes["emotion"] == word]
    corners = ["left", "top", "right", "bottom"]
    said = own[~own["truth"]].sort_values("score", ascending=False, kind="stable")
    free = {
        name: rows[corners].to_numpy().tolist()
        for name, rows in own[own["truth"]].groupby("image_id")
    }
    right = []
    for image, *corner in said[["image_id", *corners]].itertuples(index=False):
        near = [(iou_of(corner, face), face) for face in free.get(image, [])]
        overlap, face = max(near, default=(0, None))
        right.append(overlap >= least_iou)
        if right[-1]:
            free[image].remove(face)
    return np.array(right, bool), said["score"].to_numpy(), int(own["truth"].sum())


@pytest.mark.parametrize("seed", range(3))
def test_average_precision_agrees_with_its_plain_form(seed):
    boxes = random_boxes(seed)
    values = []
    for word in ("anger", "fear"):
        right, _, faces = slow_right(boxes, word, 0.5)
        points = [(right[:n].sum() / faces, right[:n].mean()) for n in range(1, len(right) + 1)]
        best = [max((p for q, p in points if q >= r), default=0) for r in np.linspace(0, 1, 101)]
        values.append(np.mean(best))
    assert seen(boxes).average_precision[0] == pytest.approx(
        [values[0], np.nan, values[1]], nan_ok=True
    )
    assert load("map50")(seen(boxes)) == pytest.approx(np.mean(values))


@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_and_f1_of_boxes_agree_with_ultralytics(seed):
    from ultralytics.utils.metrics import ap_per_class

    boxes = random_boxes(seed)
    sides = [slow_right(boxes, word, 0.5) for word in ("anger", "fear")]
    right, score, faces = zip(*sides, strict=True)
    said, truth = (np.repeat([0, 2], [len(r) for r in right]), np.repeat([0, 2], faces))
    found = ap_per_class(np.concatenate(right)[:, None], np.concatenate(score), said, truth)
    for name, values in zip(("precision_box", "recall_box", "f1_box"), found[2:5], strict=True):
        assert load(name)(seen(boxes)) == pytest.approx(values.mean(), abs=1e-9)


def test_a_class_that_is_never_answered_has_no_precision_and_one_without_faces_no_say():
    # Hand: both faces of fear found, the one of anger never answered, disgust only answered.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, w, *place, 1.0) for i, w in (("a", "fear"), ("b", "fear"), ("c", "anger"))]
    rows += [(i, False, "fear", *place, 0.9) for i in "ab"] + [("c", False, "disgust", *place, 0.9)]
    values = [load(f"{name}_box")(seen(rows)) for name in ("precision", "recall", "f1")]
    assert values == pytest.approx([0.5, 0.5, 0.5])
    assert seen(rows).best.f1 == pytest.approx([0, np.nan, 1], nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_the_confusion_of_boxes_is_the_matrix_that_ultralytics_prints(seed):
    from ultralytics.utils.metrics import ConfusionMatrix

    boxes = random_boxes(seed)
    number = {"anger": 0, "disgust": 1, "fear": 2}
    judge = ConfusionMatrix(names=dict(enumerate(number)))
    for _, image in boxes.groupby("image_id"):
        sides = []
        for truth in (False, True):
            part = image[image["truth"] == truth]
            sides.append(
                {
                    "bboxes": torch.tensor(part[["left", "top", "right", "bottom"]].to_numpy()),
                    "cls": torch.tensor([number[word] for word in part["emotion"]]),
                    "conf": torch.tensor(part["score"].to_numpy()),
                }
            )
        judge.process_batch(*sides, conf=0.25, iou_thres=0.45)
    # theirs: predicted, true; ours the other way round
    assert seen(boxes).confusion.tolist() == judge.matrix.T.tolist()
    assert seen(boxes).confusion[-1].sum() > 0 and seen(boxes).confusion[:, -1].sum() > 0
    columns = judge.matrix.sum(axis=0)[:3]
    expected = (np.diag(judge.matrix)[:3][columns > 0] / columns[columns > 0]).mean()
    assert load("cm_diag")(seen(boxes)) == pytest.approx(expected, abs=1e-6)


def test_a_face_is_found_by_a_sure_box_upon_it_whatever_its_emotion():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, "fear", *place, 1.0) for i in "abcd"]
    rows += [("a", False, "anger", *place, 0.5), ("b", False, "fear", *place, 0.49)]
    rows += [("c", False, "fear", 0.4, 0.4, 1.0, 1.0, 0.9)]  # far off
    assert load("face_detection")(seen(rows)) == 1 / 4
    assert load("face_detection")(seen(rows, threshold=0.4)) == 2 / 4


@pytest.mark.parametrize("name", BOXES)
def test_the_order_of_boxes_changes_nothing(name):
    boxes = random_boxes(8)
    order = np.random.default_rng(9).permutation(len(boxes))
    assert load(name)(seen(boxes.iloc[order])) == pytest.approx(load(name)(seen(boxes)))


@pytest.mark.parametrize("name", BOXES)
def test_box_metrics_do_not_mind_how_rows_are_numbered(name):
    boxes = random_boxes(8)
    numbered = boxes.set_axis(np.arange(len(boxes)) * 3 + 7)
    assert load(name)(seen(numbered)) == load(name)(seen(boxes))
