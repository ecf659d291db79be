from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.results import COLUMNS, read_results
from ferbench.reporting.sections.leaderboard import leader, over_baselines, significance
from ferbench.reporting.study_files import Comparison, Mean, summarise

BASELINES = {"majority class": 0.3, "1-NN on raw pixels": 0.5}


def mean(variant: str, value: float, half: float, n: int = 3) -> Mean:
    return Mean(
        "d", "p", variant, "accuracy", value, value - half, value + half, 0.01, (value,) * n
    )


def pair(a: str, b: str, estimate: float, p: float) -> Comparison:
    return Comparison(
        "s", "d", "p", a, b, "accuracy", "welch", 3, estimate, 0.0, 0.0, 0.0, p, p, 1.0
    )


def test_variants_are_grouped_by_interval_and_mean_over_the_best_baseline():
    ranked = [mean("best", 0.8, 0.1), mean("maybe", 0.55, 0.1), mean("bad", 0.4, 0.1)]
    text = over_baselines(ranked, BASELINES)
    assert "best naive baseline is 50.0 % (1-NN on raw pixels)" in text
    assert "best is better, with the whole interval above it" in text
    assert "maybe is better on average only" in text
    assert "bad is not better than the naive baseline" in text


@pytest.mark.parametrize("faces", [7, 11, 43, 246, 3549])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_model_that_always_predicts_the_majority_class_equals_that_baseline(
    tmp_path: Path, faces: int, seeds: int
) -> None:
    numbers = range(1, faces, max(1, faces // 25))
    # As stage score writes it: shares to six decimals.
    rows = [
        f"s,d,p,constant_{correct},{seed},test,{metric},{value:.6f},,"
        for correct in numbers
        for seed in range(seeds)
        for metric, value in (("accuracy", correct / faces), ("faces", faces))
    ]
    head = ",".join(COLUMNS)
    (tmp_path / "results.csv").write_text("\n".join([head, *rows]) + "\n")
    means = summarise(read_results(tmp_path / "results.csv"), "student_t")
    accuracies = [one for one in means if one.metric == "accuracy"]
    for one, correct in zip(accuracies, numbers, strict=True):
        text = over_baselines([one], {"majority class": correct / faces})
        assert f"{one.variant} is not better than the naive baseline." in text, faces
        assert f"{one.variant} scores exactly the same as the baseline majority class." in text
        assert "above" not in text


def test_detector_below_the_baseline_is_shown_without_its_threshold_too() -> None:
    ranked = [mean("detector", 0.2, 0.05), mean("other", 0.1, 0.05)]
    text = over_baselines(ranked, BASELINES, {"detector": mean("detector", 0.477, 0.1)}, 0.5)
    assert (
        "detector (at score threshold 0.5; 47.7 % without) and other are not better than the "
        "naive baseline." in text
    )


def test_one_face_more_than_the_baseline_is_better() -> None:
    ranked = [mean("more", 101 / 246, 0.0), mean("same", 100 / 246, 0.0)]
    text = over_baselines(ranked, {"majority class": 100 / 246})
    assert "more is better, with the whole interval above it" in text
    assert "same is not better than the naive baseline" in text


def test_a_significant_difference_of_a_falling_metric_names_the_lower_one_first() -> None:
    falling = dataclasses.replace(pair("a", "b", -0.12, 0.01), metric="ece")
    text = significance([falling], 0.05)
    assert "b over a by 12.0 points" in text


def test_a_significant_difference_names_the_better_one_first():
    pairs = [pair("a", "b", -0.12, 0.01), pair("a", "c", 0.02, 0.4)]
    text = significance(pairs, 0.05)
    assert text.startswith("1 of 2 differences from a control are significant")
    assert "a over b by 12.0 points (p = 0.010)" in text


def test_order_without_significance_may_be_due_to_chance():
    text = significance([pair("a", "b", 0.1, 0.2)], 0.05)
    assert "may be due to chance" in text


def test_single_seed_is_not_tested():
    assert "No difference could be tested" in significance([pair("a", "b", 0.1, math.nan)], 0.05)
    assert "from one seed" in leader([mean("a", 0.8, 0.1, 1)])


def test_undefined_value_leaves_no_mean_and_other_metrics_stay() -> None:
    place = {"dataset": "d", "protocol": "p", "variant": "v", "subset": "test"}
    values = {"auroc_macro": [0.7, float("nan")], "accuracy": [0.5, 0.6]}
    rows = [
        {**place, "seed": seed, "metric": metric, "value": value}
        for metric, series in values.items()
        for seed, value in enumerate(series)
    ]
    means = {m.metric: m for m in summarise(pd.DataFrame(rows), "student_t")}
    assert np.isnan([means["auroc_macro"].mean, means["auroc_macro"].std]).all()
    assert means["accuracy"].mean == pytest.approx(0.55)
