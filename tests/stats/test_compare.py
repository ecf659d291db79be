import math

import pandas as pd
import pytest

from ferbench.params import Compare
from ferbench.stats.compare import COLUMNS, compare_variants
from ferbench.stats.comparisons.welch import welch

HOW = Compare(metrics=("accuracy", "map50"), tests=("welch",), correction="holm", alpha=0.05)
VALUES = {"base": [0.6, 0.62, 0.61], "best": [0.7, 0.72, 0.71], "same": [0.6, 0.63, 0.6]}


def results(values=VALUES, metric="accuracy", subset="test"):
    rows = [
        ("demo", "synthetic", "person_70_10_20", name, seed, subset, metric, value)
        for name, series in values.items()
        for seed, value in enumerate(series)
    ]
    names = ["study", "dataset", "protocol", "variant", "seed", "subset", "metric", "value"]
    return pd.DataFrame(rows, columns=names)


def test_every_pair_is_compared_once_with_the_baseline_as_a():
    table = compare_variants(results(), HOW, ["base", "best", "same"])
    assert list(table.columns) == list(COLUMNS)
    pairs = list(zip(table["variant_a"], table["variant_b"], strict=True))
    assert pairs == [("base", "best"), ("base", "same"), ("best", "same")]
    row = table.iloc[0]
    assert row["estimate"] == pytest.approx(0.1)
    assert row["p_value"] == welch(VALUES["base"], VALUES["best"]).p_value
    assert row["n"] == 3


def test_the_correction_is_over_the_pairs_of_one_table():
    table = compare_variants(results(), HOW, ["base", "best", "same"])
    smallest = table.loc[table["p_value"].idxmin()]
    assert smallest["p_corrected"] == pytest.approx(3 * smallest["p_value"])


def test_validation_results_are_not_compared():
    table = compare_variants(
        pd.concat([results(), results({"base": [0.1, 0.2], "best": [0.1, 0.2]}, subset="val")]),
        HOW,
        ["base", "best"],
    )
    assert table["n"].tolist() == [3]


def test_a_metric_that_a_variant_lacks_makes_no_pair():
    boxes = results({"best": VALUES["best"], "same": VALUES["same"]}, metric="map50")
    table = compare_variants(pd.concat([results(), boxes]), HOW, ["base", "best", "same"])
    of_boxes = table[table["metric"] == "map50"]
    assert of_boxes[["variant_a", "variant_b"]].to_numpy().tolist() == [["best", "same"]]


def test_one_seed_gives_an_estimate_without_a_verdict():
    one = {name: series[:1] for name, series in VALUES.items()}
    table = compare_variants(results(one), HOW, list(VALUES))
    assert table["p_corrected"].map(math.isnan).all()
    assert table["estimate"].iloc[0] == pytest.approx(0.1)
