"""Judgements against scikit-learn, formulas by hand, and what is known of equal models."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score
from tests.external.judged_data import (
    CLASSES,
    PROTOCOL,
    TEST,
    file_of,
    make_run,
    make_truth,
    predictions,
)

from ferbench.artifacts.results import COLUMNS
from ferbench.errors import InputError
from ferbench.external.judge import METRICS, judge
from ferbench.external.judged_page import judged_page, summary_words
from ferbench.external.predictions import JudgedRun
from ferbench.external.rivals import Rivals, face_rows, find_rivals
from ferbench.external.truth import Truth
from ferbench.reporting.printed import SOURCES, printed_values


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return make_truth(tmp_path_factory.mktemp("truth"))


@pytest.fixture(autouse=True, scope="module")
def few_metrics() -> Iterator[None]:
    """Resampling all metrics takes most of the time; one test is about them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ferbench.external.judge.METRICS", ("accuracy", "f1_macro"))
        yield


def judged(truth: Truth, *runs: JudgedRun, rivals: Rivals | None = None) -> dict[str, Any]:
    return judge(truth, [file_of(*runs)], runs, rivals or Rivals())


@pytest.fixture(scope="module")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three seeds each of a model with some 20 errors in 60, and of one with some 6, on CK+."""
    truth = make_truth(tmp_path_factory.mktemp("ckplus"), dataset="ckplus")
    weak = [make_run(truth, "weak", 20 + seed, seed) for seed in range(3)]
    return judged(truth, *weak, *(make_run(truth, "strong", 6 + s, 10 + s) for s in range(3)))


def decided(report: dict[str, Any], metric: str = "accuracy") -> list[dict[str, Any]]:
    rows = report["comparisons"]
    return [row for row in rows if row["verdict"] and row["metric"] == metric]


def test_scores_of_one_run_are_those_of_scikit_learn(truth, monkeypatch):
    monkeypatch.setattr("ferbench.external.judge.METRICS", METRICS)
    table = predictions(truth, 13)
    metrics = judged(truth, JudgedRun("m", 0, table))["models"]["m"]["metrics"]
    label = [CLASSES[n] for n in table[CLASSES].to_numpy().argmax(axis=1)]
    wanted = {
        "accuracy": 1 - 13 / TEST,
        "f1_macro": f1_score(table["target"], label, average="macro"),
        "auroc_macro": roc_auc_score(
            table["target"], table[sorted(CLASSES)], multi_class="ovr", labels=sorted(CLASSES)
        ),
        "nll": -(1 - 13 / TEST) * math.log(0.8) - 13 / TEST * math.log(0.1),
    }
    for name, value in wanted.items():
        assert metrics[name]["value"] == pytest.approx(value), name
        assert metrics[name]["low"] < value < metrics[name]["high"], name


def test_interval_of_one_run_is_about_its_test_faces(truth):
    """Of independent images: p (1 - p) / (n - 1), on the logit scale, t with n - 1 degrees."""
    score = judged(truth, make_run(truth, "m", 12))["models"]["m"]["metrics"]["accuracy"]
    p = 1 - 12 / TEST
    reach = stats.t.ppf(0.975, TEST - 1) * math.sqrt(p * (1 - p) / (TEST - 1)) / (p * (1 - p))
    bounds = [1 / (1 + math.exp(-(math.log(p / (1 - p)) + sign * reach))) for sign in (-1, 1)]
    assert [score["low"], score["high"]] == pytest.approx(bounds)
    assert score["basis"] == "60 images, one run"


def test_persons_are_the_clusters_where_they_are_known(tmp_path):
    truth = make_truth(tmp_path, persons=12)
    score = judged(truth, make_run(truth, "m", 12))["models"]["m"]["metrics"]["accuracy"]
    assert score["basis"] == "12 persons, one run"


def test_several_seeds_have_the_primary_interval(two_models):
    score = two_models["models"]["weak"]["metrics"]["accuracy"]
    assert score["value"] == pytest.approx(1 - 21 / TEST)
    assert score["std"] == pytest.approx(1 / TEST)
    assert (score["seeds"], score["basis"]) == (3, "3 seeds and 60 images")
    assert score["low"] < score["value"] < score["high"]


def test_much_better_model_is_higher_by_the_primary_test(two_models):
    (row,) = decided(two_models)
    assert (row["a"], row["b"], row["test"]) == ("weak", "strong", "primary")
    assert row["verdict"] == "b is higher"
    assert row["estimate"] == pytest.approx(14 / TEST)
    assert row["low"] > 0


def test_equal_models_are_not_told_apart(truth):
    one, other = make_run(truth, "a", 10), make_run(truth, "b", 10)
    report = judged(truth, one, other)
    for row in report["comparisons"]:
        assert row["estimate"] == 0
        assert row["verdict"] in ("", "not told apart")
    (row,) = decided(report)
    assert row["p_value"] == 1


def test_one_seed_is_decided_by_the_bootstrap_of_test_faces(truth):
    report = judged(truth, make_run(truth, "weak", 40), make_run(truth, "strong", 4, seed=3))
    (row,) = decided(report)
    assert (row["test"], row["verdict"], row["basis"]) == (
        "cluster_bootstrap",
        "b is higher",
        "images",
    )
    answers = dict(summary_words(report))
    assert "Other trainings of it are unknown." in answers["Accuracy on test"]


def test_correction_is_over_all_pairs(truth):
    runs = [make_run(truth, name, errors) for name, errors in (("a", 20), ("b", 12), ("c", 9))]
    rows = [r for r in judged(truth, *runs)["comparisons"] if r["test"] == "mcnemar"]
    p = sorted(row["p_value"] for row in rows)
    corrected = sorted(row["p_corrected"] for row in rows)
    assert corrected[0] == pytest.approx(min(1, 2 * p[0]))  # Holm's, of two pairs


def test_clean_and_leaked_part_are_scored_apart(truth):
    table = predictions(truth, 0)
    leaked = set(truth.leaked.index[truth.leaked])
    wrong = ~table["image_id"].isin(leaked)
    table.loc[wrong, CLASSES] = np.roll(table.loc[wrong, CLASSES].to_numpy(), 1, axis=1)
    parts = judged(truth, JudgedRun("m", 0, table))["models"]["m"]["parts"]
    assert (parts["leaked"]["faces"], parts["clean"]["faces"]) == (12, 48)
    assert parts["leaked"]["accuracy"]["value"] == 1
    assert parts["clean"]["accuracy"]["value"] == 0


def test_models_are_compared_with_the_best_naive_baseline(truth):
    verdicts = {3: "yes", 27: "on average", 30: "no", 50: "no"}
    runs = [make_run(truth, f"m{errors}", errors) for errors in verdicts]
    found = judged(truth, *runs)["above_baselines"]
    assert found == {f"m{errors}": verdict for errors, verdict in verdicts.items()}


def test_misses_are_wrong_and_a_column_of_the_confusions(truth):
    table = predictions(truth, 0)
    table.loc[:5, CLASSES] = 0.0
    of = judged(truth, JudgedRun("m", 0, table))["models"]["m"]
    assert of["metrics"]["accuracy"]["value"] == pytest.approx(1 - 6 / TEST)
    assert sum(row[-1] for row in of["confusion"]["counts"]) == 6


def test_printed_values_of_the_data_set_stand_beside_the_model(two_models):
    rows = [r for r in two_models["papers"] if (r["model"], r["metric"]) == ("weak", "accuracy")]
    printed = [
        value.value
        for value in printed_values()
        if SOURCES.get(value.dataset) == "ckplus"
        and (value.kind, value.metric, value.subset) == ("score", "accuracy", "test")
        and value.robustness is None
    ]
    assert [row["printed"] for row in rows] == printed
    assert len(printed) > 10
    for row in rows:
        assert row["difference"] == pytest.approx(1 - 21 / TEST - row["printed"])
        assert row["low"] < row["difference"] < row["high"]
        assert row["verdict"] == ("lower" if row["high"] < 0 else "not told apart")


def test_two_runs_of_one_model_and_seed_are_refused(truth):
    with pytest.raises(InputError, match=r"model a with seed 0(.|\n)*--pattern"):
        judged(truth, make_run(truth, "a", 1), make_run(truth, "a", 2))


def test_report_is_json_and_its_page_stands_alone(two_models):
    assert json.loads(json.dumps(two_models, allow_nan=False)) == two_models
    page = judged_page(two_models)
    for text in ("strong − weak", "strong is higher", "cluster bootstrap", "P0-T2"):
        assert text in page
    assert "tables/" not in page


def test_names_of_models_are_text_and_neither_markup_nor_formulas(truth):
    name = r"<script>alert(1)</script> $\frac{$ & co"
    page = judged_page(judged(truth, make_run(truth, name, 5)))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $" in page


def write_study(root: Path, study: str, truth: Truth, errors: int, *, faces: bool = True) -> None:
    """A scored study of one classifier, as stage `score` leaves it."""
    folder = root / "reports" / study
    folder.mkdir(parents=True)
    place = {"study": study, "dataset": truth.dataset, "protocol": truth.protocol}
    tables, rows = [], []
    for seed in (0, 1, 2):
        table = face_rows("net", seed, predictions(truth, errors + seed, 50 + seed), best=seed == 1)
        tables.append(table.assign(**place, person=None, sequence=None))
        about = {**place, "variant": "net", "seed": seed, "subset": "test"}
        rows.append({**about, "metric": "accuracy", "value": table["correct"].mean()})
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "results.csv", index=False)
    if faces:
        pd.concat(tables).to_parquet(folder / "faces.parquet")


def test_runs_of_scored_studies_are_compared_face_by_face(truth, tmp_path):
    write_study(tmp_path, "mine", truth, errors=30)
    rivals = find_rivals(truth, tmp_path)
    assert set(rivals.paired) == {"mine/net"}
    runs = [make_run(truth, "strong", 4 + seed, seed) for seed in range(3)]
    report = judged(truth, *runs, rivals=rivals)
    (row,) = decided(report)
    assert (row["a"], row["b"], row["test"]) == ("mine/net", "strong", "primary")
    assert row["verdict"] == "b is higher"
    assert row["estimate"] == pytest.approx(26 / TEST)
    (rival,) = report["rivals"]
    assert (rival["name"], rival["paired"]) == ("mine/net", True)
    assert rival["value"] == pytest.approx(1 - 31 / TEST)
    assert "mine/net" in judged_page(report)


def test_published_scores_are_shown_without_a_test(truth, tmp_path):
    write_study(tmp_path, "published", truth, errors=30, faces=False)
    report = judged(truth, make_run(truth, "m", 4), rivals=find_rivals(truth, tmp_path))
    assert [one["paired"] for one in report["rivals"]] == [False]
    assert report["comparisons"] == []
    assert "published: only its scores are here" in report["rivals_left_out"][0]


def test_withdrawn_broken_and_other_studies_are_left_out_with_the_reason(truth, tmp_path):
    for study in ("withdrawn", "broken", "other_images", "other_data"):
        write_study(tmp_path, study, truth, errors=30)
    reports = tmp_path / "reports"
    (reports / "withdrawn.yaml").write_text(f"withdrawn: {{before: {'a' * 40}, reason: a fault}}\n")
    (reports / "broken" / "results.csv").write_text("study\n")
    faces = pd.read_parquet(reports / "other_images" / "faces.parquet")
    faces[faces["image_id"] != "i130"].to_parquet(reports / "other_images" / "faces.parquet")
    results = pd.read_csv(reports / "other_data" / "results.csv")
    results.assign(dataset="lld").to_csv(reports / "other_data" / "results.csv", index=False)
    found = find_rivals(truth, tmp_path)
    assert found.paired == []
    notes = " ".join(found.notes)
    for text in ("withdrawn: its numbers", "broken: cannot be read", "other_images: was tested on"):
        assert text in notes
    assert "other_data" not in notes


def test_nothing_is_found_in_an_empty_folder(truth, tmp_path):
    found = find_rivals(truth, tmp_path)
    assert (found.faces, found.results, found.notes) == ([], [], [])
    assert truth.protocol == PROTOCOL
