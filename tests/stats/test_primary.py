"""The primary interval: its two variances, its bounds, and what it is made of."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.stats.references import cluster_variance

from ferbench.stats.comparisons.primary import primary
from ferbench.stats.evidence import EvidencePart
from ferbench.stats.primary import (
    primary_difference,
    primary_interval,
    primary_score,
)

PLACE = {"study": "s", "dataset": "d", "protocol": "p"}


def part(correct, persons, *, redrawn=False):
    """Evidence of variants by name: (seeds, faces) of 0 and 1."""
    rows = [
        {"variant": name, "seed": seed, "image_id": f"i{face}", "face": 0,
         "person": persons[face], "target": "fear" if face % 2 else "anger", "correct": bool(hit)}
        for name, table in correct.items()
        for seed, of_seed in enumerate(table)
        for face, hit in enumerate(of_seed)
    ]  # fmt: skip
    faces = pd.DataFrame(rows)
    scores = faces.groupby(["variant", "seed"])["correct"].mean().rename("value").reset_index()
    results = scores.assign(**PLACE, subset="test", metric="accuracy")
    return EvidencePart(PLACE, results, faces, 0.25, redrawn)


def test_without_test_variance_it_is_students_interval():
    found = primary_interval([0.70, 0.72, 0.74], math.nan, 0)
    low, high = stats.t.interval(0.95, 2, loc=0.72, scale=0.02 / 3**0.5)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.df, found.spread) == pytest.approx((2, 0.02))


def test_variances_add_up_and_share_the_degrees_of_freedom():
    found = primary_interval([0.70, 0.72, 0.74], 0.0004, 30)
    v_seed = 0.02**2 / 3
    df = (v_seed + 0.0004) ** 2 / (v_seed**2 / 2 + 0.0004**2 / 29)
    assert (found.error**2, found.df) == pytest.approx((v_seed + 0.0004, df))
    half = stats.t.ppf(0.975, df) * found.error
    assert (found.low, found.high) == pytest.approx((0.72 - half, 0.72 + half))


def test_redrawn_splits_enlarge_the_variance_of_the_seeds():
    found = primary_interval([0.70, 0.72, 0.74], math.nan, 0, test_share=2 / 7)
    assert found.v_seed == pytest.approx(0.02**2 * (1 / 3 + 2 / 7))


@pytest.mark.parametrize("values", [[0.99, 1.0, 0.98], [0.01, 0.0, 0.02], [0.5, 0.9, 0.1]])
def test_interval_of_a_proportion_stays_in_its_range(values):
    found = primary_interval(values, 0.0005, 20, bounds=(0.0, 1.0))
    assert 0 <= found.low < found.estimate < found.high <= 1


def test_interval_of_a_proportion_is_symmetric_in_logits():
    found = primary_interval([0.90, 0.92, 0.94], 0.0004, 30, v_both=0.00005, bounds=(0.0, 1.0))
    low, middle, high = (math.log(p / (1 - p)) for p in (found.low, found.estimate, found.high))
    half = found.quantile() * found.error / (found.estimate * (1 - found.estimate))
    assert (middle - low, high - middle) == pytest.approx((half, half))
    assert found.error**2 == pytest.approx(0.0004 + 0.02**2 / 3 - 0.00005)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_perfect_scores_have_the_exact_interval_of_the_clusters(share):
    found = primary_interval([share] * 3, 0.0, 20, bounds=(0.0, 1.0))
    width = 1 - 0.025 ** (1 / 20)  # Clopper and Pearson
    assert found.high - found.low == pytest.approx(width)
    assert found.estimate == share


def test_one_seed_has_no_interval():
    found = primary_interval([0.7], 0.001, 20, bounds=(0.0, 1.0))
    assert found.estimate == 0.7
    assert math.isnan(found.low) and math.isnan(found.p_value)
    assert found.seeds == 1


def test_cluster_variance_equals_the_variance_of_cluster_means_of_equal_size():
    rng = np.random.default_rng(0)
    values = rng.random((12, 5))
    found, count = cluster_variance(values.ravel(), np.repeat(np.arange(12), 5))
    assert found == pytest.approx(values.mean(axis=1).var(ddof=1) / 12)
    assert count == 12
    assert math.isnan(cluster_variance([1.0, 2.0], ["a", "a"])[0])
    # Without clusters of several values it is the usual variance of a mean.
    assert cluster_variance([0.0, 0.0, 1.0, 1.0], [0, 1, 2, 3]) == (pytest.approx(1 / 12), 4)
    assert cluster_variance([0.0, 0.0, 1.0, 1.0], [0, 0, 1, 1]) == (0.25, 2)


def test_score_and_difference_are_computed_from_faces():
    rng = np.random.default_rng(1)
    correct = {name: (rng.random((4, 60)) < p).astype(int) for name, p in (("a", 0.6), ("b", 0.8))}
    persons = [f"p{face // 3}" for face in range(60)]
    evidence = part(correct, persons)
    score = primary_score(evidence, "accuracy", "b")
    assert score.estimate == pytest.approx(correct["b"].mean())
    assert (score.seeds, score.clusters, score.faces) == (4, 20, 60)
    of_face = correct["b"].mean(axis=0)
    assert score.v_test == pytest.approx(cluster_variance(of_face, persons)[0])
    gain = primary_difference(evidence, "accuracy", "a", "b")
    difference = correct["b"] - correct["a"]
    assert gain.estimate == pytest.approx(difference.mean())
    assert gain.v_seed == pytest.approx(difference.mean(axis=1).var(ddof=1) / 4)
    assert gain.v_test == pytest.approx(cluster_variance(difference.mean(axis=0), persons)[0])
    back = primary_difference(evidence, "accuracy", "b", "a")
    assert (back.low, back.high) == pytest.approx((-gain.high, -gain.low))


def test_faces_of_unknown_persons_are_clustered_by_image():
    evidence = part({"a": [[1, 0, 1, 1], [1, 1, 0, 1]]}, ["p", "p", None, None])
    assert primary_score(evidence, "accuracy", "a").clusters == 3


def test_kind_of_cluster_is_person_sequence_image_or_mixed():
    one = [[1, 0, 1, 1], [1, 1, 0, 1]]
    kinds = {}
    for name, persons in (("known", list("ppqq")), ("partly", ["p", "p", None, None])):
        kinds[name] = primary_score(part({"a": one}, persons), "accuracy", "a").cluster
    unknown = part({"a": one}, [None] * 4)
    kinds["unknown"] = primary_score(unknown, "accuracy", "a").cluster
    faces = unknown.faces.assign(sequence=unknown.faces["image_id"].map(lambda i: i[1] > "1"))
    faces["sequence"] = faces["sequence"].map({True: "s2", False: "s1"})
    film = replace(unknown, faces=faces)
    found = primary_score(film, "accuracy", "a")
    assert (found.cluster, found.clusters) == ("sequence", 2)
    assert kinds == {"known": "person", "partly": "mixed", "unknown": "image"}


def test_recall_of_a_class_is_over_its_faces():
    correct = {"a": [[1, 0, 1, 0], [1, 1, 1, 0]], "b": [[1, 1, 1, 1], [1, 0, 1, 1]]}
    evidence = part(correct, list("wxyz"))
    assert primary_score(evidence, "recall:fear", "a").estimate == pytest.approx(0.25)
    assert primary_difference(evidence, "recall:fear", "a", "b").estimate == pytest.approx(0.5)


def test_what_was_not_measured_has_no_estimate():
    evidence = part({"a": [[1, 0], [1, 1]]}, ["p", "q"])
    assert primary_score(evidence, "accuracy", "b") is None
    assert primary_score(evidence, "map50", "a") is None
    assert primary_difference(evidence, "accuracy", "a", "b") is None


def test_primary_test_rejects_where_the_primary_interval_excludes_zero():
    rng = np.random.default_rng(2)
    correct = {name: (rng.random((3, 40)) < p).astype(int) for name, p in (("a", 0.5), ("b", 0.8))}
    evidence = part(correct, [f"p{face // 2}" for face in range(40)])
    there, back = (primary(evidence, "accuracy", *pair) for pair in (("a", "b"), ("b", "a")))
    gain = primary_difference(evidence, "accuracy", "a", "b")
    assert there.statistic == pytest.approx(gain.estimate / gain.error)
    assert there.p_value == pytest.approx(2 * stats.t.sf(abs(there.statistic), gain.df))
    assert (there.low, there.high) == (gain.low, gain.high)
    assert there.effect_size == pytest.approx(gain.estimate / gain.spread)
    assert there.n == 3
    assert (there.p_value <= 0.05) == (not there.low <= 0 <= there.high)
    assert (back.statistic, back.p_value) == pytest.approx((-there.statistic, there.p_value))


def test_primary_test_of_equal_variants_and_of_one_seed():
    one = [[1, 0, 1, 1], [1, 1, 0, 1]]
    equal = part({"a": one, "b": one}, list("wxyz"))
    assert primary(equal, "accuracy", "a", "b")[:3] == (0.0, 1.0, 0.0)
    single = part({"a": one[:1], "b": one[1:]}, list("wxyz"))
    found = primary(single, "accuracy", "a", "b")
    assert math.isnan(found.p_value)
    assert (found.estimate, found.n) == (0.0, 1)
    assert primary(equal, "accuracy", "a", "c").n == 0
