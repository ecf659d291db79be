"""Every metric against its bounds, hand-made cases and independent implementations."""

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification as reference

from ferbench import plugins
from ferbench.detection.metrics import Detections
from ferbench.evaluation.metrics.probability import BINS, class_ap, class_auroc, reliability
from ferbench.evaluation.scoring import metric_info

PACKAGE = "ferbench.evaluation.metrics"
PROB = [name for name in plugins.names(PACKAGE) if metric_info(name).reads == "prob"]
BOXES = [name for name in plugins.names(PACKAGE) if name not in PROB]
# The value of misses alone where it is not the worst value there is, and why.
MISSES_ALONE = {
    "kappa": 0,  # no prediction agrees by chance either
    "auroc_macro": 0.5,  # all tie
    "ece": 0,  # wrong, and without confidence
    "brier": 1,  # 2 is for being sure of the wrong class
    "nll": np.nan,  # no prediction has a likelihood
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


def random_predictions(seed, faces=200, classes=7, miss=0.0):
    rng = np.random.default_rng(seed)
    target = rng.integers(classes, size=faces)
    logits = rng.normal(size=(faces, classes))
    logits[np.arange(faces), target] += 1
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    prob[rng.random(faces) < miss] = 0
    return prob, target


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_metric_declares_bounds_threshold_and_documentation(name):
    info = metric_info(name)
    assert info.bounds[0] < info.bounds[1]
    assert info.threshold is None or 0 <= info.threshold < 1
    assert info.reads == "prob" or info.threshold is None
    assert load(name).__name__ == name and load(name).__doc__


def best_and_worst(name):
    low, high = metric_info(name).bounds
    return (high, low) if metric_info(name).higher_is_better else (low, high)


@pytest.mark.parametrize("name", PROB)
def test_perfect_predictions_are_best_and_misses_alone_are_worst(name):
    target = np.array([0, 1, 2, 2, 5])
    best, worst = best_and_worst(name)
    assert load(name)(np.eye(7)[target], target) == best
    expected = MISSES_ALONE.get(name, worst)
    assert load(name)(np.zeros((5, 7)), target) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("name", PROB)
@pytest.mark.parametrize("seed", range(3))
def test_values_are_within_the_bounds(name, seed):
    low, high = sorted(best_and_worst(name))
    prob, target = random_predictions(seed, faces=20, miss=0.2)
    assert low <= load(name)(prob, target) <= high
    assert low <= load(name)(np.eye(7)[(target + 1) % 7], target) <= high


@pytest.mark.parametrize("name", PROB)
def test_single_face_gives_a_value_or_nan_where_there_is_none(name):
    value = load(name)(np.array([[0.7, 0.2, 0.1]]), np.array([0]))
    assert np.isnan(value) == (name in ("kappa", "auroc_macro"))


@pytest.mark.parametrize("name", PROB)
def test_metrics_do_not_depend_on_the_order_of_faces(name):
    prob, target = random_predictions(1, miss=0.2)
    order = np.random.default_rng(2).permutation(len(target))
    assert load(name)(prob[order], target[order]) == pytest.approx(load(name)(prob, target))


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("seed", range(3))
def test_metrics_agree_with_torchmetrics(name, seed):
    prob, target = random_predictions(seed)
    function, average = TORCH[name]
    value = getattr(reference, f"multiclass_{function}")(
        torch.from_numpy(prob), torch.from_numpy(target), num_classes=7, average=average
    )
    assert load(name)(prob, target) == pytest.approx(value.item(), abs=1e-6)


@pytest.mark.parametrize("name", TORCH)
def test_misses_count_as_one_more_class_that_is_never_correct(name):
    prob, target = random_predictions(4, miss=0.3)
    label = np.where(prob.any(axis=1), prob.argmax(axis=1), 7)
    function, average = TORCH[name]
    if average == "micro":
        value = sklearn.metrics.accuracy_score(target, label)
    else:
        function = "recall" if function == "accuracy" else function.removesuffix("_score")
        scorer = getattr(sklearn.metrics, f"{function}_score")
        value = scorer(target, label, labels=range(7), average=average, zero_division=0)
    assert load(name)(prob, target) == pytest.approx(value)


def test_class_without_faces_is_left_out_of_macro_means():
    # Hand: targets 0, 0, 1; predictions 0, 2, 1. Recall 1/2 and 1; precision 1 and 1; F1 2/3 and 1.
    prob, target = np.eye(3)[[0, 2, 1]], np.array([0, 0, 1])
    assert load("recall_macro")(prob, target) == pytest.approx(3 / 4)
    assert load("balanced_accuracy")(prob, target) == pytest.approx(3 / 4)
    assert load("precision_macro")(prob, target) == 1
    assert load("f1_macro")(prob, target) == pytest.approx(5 / 6)
    assert load("f1_weighted")(prob, target) == pytest.approx((2 * 2 / 3 + 1) / 3)


def test_accuracy_is_coverage_times_accuracy_of_detected_faces():
    prob, target = random_predictions(5, miss=0.4)
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
    """By scikit-learn's curve over the faces not missed; a missed one is never retrieved."""
    values = []
    for number in np.unique(target):
        found = prob.any(axis=1)
        right = target[found] == number
        precision, recall, _ = sklearn.metrics.precision_recall_curve(right, prob[found, number])
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
    found = prob.any(axis=1)
    return sklearn.metrics.log_loss(target[found], prob[found], labels=range(7))


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
def test_metrics_agree_with_an_independent_form(name, miss, seed):
    prob, target = random_predictions(seed, miss=miss)
    assert load(name)(prob, target) == pytest.approx(OTHERS[name](prob, target), abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_ece_and_top2_agree_with_libraries(seed):
    prob, target = random_predictions(seed)
    assert load("ece")(prob, target) == pytest.approx(torch_ece(prob, target), abs=1e-6)
    expected = sklearn.metrics.top_k_accuracy_score(target, prob, k=2, labels=range(7))
    assert load("top2_accuracy")(prob, target) == pytest.approx(expected)


def test_top2_counts_a_miss_as_wrong_although_all_classes_tie():
    prob = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert load("top2_accuracy")(prob, np.array([1, 0])) == 0.5


def test_brier_of_two_classes_is_twice_that_of_scikit_learn():
    prob, target = random_predictions(6, classes=2)
    once = sklearn.metrics.brier_score_loss(target, prob[:, 1])
    assert load("brier")(prob, target) == pytest.approx(2 * once)


def test_ap_of_probabilities_is_the_ap_of_whole_image_boxes():
    # One box for every face and class, as large as the image: the COCO code must give the same.
    prob, target = random_predictions(7, faces=40, classes=3, miss=0.2)
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
    return pd.DataFrame(rows, columns=names).assign(picture=0)


def seen(rows, classes=("anger", "disgust", "fear"), threshold=0.5):
    boxes = rows if isinstance(rows, pd.DataFrame) else frame(rows)
    return Detections(boxes, list(classes), threshold)


@pytest.mark.parametrize("name", BOXES)
def test_perfect_boxes_are_best_and_none_worst(name):
    truth = [("a", True, "fear", 0.1, 0.1, 0.5, 0.5, 1.0), ("b", True, "anger", 0, 0, 1, 1, 1.0)]
    predicted = [(image, False, *rest) for image, _, *rest in truth]
    assert load(name)(seen(truth + predicted)) == pytest.approx(1)
    assert load(name)(seen(truth)) == 0
    assert load(name)(seen(predicted)) == 0


def test_average_precision_by_hand():
    # Three faces of one class. By falling score: right, wrong (far off), right; one face unfound.
    # Precision 1 up to recall 1/3, then 2/3 up to recall 2/3: of the 101 recall points 34 lie in
    # 0..0.33 and 33 in 0.34..0.66.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, "fear", *place, 1.0) for i in "abc"]
    rows += [("a", False, "fear", *place, 0.9), ("b", False, "fear", 0.6, 0.6, 1.0, 1.0, 0.8)]
    rows += [("c", False, "fear", *place, 0.7)]
    assert load("map50")(seen(rows, ["fear"])) == pytest.approx((34 + 33 * 2 / 3) / 101)


def test_second_box_on_a_face_is_wrong():
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
                predicted = word if rng.random() < 0.7 else "anger"
                rows.append((f"{image}", False, predicted, *corners, float(rng.random())))
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
    """Of one class's boxes by falling score: whether each finds a face; and the number of faces."""
    own = boxes[boxes["emotion"] == word]
    corners = ["left", "top", "right", "bottom"]
    predicted = own[~own["truth"]].sort_values("score", ascending=False, kind="stable")
    free = {
        name: rows[corners].to_numpy().tolist()
        for name, rows in own[own["truth"]].groupby("image_id")
    }
    right = []
    for image, *corner in predicted[["image_id", *corners]].itertuples(index=False):
        near = [(iou_of(corner, face), face) for face in free.get(image, [])]
        overlap, face = max(near, default=(0, None))
        right.append(overlap >= least_iou)
        if right[-1]:
            free[image].remove(face)
    return np.array(right, bool), predicted["score"].to_numpy(), int(own["truth"].sum())


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
    predicted, truth = (np.repeat([0, 2], [len(r) for r in right]), np.repeat([0, 2], faces))
    found = ap_per_class(np.concatenate(right)[:, None], np.concatenate(score), predicted, truth)
    for name, values in zip(("precision_box", "recall_box", "f1_box"), found[2:5], strict=True):
        assert load(name)(seen(boxes)) == pytest.approx(values.mean(), abs=1e-9)


def test_class_never_predicted_has_precision_0_and_one_without_faces_is_left_out():
    # Hand: both faces of fear found, the one of anger never predicted, disgust only predicted.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, w, *place, 1.0) for i, w in (("a", "fear"), ("b", "fear"), ("c", "anger"))]
    rows += [(i, False, "fear", *place, 0.9) for i in "ab"] + [("c", False, "disgust", *place, 0.9)]
    values = [load(f"{name}_box")(seen(rows)) for name in ("precision", "recall", "f1")]
    assert values == pytest.approx([0.5, 0.5, 0.5])
    assert seen(rows).best.f1 == pytest.approx([0, np.nan, 1], nan_ok=True)


@pytest.mark.parametrize("seed", range(3))
def test_confusion_of_boxes_is_the_matrix_of_ultralytics(seed):
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


def test_face_is_found_by_a_box_of_any_class_with_score_and_overlap():
    place = (0.0, 0.0, 0.5, 0.5)
    rows = [(i, True, "fear", *place, 1.0) for i in "abcd"]
    rows += [("a", False, "anger", *place, 0.5), ("b", False, "fear", *place, 0.49)]
    rows += [("c", False, "fear", 0.4, 0.4, 1.0, 1.0, 0.9)]  # far off
    assert load("face_detection")(seen(rows)) == 1 / 4
    assert load("face_detection")(seen(rows, threshold=0.4)) == 2 / 4


@pytest.mark.parametrize("name", BOXES)
def test_box_metrics_do_not_depend_on_the_order_of_boxes(name):
    boxes = random_boxes(8)
    order = np.random.default_rng(9).permutation(len(boxes))
    assert load(name)(seen(boxes.iloc[order])) == pytest.approx(load(name)(seen(boxes)))


@pytest.mark.parametrize("name", BOXES)
def test_box_metrics_do_not_depend_on_row_labels(name):
    boxes = random_boxes(8)
    numbered = boxes.set_axis(np.arange(len(boxes)) * 3 + 7)
    assert load(name)(seen(numbered)) == load(name)(seen(boxes))


def test_pictures_of_one_image_are_judged_apart():
    # Faces 0 and 1 of one image, each on a picture of its own; only the first is found.
    place = (0.0, 0.0, 0.5, 0.5)
    rows = frame(
        [
            ("a", True, "fear", *place, 1.0),
            ("a", True, "fear", *place, 1.0),
            ("a", False, "fear", *place, 0.9),
            ("a", False, "fear", *place, 0.8),
        ]
    )
    assert load("map50")(seen(rows.assign(picture=[0, 1, 0, 1]), ["fear"])) == 1
    assert load("recall_box")(seen(rows.assign(picture=[0, 1, 0, 0]), ["fear"])) == 0.5
    assert load("face_detection")(seen(rows.assign(picture=[0, 1, 0, 0]), ["fear"])) == 0.5


def test_class_of_all_faces_has_no_roc_curve():
    prob, target = np.array([[0.7, 0.3], [0.4, 0.6]]), np.array([0, 0])
    assert np.isnan(class_auroc(prob, target)).all()
    assert class_ap(prob, target) == pytest.approx([1, np.nan], nan_ok=True)


def test_equal_probabilities_are_ranked_together():
    prob, target = np.full((4, 2), 0.5), np.array([0, 0, 0, 1])
    assert class_ap(prob, target) == pytest.approx([3 / 4, 1 / 4])
    assert class_auroc(prob, target) == pytest.approx([0.5, 0.5])


def test_missed_face_is_never_retrieved():
    # Of two faces one is ranked first, the other missed: recall ends at a half, 51 points of 101.
    prob, target = np.array([[0.9, 0.1], [0.0, 0.0], [0.2, 0.8]]), np.array([0, 0, 1])
    assert class_ap(prob, target)[0] == pytest.approx(51 / 101)


def test_bin_of_confidence_holds_its_upper_edge_and_the_first_one_zero():
    confidence = np.array([0.0, 8 / BINS, 8 / BINS + 1e-9, 1.0])
    prob = np.column_stack([confidence, np.zeros(4)])
    table = reliability(prob, np.zeros(4, int))
    assert table["bin"].tolist() == [0, 7, 8, 14]
    assert table["low"].tolist() == pytest.approx([0, 7 / 15, 8 / 15, 14 / 15])
    assert table["high"].tolist() == pytest.approx([1 / 15, 8 / 15, 9 / 15, 1])
    assert table["accuracy"].tolist() == [0, 1, 1, 1]  # the first is a miss


def test_confidence_and_accuracy_are_means_over_the_faces_of_a_bin():
    prob = np.array([[0.61, 0.39], [0.63, 0.37], [0.65, 0.35], [0.1, 0.9]])
    table = reliability(prob, np.array([0, 1, 0, 1])).set_index("bin")
    assert table.loc[9, ["count", "confidence", "accuracy"]].tolist() == pytest.approx(
        [3, 0.63, 2 / 3]
    )
    assert table["count"].sum() == 4
