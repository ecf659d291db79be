"""The claims that a study tests: which rows there are, their numbers, and their conditions."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tests.example_study import PROJECT

from ferbench.artifacts.replicates import draw_clusters
from ferbench.config.claims import Claim, load_claims
from ferbench.config.params import RobustnessTest, load_params
from ferbench.stats.claim_estimates import gain_on, has_learned, leak_of, read_costs
from ferbench.stats.claim_rows import OTHER_DATA, judge_claims
from ferbench.stats.claims import size
from ferbench.stats.corrections.holm import holm
from ferbench.stats.evidence import Evidence, clusters_of
from ferbench.stats.primary import primary_difference, primary_interval, primary_score

CLAIMS = load_claims(PROJECT / "studies" / "catalogue" / "claims.yaml")
FIRST, OTHER = (
    load_params(PROJECT / "studies" / f"{name}.yaml") for name in ("ckplus_first", "p1_t3")
)
# By person and by image, with three variants of P1 and two of P0.
PARAMS = dataclasses.replace(FIRST, variants={**OTHER.variants, **FIRST.variants})
PERSON, IMAGE = "person_70_10_20", "stratified_70_10_20"
SKILL = {"vgg_improved": 0.7, "vgg_improved_cbam": 0.7, "ivsa": 0.9, "yolov5s": 0.8,
         "yolov5s_osam": 0.75}  # fmt: skip
SEEDS, FACES = 4, 120


def _faces(rng, protocol, more):
    rows = []
    for variant, skill in SKILL.items():
        for seed in range(SEEDS):
            correct = rng.random(FACES) < skill + more
            rows += [
                ("ckplus", protocol, variant, seed, f"i{f}", 0, f"p{f // 4}",
                 "fear" if f % 2 else "anger", bool(hit))
                for f, hit in enumerate(correct)
            ]  # fmt: skip
    names = ["dataset", "protocol", "variant", "seed", "image_id", "face", "person", "target"]
    table = pd.DataFrame(rows, columns=[*names, "correct"])
    wrong = table["target"].map({"fear": "anger", "anger": "disgust"})
    return table.assign(predicted=table["target"].where(table["correct"], wrong), best=True)


@pytest.fixture(scope="module")
def evidence():
    rng = np.random.default_rng(0)
    faces = pd.concat([_faces(rng, PERSON, 0.0), _faces(rng, IMAGE, 0.08)], ignore_index=True)
    names = ["dataset", "protocol", "variant", "seed"]
    scores = faces.groupby(names, sort=False)["correct"].mean().rename("value").reset_index()
    results = scores.assign(
        study="ckplus_first", subset="test", metric="accuracy", robustness="", condition=""
    )
    return Evidence(results, faces, {}, {("ckplus", PERSON)})


@pytest.fixture(scope="module")
def rows(evidence):
    return judge_claims(PARAMS, evidence, CLAIMS, {})


def _row(rows, claim, protocol=PERSON, **cells):
    wanted = {"claim": claim, "protocol": protocol, **cells}
    (row,) = [r for r in rows if all(getattr(r, k) == v for k, v in wanted.items())]
    return row


def test_rows_are_the_claims_whose_variants_the_study_has(rows):
    with_both = {"p0_osam_yolov5s", "p1_sab", "p1_cbam", "p1_sab_cbam", "field_leak"}
    assert {row.claim for row in rows} == with_both
    assert len([row for row in rows if row.claim == "p1_sab"]) == 2  # one a protocol
    assert len([row for row in rows if row.claim == "field_leak"]) == len(SKILL)


def test_a_row_has_the_primary_estimate_and_the_printed_gain(rows, evidence):
    row = _row(rows, "p1_sab")
    part = next(p for p in evidence.parts() if p.place["protocol"] == PERSON)
    found = primary_difference(part, "accuracy", "vgg_improved", "ivsa")
    assert (row.estimate, row.low, row.high) == (found.estimate, found.low, found.high)
    assert row.estimate == pytest.approx(0.2, abs=0.05)
    assert (row.source, row.printed, row.tables) == ("ckplus", 0.0249, "T2")
    assert (row.n_seeds, row.n_faces, row.n_clusters, row.cluster) == (SEEDS, FACES, 30, "person")
    (claim,) = (c for c in CLAIMS if (c.id, c.dataset) == ("p1_sab", "ckplus"))
    assert (row.direction, row.size) == ("confirmed", size(found, claim))


def test_p_values_are_corrected_over_the_claims_of_a_data_set_and_protocol(rows):
    family = [r for r in rows if r.protocol == PERSON and r.metric == "accuracy"]
    assert len(family) == 4
    expected = holm([row.p_value for row in family])
    assert [row.p_corrected for row in family] == pytest.approx(expected)
    leaks = [row for row in rows if row.claim == "field_leak"]
    assert [r.p_corrected for r in leaks] == pytest.approx(holm([r.p_value for r in leaks]))


def test_one_test_in_two_claims_counts_once(evidence):
    twice = [*CLAIMS, dataclasses.replace(CLAIMS[0], id="again", a="ivsa", b="vgg_improved",
                                          dataset="ckplus")]  # fmt: skip
    rows = judge_claims(PARAMS, evidence, twice, {})
    assert _row(rows, "again").p_corrected == _row(rows, "p1_sab").p_corrected
    before = judge_claims(PARAMS, evidence, CLAIMS, {})
    assert _row(rows, "p1_sab").p_corrected == _row(before, "p1_sab").p_corrected


def test_a_claim_about_other_data_is_tested_and_says_so(rows):
    row = _row(rows, "p1_cbam")
    assert (row.source, row.size) == ("", "not printed")
    assert math.isnan(row.printed)
    assert OTHER_DATA in row.conditions
    assert OTHER_DATA not in _row(rows, "p1_sab").conditions


def test_the_sign_is_the_printed_one(rows):
    row = _row(rows, "p0_osam_yolov5s")
    assert row.printed < 0 and row.estimate < 0
    assert row.direction in ("confirmed", "undecided")
    assert "the printed numbers are against the claim's sentence" in row.conditions


def test_conditions_name_split_recipe_and_test_part(rows):
    conditions = _row(rows, "p1_sab").conditions.split("; ")
    assert f"protocol {PERSON}" in conditions
    assert "the paper's split is p1_60_20_20" in conditions
    assert "every seed has its own split" in conditions
    assert "the paper's test part has 119 images" in conditions
    assert any(text.startswith("differs from the paper: ") for text in conditions)
    assert _row(rows, "p1_sab").recipe == "reduced"
    assert "one split for all seeds" in _row(rows, "p1_sab", IMAGE).conditions


def test_conditions_say_that_two_networks_have_different_recipes(evidence, rows):
    words = "A and B are trained by different recipes"
    assert words not in _row(rows, "p1_sab").conditions
    other = dataclasses.replace(PARAMS.variants["ivsa"], recipe="other")
    params = dataclasses.replace(
        PARAMS,
        variants={**PARAMS.variants, "ivsa": other},
        recipes={**PARAMS.recipes, "other": PARAMS.recipe_of("ivsa")},
    )
    changed = judge_claims(params, evidence, CLAIMS, {})
    assert words in _row(changed, "p1_sab").conditions
    leak = _row(changed, "field_leak", f"{IMAGE} over {PERSON}", variant_a="ivsa")
    assert words not in leak.conditions
    assert "differs from the paper" in leak.conditions


def test_a_leak_is_the_score_by_image_over_that_by_person(rows, evidence):
    row = _row(rows, "field_leak", f"{IMAGE} over {PERSON}", variant_a="ivsa")
    by = {part.place["protocol"]: part for part in evidence.parts()}
    first, second = (primary_score(by[name], "accuracy", "ivsa") for name in (IMAGE, PERSON))
    assert row.estimate == pytest.approx(first.estimate - second.estimate)
    error2 = first.error**2 + second.error**2
    df2 = error2**2 / (first.error**4 / first.df + second.error**4 / second.df)
    assert row.high - row.estimate == pytest.approx(stats.t.ppf(0.975, df2) * math.sqrt(error2))
    assert (row.variant_b, row.size) == ("ivsa", "not printed")


def test_one_seed_is_undecided_everywhere(evidence):
    one = Evidence(
        evidence.results[evidence.results["seed"] == 0],
        evidence.faces[evidence.faces["seed"] == 0],
        {},
    )
    rows = judge_claims(PARAMS, one, CLAIMS, {})
    assert {row.direction for row in rows} == {"undecided, one seed"}
    assert {row.decided_by for row in rows} == {"at least 2 seeds"}
    assert {row.size for row in rows} == {"undecided, one seed", "not printed"}
    parts = {part.place["protocol"]: part for part in one.parts()}
    assert math.isnan(leak_of(parts[IMAGE], parts[PERSON], "accuracy", "ivsa").low)


def _claim(**changes):
    base = Claim(id="own", paper="own", tables=(), sentence="x", dataset="ckplus",
                 metric="accuracy", a="ivsa", b="vgg_improved")  # fmt: skip
    return dataclasses.replace(base, **changes)


def test_confusions_are_counted_on_the_faces_of_the_first_emotion(evidence):
    claim = _claim(metric="confused:fear:anger", better="lower")
    row = _row(judge_claims(PARAMS, evidence, [claim], {}), "own")
    faces = evidence.faces[evidence.faces["protocol"] == PERSON]
    fear = faces[faces["target"] == "fear"]
    share = (fear["predicted"] == "anger").groupby(fear["variant"]).mean()
    assert row.estimate == pytest.approx(share["ivsa"] - share["vgg_improved"])
    assert (row.direction, row.n_faces) == ("confirmed", FACES // 2)


@pytest.fixture
def degraded(evidence):
    """The study with degraded images, which cost ivsa less than vgg_improved."""
    rng = np.random.default_rng(1)
    cost = {"ivsa": 0.05, "vgg_improved": 0.2}
    own = evidence.results[evidence.results["variant"].isin(cost)]
    value = own["value"] - own["variant"].map(cost) + rng.normal(0, 0.005, len(own))
    more = own.assign(subset="deg_medium", value=value, robustness="deg", condition="medium")
    results = pd.concat([evidence.results, more], ignore_index=True)
    test = RobustnessTest(kind="degraded", options={"severity": "medium"})
    params = dataclasses.replace(PARAMS, robustness={"deg": test})
    return params, Evidence(results, evidence.faces, {})


def test_losses_on_altered_images_are_compared_seed_by_seed(degraded):
    params, evidence = degraded
    claim = _claim(kind="loses_less", robustness="degraded:medium", gain=0.009)
    row = _row(judge_claims(params, evidence, [claim], {}), "own")
    wide = evidence.results[evidence.results["protocol"] == PERSON].pivot(
        index="seed", columns=["variant", "subset"], values="value"
    )
    change = {v: wide[v]["deg_medium"] - wide[v]["test"] for v in ("ivsa", "vgg_improved")}
    expected = primary_interval((change["ivsa"] - change["vgg_improved"]).to_numpy(), math.nan, 0)
    assert (row.estimate, row.low) == pytest.approx((expected.estimate, expected.low))
    assert row.direction == "confirmed"
    assert "the interval is over seeds only" in row.conditions
    assert "altered test images: degraded medium" in row.conditions


def test_gains_and_thresholds_on_altered_images(degraded):
    params, evidence = degraded
    claims = [
        _claim(robustness="degraded:medium"),
        _claim(id="high", kind="threshold", b=None, threshold=0.5, robustness="degraded:medium"),
        _claim(id="none", robustness="degraded:strong"),
    ]
    rows = judge_claims(params, evidence, claims, {})
    own = evidence.results.query("subset == 'deg_medium' and protocol == @PERSON")
    mean = own.groupby("variant")["value"].mean()
    assert _row(rows, "own").estimate == pytest.approx(mean["ivsa"] - mean["vgg_improved"])
    high = _row(rows, "high")
    assert (high.estimate, high.direction) == (pytest.approx(mean["ivsa"] - 0.5), "confirmed")
    assert high.variant_b == ""
    assert not [row for row in rows if row.claim == "none"]


def test_a_papers_threshold_is_undecided_under_a_reduced_recipe(degraded):
    params, evidence = degraded
    claim = _claim(
        kind="threshold", a="vgg_improved", b=None, threshold=0.3,
        robustness="degraded:medium", tables=("F3",),
    )  # fmt: skip
    row = _row(judge_claims(params, evidence, [claim], {}), "own")
    assert (row.recipe, row.direction) == ("reduced", "undecided")
    assert row.decided_by.startswith("the paper's recipe")
    whole = dataclasses.replace(params, recipes=OTHER.recipes)
    row = _row(judge_claims(whole, evidence, [claim], {}), "own")
    assert (row.recipe, row.direction) == ("paper", "confirmed")


def _blind(evidence, variants):
    """The evidence with variants that answer "fear" to every face, half of which show it."""
    faces = evidence.faces.copy()
    blind = faces["variant"].isin(variants)
    faces.loc[blind, "predicted"] = "fear"
    faces["correct"] = faces["correct"].where(~blind, faces["target"] == "fear")
    names = ["dataset", "protocol", "variant", "seed"]
    means = faces.groupby(names)["correct"].mean().rename("value").reset_index()
    results = evidence.results.drop(columns="value").merge(means, on=names)
    return dataclasses.replace(evidence, faces=faces, results=results)


def test_networks_that_have_learned_nothing_decide_no_claim(evidence):
    claims = [_claim(), _claim(id="fear", metric="recall:fear", gain=0.1)]
    for blind, learned in [(["ivsa", "vgg_improved"], False), (["ivsa"], True)]:
        found = _blind(evidence, blind)
        (part,) = [one for one in found.parts() if one.place["protocol"] == PERSON]
        assert not has_learned(part, "ivsa")
        assert has_learned(part, "vgg_improved") is learned
        rows = judge_claims(PARAMS, found, claims, {})
        verdicts = {row.direction for row in rows if row.protocol == PERSON}
        if learned:
            assert verdicts == {"confirmed", "contradicted"}
        else:
            assert verdicts == {"undecided"}
            assert _row(rows, "own").decided_by == "networks that are above the majority class"
            assert _row(rows, "fear").size == "not comparable"


@pytest.fixture
def resampled_degraded(degraded):
    """The same with replicates of the altered images, whose persons lose differently."""
    params, evidence = degraded
    clusters = draw_clusters(pd.Series([f"person p{n}" for n in range(FACES // 4)]))
    person = np.random.default_rng(2).normal(0, 0.1, (2, FACES // 4))  # by variant
    shares = clusters.weights / clusters.weights.sum(axis=1, keepdims=True)
    rows = evidence.results[evidence.results["robustness"] == "deg"]
    tables = []
    for row in rows.to_dict("records"):
        own = person[int(row["variant"] == "ivsa")]
        values = row["value"] + shares @ (own - own.mean())
        about = {name: row[name] for name in row if name not in ("study", "value")}
        tables.append(pd.DataFrame({**about, "replicate": range(len(values)), "value": values}))
    table = pd.concat(tables, ignore_index=True)
    sizes = {"clusters": FACES // 4, "faces": FACES, "cluster": "person"}
    return params, dataclasses.replace(evidence, replicates=table.assign(**sizes)), person


def test_gains_on_altered_images_count_the_test_faces(resampled_degraded):
    params, evidence, person = resampled_degraded
    claim = _claim(robustness="degraded:medium")
    row = _row(judge_claims(params, evidence, [claim], {}), "own")
    before = dataclasses.replace(evidence, replicates=None)
    alone = _row(judge_claims(params, before, [claim], {}), "own")
    assert row.estimate == pytest.approx(alone.estimate)
    assert "the interval is over seeds only" in alone.conditions
    assert "the interval is over seeds only" not in row.conditions
    assert (row.n_faces, row.n_clusters, row.cluster) == (FACES, FACES // 4, "person")
    # The variance of a mean of 30 persons, whose replicates are one of 200 draws.
    part = next(p for p in evidence.parts() if p.place["protocol"] == PERSON)
    found = gain_on(claim, part, evidence, params)
    expected = (person[1] - person[0]).var(ddof=1) / (FACES // 4)
    assert found.v_test == pytest.approx(expected, rel=0.3)
    assert found.error > gain_on(claim, part, before, params).error


def test_losses_are_paired_replicate_by_replicate_with_test_as_it_is(resampled_degraded):
    params, evidence, _ = resampled_degraded
    claim = _claim(kind="loses_less", robustness="degraded:medium")
    part = next(p for p in evidence.parts() if p.place["protocol"] == IMAGE)
    found = gain_on(claim, part, evidence, params)
    assert not found.seeds_only
    table = evidence.replicates.query("protocol == @IMAGE")
    after = table.pivot(index="replicate", columns=["variant", "seed"], values="value")
    # Accuracy on resampled persons, by the definition, from the same draws.
    draws = draw_clusters(clusters_of(part))
    faces = part.faces.assign(cluster="person " + part.faces["person"])
    right = faces.groupby(["cluster", "variant", "seed"])["correct"].sum().unstack([1, 2])
    before = pd.DataFrame(draws.weights @ right.loc[draws.names].to_numpy(), columns=right.columns)
    before = before.div(draws.weights.sum(axis=1) * 4, axis=0)
    change = (after["ivsa"] - before["ivsa"]) - (after["vgg_improved"] - before["vgg_improved"])
    assert found.estimate == pytest.approx(change.loc[0].mean())
    assert found.v_test == pytest.approx(change.loc[1:].mean(axis=1).var(ddof=1) * 30 / 29)
    # The same predictions with and without altering lose nothing, whoever is drawn.
    same = [
        before[variant].rename_axis(index="replicate").melt(ignore_index=False).reset_index()
        .assign(variant=variant) for variant in ("ivsa", "vgg_improved")
    ]  # fmt: skip
    about = evidence.replicates.iloc[[0]].drop(columns=["variant", "seed", "replicate", "value"])
    idle = pd.concat(same).merge(about.assign(protocol=IMAGE), how="cross")
    nothing = gain_on(claim, part, dataclasses.replace(evidence, replicates=idle), params)
    assert (nothing.estimate, nothing.v_test) == pytest.approx((0.0, 0.0), abs=1e-12)


def test_ratios_of_costs_are_counted_or_timed():
    params = dataclasses.replace(
        PARAMS,
        variants={name: PARAMS.variants["yolov5s"] for name in ("yolo_fer", "yolo12n", "yolo11n")},
    )
    size, speed = {"yolo_fer": 3.0, "yolo12n": 2.5, "yolo11n": 2.5}, (90.0, 100.0, 110.0)
    costs = {n: {"params_m": (v, v, v), "fps": speed} for n, v in size.items()}
    empty = Evidence(pd.DataFrame(columns=["study", "dataset", "protocol", "subset"]), None, {})
    rows = judge_claims(params, empty, [c for c in CLAIMS if c.id == "p2_cost"], costs)
    assert len(rows) == 4  # GFLOPs are missing
    by = {(row.variant_a, row.metric): row for row in rows}
    size_row, speed_row = by["yolo_fer", "params_m"], by["yolo_fer", "fps"]
    assert (size_row.estimate, size_row.direction, size_row.size) == (
        pytest.approx(1.2), "confirmed", "compatible")  # fmt: skip
    assert (speed_row.low, speed_row.high) == pytest.approx((90 / 110, 110 / 90))
    assert (speed_row.direction, speed_row.decided_by) == ("undecided", "more repeats")
    assert by["yolo11n", "params_m"].direction == "no difference"
    assert by["yolo11n", "params_m"].size == "compatible"  # 2.55 / 2.55 may print as 2.6 / 2.5


@pytest.mark.parametrize(
    ("papers", "metrics"),
    [(64, ["params_m", "gflops", "fps"]), (640, ["params_m"])],
)
def test_operations_and_speed_at_another_input_size_are_not_the_papers_claim(papers, metrics):
    names, row = ("yolo_fer", "yolo12n"), PARAMS.variants["yolov5s"]
    recipe = PARAMS.recipes[row.recipe]
    recipe = dataclasses.replace(recipe, input_px=64, paper={**recipe.paper, "input_px": papers})
    params = dataclasses.replace(
        PARAMS, variants=dict.fromkeys(names, row), recipes={row.recipe: recipe}
    )
    costs = {n: {m: (1.0, 1.0, 1.0) for m in ("params_m", "gflops", "fps")} for n in names}
    empty = Evidence(pd.DataFrame(columns=["study", "dataset", "protocol", "subset"]), None, {})
    found = judge_claims(params, empty, [c for c in CLAIMS if c.id == "p2_cost"], costs)
    assert [row.metric for row in found] == metrics


def test_costs_are_read_from_descriptions_and_timings(tmp_path):
    from ferbench.files import write_json

    params = dataclasses.replace(
        PARAMS, variants={"ivsa": PARAMS.variants["ivsa"]}, latency={"many": None, "one": None}
    )
    name = params.study.name
    description = {"params_deployed": 2_500_000, "gflops": 5.8}
    write_json(tmp_path / "reports" / name / "variants" / "ivsa.json", description)
    assert read_costs(params, tmp_path) == {
        "ivsa": {"params_m": (2.5, 2.5, 2.5), "gflops": (5.8, 5.8, 5.8)}
    }
    timing = {"forward_ms": 4.0, "forward_ms_low": 2.0, "forward_ms_high": 5.0, "batch": 8}
    write_json(tmp_path / "runs" / name / "_latency" / "one" / "ivsa.json", timing)
    assert read_costs(params, tmp_path)["ivsa"]["fps"] == (200.0, 250.0, 500.0)
