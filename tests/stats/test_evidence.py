"""Evidence cut into samples, and the comparison of every pair of variants on them."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ferbench import plugins
from ferbench.config.params import Compare
from ferbench.errors import InputError
from ferbench.stats.comparisons.faces import cluster_bootstrap, mcnemar
from ferbench.stats.comparisons.t_tests import corrected_t, paired_t, welch
from ferbench.stats.evidence import Evidence, samples_of
from ferbench.stats.study import COLUMNS, compare_variants

HOW = Compare(
    metrics=("accuracy", "map50"), tests=("welch",), omnibus=(), correction="holm", alpha=0.05
)
VALUES = {"base": [0.6, 0.62, 0.61], "best": [0.7, 0.72, 0.71], "same": [0.6, 0.63, 0.6]}


def results(values=VALUES, metric="accuracy", subset="test"):
    rows = [
        ("demo", "synthetic", "person_70_10_20", name, seed, subset, metric, value)
        for name, series in values.items()
        for seed, value in enumerate(series)
    ]
    names = ["study", "dataset", "protocol", "variant", "seed", "subset", "metric", "value"]
    return pd.DataFrame(rows, columns=names)


def of_results(table):
    return Evidence(table, None, {})


def test_every_pair_is_compared_once_with_the_baseline_as_a():
    table = compare_variants(of_results(results()), HOW, ["base", "best", "same"])
    assert list(table.columns) == list(COLUMNS)
    pairs = list(zip(table["variant_a"], table["variant_b"], strict=True))
    assert pairs == [("base", "best"), ("base", "same"), ("best", "same")]
    assert table["family"].tolist() == ["control", "control", "exploratory"]
    assert (table["basis"] == "seeds only").all()
    row = table.iloc[0]
    assert row["estimate"] == pytest.approx(0.1)
    assert row["p_value"] == welch(VALUES["base"], VALUES["best"]).p_value
    assert row["n"] == 3


def test_correction_is_over_the_pairs_with_controls_and_no_others():
    table = compare_variants(of_results(results()), HOW, ["base", "best", "same"])
    control = table[table["family"] == "control"]
    smallest = control.loc[control["p_value"].idxmin()]
    assert smallest["p_corrected"] == pytest.approx(2 * smallest["p_value"])
    other = table[table["family"] == "exploratory"].iloc[0]
    assert other["p_value"] == welch(VALUES["best"], VALUES["same"]).p_value
    assert math.isnan(other["p_corrected"])


def test_the_control_of_a_pair_is_a_whatever_the_order():
    controls = {"base": "best", "same": "base"}
    table = compare_variants(of_results(results()), HOW, list(VALUES), controls)
    pairs = table[["variant_a", "variant_b", "family"]].to_numpy().tolist()
    assert pairs == [
        ["best", "base", "control"],
        ["base", "same", "control"],
        ["best", "same", "exploratory"],
    ]
    assert table["estimate"].iloc[0] == pytest.approx(-0.1)


def test_validation_results_are_not_compared():
    val = results({"base": [0.1, 0.2], "best": [0.1, 0.2]}, subset="val")
    table = compare_variants(of_results(pd.concat([results(), val])), HOW, ["base", "best"])
    assert table["n"].tolist() == [3]


def test_metric_that_a_variant_lacks_gives_no_pair():
    boxes = results({"best": VALUES["best"], "same": VALUES["same"]}, metric="map50")
    both = of_results(pd.concat([results(), boxes]))
    table = compare_variants(both, HOW, ["base", "best", "same"])
    of_boxes = table[table["metric"] == "map50"]
    assert of_boxes[["variant_a", "variant_b"]].to_numpy().tolist() == [["best", "same"]]


def test_one_seed_gives_an_estimate_but_no_p_value():
    one = {name: series[:1] for name, series in VALUES.items()}
    table = compare_variants(of_results(results(one)), HOW, list(VALUES))
    assert table["p_corrected"].map(math.isnan).all()
    assert table["estimate"].iloc[0] == pytest.approx(0.1)


def predictions(best=0, seeds=2, persons=8):
    """Predictions for 24 faces, three per person; seed `best` is the best on val."""
    rng = np.random.default_rng(0)
    chance = {"base": 0.5, "best": 0.9, "same": 0.5}
    rows = [
        (
            "synthetic",
            "person_70_10_20",
            name,
            seed,
            f"i{face}",
            0,
            f"p{face % persons}",
            seed == best,
        )
        for name in chance
        for seed in range(seeds)
        for face in range(24)
    ]
    names = ["dataset", "protocol", "variant", "seed", "image_id", "face", "person", "best"]
    table = pd.DataFrame(rows, columns=names)
    table["correct"] = rng.random(len(table)) < table["variant"].map(chance)
    return table.assign(target="fear", predicted=np.where(table["correct"], "fear", "anger"))


SHARES = {("synthetic", "person_70_10_20"): 0.2}
ALL = replace(HOW, tests=tuple(plugins.names("ferbench.stats.comparisons")))


def evidence(values=VALUES, **changes):
    return replace(Evidence(results(values), predictions(), SHARES), **changes)


def test_every_test_compares_every_pair_and_tests_of_faces_only_accuracy():
    both = pd.concat([results(), results(metric="map50")])
    table = compare_variants(evidence(results=both), ALL, list(VALUES))
    count = table.groupby(["metric", "test"], sort=False).size()
    assert set(count["accuracy"].index) == set(ALL.tests)
    assert set(ALL.tests) - set(count["map50"].index) == {"mcnemar", "cluster_bootstrap"}
    assert (count == 3).all()
    for test in ("primary", "welch", "mcnemar"):
        rows = table[(table["metric"] == "accuracy") & (table["test"] == test)]
        rows = rows[rows["family"] == "control"]
        corrected = plugins.load("ferbench.stats.corrections", "holm")(rows["p_value"])
        assert rows["p_corrected"].to_numpy() == pytest.approx(corrected, nan_ok=True)


def test_paired_tests_use_the_seeds_that_both_variants_have():
    uneven = {"base": [0.6, 0.62, 0.61, 0.64], "best": [0.7, 0.71, 0.72]}
    shuffled = results(uneven).iloc[::-1]
    how = replace(HOW, tests=("welch", "paired_t", "corrected_t"))
    table = compare_variants(evidence(results=shuffled), how, list(uneven)).set_index("test")
    a, b = uneven["base"], uneven["best"]
    assert table.loc["welch", "p_value"] == welch(a, b).p_value
    assert table.loc["paired_t", "p_value"] == paired_t(a[:3], b).p_value
    assert table.loc["corrected_t", "p_value"] == corrected_t(a[:3], b, 0.2).p_value
    assert table["n"].tolist() == [3, 3, 3]


def test_tests_of_faces_pair_the_faces_and_group_them_by_person():
    table = predictions(best=1).sample(frac=1, random_state=0)
    how = replace(HOW, tests=("mcnemar", "cluster_bootstrap"))
    found = compare_variants(evidence(faces=table), how, ["base", "best"]).set_index("test")
    wide = {
        name: predictions(best=1)[lambda t, name=name: t["variant"] == name]
        .pivot(index="image_id", columns="seed", values="correct")
        .astype(float)
        for name in ("base", "best")
    }
    a, b = wide["base"], wide["best"]
    persons = [f"p{int(face[1:]) % 8}" for face in a.index]
    assert found.loc["mcnemar", "p_value"] == mcnemar(a[1], b[1], persons).p_value
    assert found.loc["mcnemar", "estimate"] == pytest.approx((b[1] - a[1]).mean())
    expected = cluster_bootstrap(a.mean(axis=1), b.mean(axis=1), persons)
    row = found.loc["cluster_bootstrap"]
    assert row["statistic"] == pytest.approx(expected.statistic)
    # Persons are drawn by their order, so p agrees only up to Monte Carlo error.
    assert row["p_value"] == pytest.approx(expected.p_value, abs=0.02)
    assert row["n"] == 24


def test_faces_are_grouped_by_image_where_the_person_is_unknown():
    faces = [("a", 0), ("a", 1), ("b", 0), ("c", 0)]
    part = next(evidence(faces=named(faces, None)).parts())
    groups = samples_of(part, "accuracy", "faces_mean").groups
    assert groups["a", 0] == groups["a", 1]
    assert groups.nunique() == 3
    known = next(evidence(faces=named(faces[1:3], ["b", None])).parts())
    assert samples_of(known, "accuracy", "faces_mean").groups.nunique() == 2


def named(faces, persons):
    image_id, face = zip(*faces, strict=True)
    table = predictions().iloc[: len(faces)].assign(image_id=image_id, face=face, best=True)
    return table.assign(person=pd.array(persons or [None] * len(faces), dtype="string"))


def test_best_seeds_with_different_splits_share_few_faces_or_none():
    table = predictions()
    table["best"] = table["seed"] == table["variant"].map({"base": 0, "best": 1, "same": 0})
    table = table[(table["seed"] == 0) == (table["image_id"].str[1:].astype(int) < 12)]
    found = compare_variants(evidence(faces=table), replace(HOW, tests=("mcnemar",)), list(VALUES))
    assert found["n"].tolist() == [0, 12, 0]
    assert found["p_value"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("test", "changes", "stage"),
    [("mcnemar", {"faces": None}, "score"), ("corrected_t", {"test_shares": {}}, "split")],
)
def test_missing_evidence_names_the_stage_that_writes_it(test, changes, stage):
    with pytest.raises(InputError, match=f"stage `{stage}`") as error:
        compare_variants(evidence(**changes), replace(HOW, tests=(test,)), list(VALUES))
    assert "synthetic, person_70_10_20" in str(error.value)


def test_nan_is_not_a_value():
    values = {**VALUES, "same": [math.nan] * 3}
    table = compare_variants(of_results(results(values)), HOW, list(VALUES))
    assert table[["variant_a", "variant_b"]].to_numpy().tolist() == [["base", "best"]]
