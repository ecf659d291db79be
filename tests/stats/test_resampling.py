"""Scores on resampled clusters: against scikit-learn and the metrics of the project."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from ferbench import plugins
from ferbench.artifacts.replicates import REPLICATES, draw_clusters
from ferbench.confusions import SCORES
from ferbench.evaluation.resampled_metrics import ResampledPredictions
from ferbench.evaluation.scoring import Predictions
from ferbench.stats.evidence import EvidencePart, clusters_of
from ferbench.stats.primary import knows_test_variance, primary_difference, primary_score
from ferbench.stats.resampling import resampled

PLACE = {"study": "s", "dataset": "d", "protocol": "p"}
CLASSES = ["anger", "fear", "happiness"]


def evidence(persons=15, seeds=2, faces=60, redrawn=False):
    rng = np.random.default_rng(0)
    target = rng.choice(CLASSES, faces, p=[0.6, 0.3, 0.1])
    rows = []
    for variant, share in (("a", 0.6), ("b", 0.8)):
        for seed in range(seeds):
            right = rng.random(faces) < share
            other = rng.choice([*CLASSES, "none", "disgust"], faces)
            rows.append(
                pd.DataFrame(
                    {
                        "variant": variant,
                        "seed": seed,
                        "image_id": [f"i{i}" for i in range(faces)],
                        "face": 0,
                        "person": [f"p{i % persons}" for i in range(faces)],
                        "target": target,
                        "predicted": np.where(right, target, other),
                    }
                )
            )
    table = pd.concat(rows, ignore_index=True)
    table["correct"] = table["target"] == table["predicted"]
    empty = pd.DataFrame(columns=["metric", "value", "seed", "variant"])
    return EvidencePart(PLACE, empty, table, 0.25, redrawn)


def by_sklearn(metric, target, predicted, weight=None):
    present = sorted(set(target))
    if metric == "kappa":
        # Misses are a label of their own that no face has.
        return reference.cohen_kappa_score(target, predicted, sample_weight=weight)
    if metric == "accuracy":
        return reference.accuracy_score(target, predicted, sample_weight=weight)
    name, _, average = metric.partition("_")
    if metric == "balanced_accuracy":
        name, average = "recall", "macro"
    score = getattr(reference, f"{name}_score")
    return score(
        target, predicted, labels=present, average=average, zero_division=0, sample_weight=weight
    )


@pytest.mark.parametrize("metric", SCORES)
def test_scores_agree_with_scikit_learn_on_the_faces_and_on_resampled_ones(metric):
    part = evidence()
    found = resampled(part).scores(metric)
    run = part.faces[(part.faces["variant"] == "b") & (part.faces["seed"] == 1)]
    own = by_sklearn(metric, run["target"], run["predicted"])
    assert found.loc[0, ("b", 1)] == pytest.approx(own)
    # The second replicate again, from the number of faces of each person that it drew.
    counts = np.random.default_rng(0).multinomial(15, np.full(15, 1 / 15), size=REPLICATES)[1]
    names = sorted(clusters_of(part).unique())
    weight = ("person " + run["person"]).map(dict(zip(names, counts, strict=True))).to_numpy()
    kept = weight > 0
    expected = by_sklearn(metric, run["target"][kept], run["predicted"][kept], weight[kept])
    assert found.loc[2, ("b", 1)] == pytest.approx(expected)


@pytest.mark.parametrize("metric", SCORES)
def test_scores_agree_with_the_metrics_of_the_scoreboard(metric):
    part = evidence()
    run = part.faces[(part.faces["variant"] == "a") & (part.faces["seed"] == 0)]
    classes = [*CLASSES, "disgust"]
    prob = np.array([[float(word == name) for name in classes] for word in run["predicted"]])
    target = np.array([classes.index(word) for word in run["target"]])
    expected = plugins.load("ferbench.evaluation.metrics", metric)(prob, target)
    assert resampled(part).scores(metric).loc[0, ("a", 0)] == pytest.approx(expected)


@pytest.mark.parametrize("redrawn", [False, True])
def test_weighted_recall_has_the_interval_of_accuracy(redrawn):
    part = evidence(redrawn=redrawn)
    exact = primary_score(part, "accuracy", "a")
    found = primary_score(part, "recall_weighted", "a")
    assert found.estimate == pytest.approx(exact.estimate)
    assert found.v_test == pytest.approx(exact.v_test, rel=0.35)  # 200 replicates
    assert (found.clusters, found.faces, found.cluster) == (15, 60, "person")


def test_differences_are_paired():
    part = evidence()
    gain = primary_difference(part, "f1_macro", "a", "b")
    alone = [primary_score(part, "f1_macro", name) for name in "ab"]
    assert gain.estimate == pytest.approx(alone[1].estimate - alone[0].estimate)
    same = primary_difference(part, "f1_macro", "a", "a")
    assert (same.estimate, same.v_test) == (0.0, 0.0)


def stored(values, metric="map50", clusters=4):
    """Rows of `replicates.parquet` from (1 + replicates,) by variant and seed."""
    rows = [
        pd.DataFrame(
            {"variant": variant, "seed": seed, "replicate": range(len(column)), "value": column}
        )
        for (variant, seed), column in values.items()
    ]
    sizes = {"clusters": clusters, "faces": 40, "cluster": "person"}
    return pd.concat(rows, ignore_index=True).assign(metric=metric, **sizes)


def test_stored_replicates_give_the_variance_due_to_test_faces():
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 0.1, 200)
    own = {("a", s): np.r_[0.5 + s / 100, 0.5 + s / 100 + shared] for s in range(3)}
    part = replace(evidence(), replicates=stored(own))
    found = primary_score(part, "map50", "a")
    assert knows_test_variance(part, "map50")
    assert found.estimate == pytest.approx(0.51)
    assert found.v_test == pytest.approx(shared.var(ddof=1) * 4 / 3)
    assert found.v_both == pytest.approx(0)  # all seeds vary together
    assert (found.clusters, found.faces, found.cluster) == (4, 40, "person")
    assert primary_score(part, "map50", "b") is None
    assert primary_score(replace(part, replicates=stored(own, "nll")), "nll", "a").low < 0.51


def test_differences_of_stored_replicates_are_paired_by_seed():
    rng = np.random.default_rng(1)
    shared = rng.normal(0, 0.1, 201)
    values = {("a", s): shared + 0.5 + s for s in (0, 1, 2)}
    values |= {("b", s): shared + 0.6 + s for s in (1, 2, 3)}
    part = replace(evidence(), replicates=stored(values))
    found = primary_difference(part, "map50", "a", "b")
    assert (found.seeds, found.estimate) == (2, pytest.approx(0.1))
    assert found.v_test == pytest.approx(0)
    assert primary_difference(part, "map50", "a", "c") is None


def sample_of_detectors(rng, persons=10):
    """Evidence of two detectors that are equally good over all persons, on a few of them."""
    seeds, images = 4, 4 * persons
    cluster = pd.Series({f"i{n}": f"person {n % persons}" for n in range(images)})
    draws = draw_clusters(cluster)
    results, values = [], {}
    for variant in "ab":
        skill = rng.choice([0.35, 0.95], persons)  # of whom a variant recognises well
        for seed in range(seeds):
            found = one_run(rng, skill[np.arange(images) % persons])
            column = ResampledPredictions.of(found, cluster, draws).metric("map50")
            values[variant, seed] = column
            results.append(
                {"variant": variant, "seed": seed, "metric": "map50", "value": column[0]}
            )
    table = stored(values, clusters=persons)
    return EvidencePart(PLACE, pd.DataFrame(results), None, 0.25, replicates=table)


def one_run(rng, skill):
    """A detector that finds every face, and names it rightly with some chance."""
    target = np.arange(len(skill)) % 2
    label = np.where(rng.random(len(skill)) < skill, target, 1 - target)
    words, images = np.array(["anger", "fear"]), [f"i{n}" for n in range(len(skill))]
    rows = pd.DataFrame({"image_id": images, "face": 0, "target": words[target]})
    rows = rows.assign(anger=1.0 * (label == 0), fear=1.0 * (label == 1))
    place = {"picture": 0, "face": 0, "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    boxes = [
        pd.DataFrame({"image_id": images, "emotion": words[of], "truth": truth, "score": score})
        for of, truth, score in ((target, True, 1.0), (label, False, rng.random(len(skill))))
    ]
    return Predictions(rows, pd.concat(boxes, ignore_index=True).assign(**place), 0.0)


@pytest.mark.thorough
def test_with_few_persons_differences_in_average_precision_are_not_about_seeds_only():
    rng = np.random.default_rng(3)
    rejected = np.zeros(2)
    widths = []
    for _ in range(15):
        part = sample_of_detectors(rng)
        pair = [
            primary_difference(each, "map50", "a", "b")
            for each in (part, replace(part, replicates=None))
        ]
        assert [found.seeds_only for found in pair] == [False, True]
        assert pair[0].estimate == pytest.approx(pair[1].estimate)
        rejected += [found.p_value <= 0.05 for found in pair]
        widths.append([found.high - found.low for found in pair])
    whole, seeds_only = np.median(widths, axis=0)
    assert whole > 1.5 * seeds_only
    # The variants are equal, so that one in twenty should differ at 5 %.
    assert rejected[0] <= 2
    assert rejected[1] >= 4


def test_metrics_without_predictions_of_their_kind_are_about_seeds_only():
    part = evidence()
    assert knows_test_variance(part, "f1_macro")
    assert not knows_test_variance(part, "map50")
    rows = [{"variant": "a", "seed": s, "metric": "map50", "value": 0.5 + s / 10} for s in (0, 1)]
    found = primary_score(EvidencePart(PLACE, pd.DataFrame(rows), part.faces, 0.25), "map50", "a")
    assert found.seeds_only
    assert math.isnan(found.v_test)
    assert found.cluster == ""
