"""Metrics on resampled faces: by hand, and against metrics of physically copied images."""

import time

import numpy as np
import pandas as pd
import pytest
from tests.resampled_faces import CLASSES, copied, detector

from ferbench import plugins
from ferbench.artifacts.predictions import no_boxes
from ferbench.artifacts.replicates import ClusterDraws, draw_clusters
from ferbench.detection.metrics import average_precision
from ferbench.evaluation.resampled_boxes import OVERLAPS, resampled_average_precision
from ferbench.evaluation.resampled_metrics import ResampledPredictions
from ferbench.evaluation.scoring import ANY, Predictions, metric_info, score_predictions

METRICS = [*plugins.names("ferbench.evaluation.metrics"), ANY]


def box(image, left, score=None, emotion="fear"):
    """A box a tenth wide; without a score it is annotated."""
    return {
        "image_id": image, "picture": 0, "truth": score is None, "left": left, "top": 0.0,
        "right": left + 0.1, "bottom": 1.0, "emotion": emotion, "score": score or 1.0,
    }  # fmt: skip


def test_average_precision_of_two_clusters_by_hand():
    # By falling score: wrong in b, right in a, right in b.
    boxes = pd.DataFrame(
        [box("a", 0.0), box("b", 0.0), box("b", 0.5, 0.95), box("a", 0.0, 0.9), box("b", 0.0, 0.8)]
    )
    cluster = np.array([0, 1, 1, 0, 1])
    weights = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    found = resampled_average_precision(boxes, ["fear", "anger"], cluster, weights)
    assert np.isnan(found[:, :, 1]).all()
    # Both: precision 1/2 and 2/3 at recall 1/2 and 1, so 2/3 everywhere. Only a: one of one.
    # Only b: the wrong box comes first, one of two.
    assert found[:3, 0, 0] == pytest.approx([2 / 3, 1, 1 / 2])
    assert (found[:3, 0, 0] == found[:3, -1, 0]).all()  # boxes fit exactly
    assert np.isnan(found[3]).all()


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_of_the_faces_themselves_is_that_of_the_coco_code(seed):
    rng = np.random.default_rng(seed)
    boxes = detector(rng, images=25).boxes
    # Equal scores, and overlaps that are exactly a threshold, are decided as there.
    boxes["score"] = boxes["score"].round(1)
    boxes.loc[~boxes["truth"] & (rng.random(len(boxes)) < 0.3), "top"] = 0.1
    cluster = pd.factorize(boxes["image_id"])[0]
    weights = np.ones((1, cluster.max() + 1))
    found = resampled_average_precision(boxes, CLASSES, cluster, weights)[0]
    expected = average_precision(boxes, CLASSES, tuple(OVERLAPS))
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.fixture(scope="module")
def drawn():
    """Predictions on twelve images of four clusters, and three random draws of these."""
    rng = np.random.default_rng(1)
    predictions = detector(rng)
    cluster = pd.Series({f"i{number}": f"person {number % 4}" for number in range(12)})
    weights = np.concatenate([np.ones((1, 4)), rng.multinomial(4, np.full(4, 1 / 4), size=3)])
    draws = ClusterDraws(pd.Index(sorted(cluster.unique())), weights)
    return predictions, cluster, draws


@pytest.mark.thorough
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_that_of_images_copied_as_often_as_they_were_drawn(drawn, metric):
    predictions, cluster, draws = drawn
    found = ResampledPredictions.of(*drawn).metric(metric)
    asked = [] if metric == ANY else [metric]
    assert found[0] == pytest.approx(score_predictions(predictions, asked)[metric], abs=1e-9)
    for replicate, weights in enumerate(draws.weights[1:], 1):
        times = dict(zip(draws.names, weights.astype(int), strict=True))
        more = copied(predictions, {image: times[name] for image, name in cluster.items()})
        expected = score_predictions(more, asked)[metric]
        assert found[replicate] == pytest.approx(expected, abs=1e-9)
    assert len(set(found)) > 1


def test_a_classifier_has_no_metrics_of_boxes(drawn):
    table = drawn[0].table
    table = table[table[CLASSES].any(axis=1)]
    classifier = Predictions(table, no_boxes(CLASSES), None)
    resampled = ResampledPredictions.of(classifier, *drawn[1:])
    boxes = [name for name in METRICS if metric_info(name).reads == "boxes"]
    assert {name for name in METRICS if resampled.metric(name) is None} == set(boxes)


def test_replicates_without_a_face_of_the_subset_have_no_value(drawn):
    predictions, cluster, _ = drawn
    draws = ClusterDraws(pd.Index(sorted(set(cluster))), np.array([[1.0] * 4, [0, 0, 0, 4.0]]))
    table = predictions.table[predictions.table["image_id"] == "i0"]
    boxes = predictions.boxes[predictions.boxes["image_id"] == "i0"]
    part = Predictions(table.reset_index(drop=True), boxes.reset_index(drop=True), 0.4)
    for metric in ("accuracy", "map50", "face_detection", "brier", "f1_box"):
        found = ResampledPredictions.of(part, cluster, draws).metric(metric)
        assert np.isnan(found).tolist() == [False, True], metric


def test_average_precision_of_two_hundred_images_takes_less_than_two_seconds():
    rng = np.random.default_rng(0)
    classes = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]
    boxes = detector(rng, images=200).boxes
    noise = pd.concat([boxes[~boxes["truth"]]] * 20).assign(score=lambda t: rng.random(len(t)))
    boxes = pd.concat([boxes, noise], ignore_index=True)
    boxes["emotion"] = rng.choice(classes, len(boxes))
    cluster = pd.factorize(boxes["image_id"])[0]
    weights = draw_clusters(pd.Series([f"image {n:03}" for n in range(200)])).weights
    start = time.process_time()
    found = resampled_average_precision(boxes, classes, cluster, weights)
    assert time.process_time() - start < 2
    assert found.shape == (201, 10, 7)
    assert found[1:, 0].mean(axis=-1).std() > 0
