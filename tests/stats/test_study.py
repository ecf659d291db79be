"""Tables of ranks and of minimum detectable differences, and the files of a study."""

import math
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.example_study import example_params
from tests.run_records import split_summary

from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.replicates import write_replicates
from ferbench.config.params import Compare
from ferbench.errors import InputError
from ferbench.files import write_json
from ferbench.stats.effects import detectable, detectable_t
from ferbench.stats.evidence import Evidence, clusters_of, read_evidence
from ferbench.stats.power import POWER_COLUMNS, detectable_differences
from ferbench.stats.study import (
    CONTROL,
    OMNIBUS_COLUMNS,
    RANK_COLUMNS,
    compare_study,
    compare_variants,
    rank_variants,
    write_tables,
)

HOW = Compare(
    metrics=("accuracy",),
    tests=("primary", "welch", "paired_t", "mcnemar", "wilcoxon", "cluster_bootstrap"),
    omnibus=("friedman", "nemenyi"),
    correction="holm",
    alpha=0.05,
)
NAMES = ["x", "y", "z"]


def results(datasets=("one",), seeds=4, metric="accuracy"):
    """x is always best and z always worst."""
    rng = np.random.default_rng(0)
    rows = [
        ("demo", data, "strat", name, seed, "test", metric, 0.9 - 0.1 * rank + 0.02 * rng.random())
        for data in datasets
        for rank, name in enumerate(NAMES)
        for seed in range(seeds)
    ]
    names = ["study", "dataset", "protocol", "variant", "seed", "subset", "metric", "value"]
    return pd.DataFrame(rows, columns=names)


def predictions(seeds=4, faces=40):
    rows = [("one", "strat", v, s, f"i{f}", 0, None, s == 0) for v in NAMES for s in range(seeds)
            for f in range(faces)]  # fmt: skip
    names = ["dataset", "protocol", "variant", "seed", "image_id", "face", "person", "best"]
    table = pd.DataFrame(rows, columns=names)
    correct = np.random.default_rng(1).random(len(table)) < 0.7
    return table.assign(
        target="anger", predicted=np.where(correct, "anger", "fear"), correct=correct
    )


def evidence(table=None, **more):
    return Evidence(
        results() if table is None else table, predictions(**more), {("one", "strat"): 0.2}
    )


def test_ranks_count_blocks_and_put_the_best_first():
    omnibus, ranks = rank_variants(evidence(), HOW, NAMES)
    assert tuple(omnibus.columns) == OMNIBUS_COLUMNS
    assert tuple(ranks.columns) == RANK_COLUMNS
    assert omnibus["test"].tolist() == ["friedman", "nemenyi"]
    assert omnibus[["blocks", "variants"]].to_numpy().tolist() == [[4, 3], [4, 3]]
    # Four blocks of one order: chi2 = N (k - 1).
    assert omnibus["statistic"].iloc[0] == pytest.approx(8)
    assert omnibus["critical_difference"].iloc[1] == pytest.approx(
        2.343 * (12 / 24) ** 0.5, abs=2e-3
    )
    of = ranks[ranks["test"] == "friedman"].set_index("variant")["mean_rank"]
    assert of.to_dict() == {"x": 1, "y": 2, "z": 3}


def test_falling_metrics_rank_the_smallest_value_first():
    _, ranks = rank_variants(evidence(), HOW, NAMES, falling=["accuracy"])
    assert ranks.set_index("variant").loc["z", "mean_rank"].tolist() == [1, 1]


def test_several_data_sets_add_a_row_for_all():
    omnibus, ranks = rank_variants(evidence(results(("one", "two"))), HOW, NAMES)
    friedman = omnibus[omnibus["test"] == "friedman"].set_index("dataset")
    assert friedman["blocks"].to_dict() == {"one": 4, "two": 4, "all": 8}
    assert friedman.loc["all", "protocol"] == "all"
    assert friedman.loc["all", "statistic"] == pytest.approx(16)
    assert (ranks["dataset"] == "all").sum() == 6


def test_blocks_hold_only_seeds_of_all_variants():
    table = results(("one", "two"))
    gone = (table["dataset"] == "one") & (table["variant"] == "y") & (table["seed"] == 3)
    never = (table["dataset"] == "two") & (table["variant"] == "z")
    omnibus, _ = rank_variants(evidence(table[~gone & ~never]), HOW, NAMES)
    sizes = omnibus[omnibus["test"] == "nemenyi"].set_index("dataset")[["blocks", "variants"]]
    assert sizes.T.to_dict("list") == {"one": [3, 3], "two": [4, 2], "all": [7, 2]}


def test_a_data_set_under_two_protocols_counts_once_among_all():
    by_person = results(("one",)).assign(protocol="person")
    omnibus, _ = rank_variants(evidence(pd.concat([results(("one",)), by_person])), HOW, NAMES)
    assert set(omnibus["dataset"]) == {"one"}
    other = pd.concat([results(("one",)), by_person, results(("two",))])
    omnibus, _ = rank_variants(evidence(other), HOW, NAMES)
    assert omnibus.loc[omnibus["dataset"] == "all", "blocks"].tolist() == [8, 8]


def power(found, order=NAMES):
    """Comparisons and minimum differences of a study whose control is its first variant."""
    # Only of these is a minimum difference known; the others take seconds.
    how = replace(HOW, tests=("primary", "welch", "paired_t", "mcnemar"))
    pairs = compare_variants(found, how, order)
    pairs = pairs[pairs["family"] == CONTROL]
    return pairs, detectable_differences(found, pairs, HOW.alpha)


def test_detectable_difference_uses_the_spread_of_the_pair_and_holms_first_level():
    found = evidence()
    pairs, table = power(found)
    assert tuple(table.columns) == POWER_COLUMNS
    assert table["test"].unique().tolist() == ["primary", "welch", "paired_t", "mcnemar"]
    assert table["variant_a"].unique().tolist() == ["x"]
    assert (table["alpha"] == 0.025).all()
    assert (table["power"] == 0.8).all()
    of = table[table["variant_b"] == "z"].set_index("test")
    wide = found.results.pivot(index="seed", columns="variant", values="value")
    x, z = wide["x"], wide["z"]
    pooled = math.sqrt((x.var() + z.var()) / 2)
    assert of.loc["welch", "spread"] == pytest.approx(pooled)
    df = (x.var() / 4 + z.var() / 4) ** 2 / ((x.var() / 4) ** 2 / 3 + (z.var() / 4) ** 2 / 3)
    expected = detectable_t(pooled * math.sqrt(2 / 4), df, 0.025)
    assert of.loc["welch", "detectable"] == pytest.approx(expected)
    assert of.loc["paired_t", "spread"] == pytest.approx((z - x).std())
    assert of.loc["paired_t", "detectable"] == pytest.approx(
        detectable("pairs", 4, (z - x).std(), 0.025)
    )
    best = found.faces[found.faces["best"]].pivot(
        index="image_id", columns="variant", values="correct"
    )
    unlike = (best["x"] != best["z"]).mean()
    assert of.loc["mcnemar", "spread"] == pytest.approx(math.sqrt(unlike))
    assert of["n"].to_dict() == {"primary": 4, "welch": 4, "paired_t": 4, "mcnemar": 40}
    row = pairs[(pairs["test"] == "primary") & (pairs["variant_b"] == "z")].iloc[0]
    assert of.loc["primary", "error"] == pytest.approx(row["estimate"] / row["statistic"])
    half = stats.t.ppf(0.975, of.loc["primary", "df"]) * of.loc["primary", "error"]
    assert row["high"] - row["estimate"] == pytest.approx(half)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(20))
def test_a_difference_beyond_the_detectable_one_is_significant(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    table = results(seeds=n)
    table["value"] = rng.normal(0.5, rng.choice([0.01, 0.1], len(table)))
    pairs, least = power(evidence(table, seeds=n))
    on = ["variant_a", "variant_b", "test"]
    both = pairs.merge(least[[*on, "detectable"]], on=on)
    beyond = both["estimate"].abs() >= both["detectable"]
    assert (both.loc[beyond, "p_corrected"] <= HOW.alpha).all()


def test_one_seed_detects_nothing():
    _, table = power(evidence(results(seeds=1), seeds=1))
    known = table.groupby("test")["detectable"].count().to_dict()
    assert known == {"primary": 0, "welch": 0, "paired_t": 0, "mcnemar": 2}


def test_detectable_difference_is_found_with_a_power_of_80_percent():
    rng = np.random.default_rng(0)
    d = detectable("two_samples", 5, 1.0, 0.05)
    a, b = rng.normal(size=(2, 4000, 5))
    assert (stats.ttest_ind(a, b + d, axis=1).pvalue <= 0.05).mean() == pytest.approx(
        0.8, abs=0.025
    )
    d = detectable("pairs", 5, 1.0, 0.05)
    assert (stats.ttest_1samp(a + d, 0, axis=1).pvalue <= 0.05).mean() == pytest.approx(
        0.8, abs=0.025
    )
    n, share = 1000, 0.2
    d = detectable("discordant", n, share**0.5, 0.05)
    counts = rng.multinomial(n, [(share + d) / 2, (share - d) / 2, 1 - share], size=4000)
    z = (counts[:, 0] - counts[:, 1]) / np.sqrt(counts[:, :2].sum(axis=1))
    assert (np.abs(z) >= 1.959964).mean() == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize("df", [1, 2, 4.5, 30])
@pytest.mark.parametrize("alpha", [0.05, 0.0025])
def test_detectable_t_has_a_power_of_80_percent(df, alpha):
    d = detectable_t(2.0, df, alpha)
    rng = np.random.default_rng(0)
    t = (rng.normal(size=40_000) * 2 + d) / (2 * np.sqrt(rng.chisquare(df, 40_000) / df))
    assert (np.abs(t) >= stats.t.ppf(1 - alpha / 2, df)).mean() == pytest.approx(0.8, abs=0.01)
    assert math.isnan(detectable_t(0.0, df, alpha))


def test_few_discordant_faces_detect_nothing_and_an_unknown_formula_is_refused():
    assert math.isnan(detectable("discordant", 100, 0.03**0.5, 0.05))
    assert math.isnan(detectable("discordant", 2, 0.5, 0.05))
    assert math.isnan(detectable("pairs", 5, math.nan, 0.05))
    with pytest.raises(ValueError, match="no formula"):
        detectable("none", 5, 1.0, 0.05)


def test_study_writes_four_tables_that_keep_their_columns_when_empty(tmp_path):
    how = replace(HOW, metrics=("map50",))
    write_tables(compare_study(evidence(), how, NAMES), tmp_path)
    for name, columns in (
        ("omnibus", OMNIBUS_COLUMNS), ("ranks", RANK_COLUMNS), ("power", POWER_COLUMNS)
    ):  # fmt: skip
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert table.empty
        assert tuple(table.columns) == columns
    write_tables(compare_study(evidence(), HOW, NAMES), tmp_path)
    assert len(pd.read_csv(tmp_path / "comparisons.csv")) == 18
    assert len(pd.read_csv(tmp_path / "ranks.csv")) == 6


def test_evidence_is_read_from_the_files_of_the_stages(tmp_path):
    params = example_params()
    key, row = next(iter(params.datasets.items()))
    folder = tmp_path / "reports" / params.study.name
    with pytest.raises(InputError, match=r"results\.csv.*no results"):
        read_evidence(params, tmp_path)
    place = {"dataset": row.name, "protocol": row.protocol}
    write_tables({"results": results().assign(**place, robustness="", condition="")}, folder)
    bare = read_evidence(params, tmp_path)
    assert (bare.faces, bare.test_shares) == (None, {})
    summary = split_summary(images={"train": 80, "val": 5, "test": 20}, redrawn=True)
    write_json(DatasetPaths(key, tmp_path).split_summary, asdict(summary))
    table = predictions().assign(dataset=row.name, protocol=row.protocol, leaked=False)
    table.to_parquet(folder / "faces.parquet")
    (part,) = read_evidence(params, tmp_path).parts()
    assert part.test_share == 0.25
    assert part.redrawn
    assert part.faces is not None
    assert len(part.faces) == len(table)
    assert part.place == {"study": "demo", "dataset": row.name, "protocol": row.protocol}
    # As of a study that was scored before sequences and replicates were written.
    assert "sequence" not in part.faces
    assert part.replicates is None


def test_sequences_and_replicates_are_read_where_there_are_any(tmp_path):
    params = example_params()
    row = next(iter(params.datasets.values()))
    folder = tmp_path / "reports" / params.study.name
    place = {"dataset": row.name, "protocol": row.protocol}
    write_tables({"results": results().assign(**place, robustness="", condition="")}, folder)
    table = predictions().assign(**place)
    unknown = table.assign(person=None, sequence="s" + table["image_id"].str[-1])
    unknown.to_parquet(folder / "faces.parquet")
    about = {**place, "variant": "a", "seed": 0, "metric": "map50", "replicate": 0, "value": 0.5}
    sizes = {"clusters": 2, "faces": 4, "cluster": "sequence"}
    named = ("subset", "robustness", "condition")
    subsets = (("test", "", ""), ("blur_mild", "blur", "mild"))
    replicates = pd.DataFrame(
        [{**about, **sizes, **dict(zip(named, subset, strict=True))} for subset in subsets]
    )
    write_replicates(folder / "replicates.parquet", replicates)
    evidence = read_evidence(params, tmp_path)
    (part,) = evidence.parts()
    assert set(clusters_of(part)) == {f"sequence s{digit}" for digit in range(10)}
    assert part.replicates["subset"].tolist() == ["test"]
    altered = evidence.altered(part, "blur", "mild")
    assert altered.replicates["subset"].tolist() == ["blur_mild"]
    assert (altered.faces, len(altered.results)) == (None, 0)
