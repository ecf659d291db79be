import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.fabricated_study import CLASSES, fabricate, write_answers
from tests.run_records import run_record

from ferbench import plugins
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import no_boxes, read_boxes, read_predictions
from ferbench.artifacts.results import COLUMNS
from ferbench.errors import InputError
from ferbench.evaluation import label_noise
from ferbench.evaluation.scoreboard import class_rows, score_study, write_scoreboard
from ferbench.evaluation.scoring import Predictions
from ferbench.evaluation.selection import best_seeds, val_losses
from ferbench.files import read_json, write_json

PLACE = ["study", "dataset", "protocol", "variant", "seed", "subset"]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Parameters, folder and tables of a study with robustness tests and every metric."""
    root = tmp_path_factory.mktemp("full")
    params = fabricate(root, probes=True)
    metrics = tuple(plugins.names("ferbench.evaluation.metrics"))
    params = replace(params, score=replace(params.score, metrics=metrics))
    return params, root, score_study(params, root)


@pytest.fixture
def study(full, tmp_path):
    """A copy of the study with a classifier and a detector, two metrics and no robustness test."""
    params, root, _ = full
    for name in ("runs", "data"):
        shutil.copytree(root / name, tmp_path / name)
    variants = {name: params.variants[name] for name in ("ivsa", "yolov5s")}
    score = replace(params.score, metrics=("accuracy", "map50"))
    return tmp_path, replace(params, variants=variants, score=score, robustness={})


def same(one, other):
    """Whether two series with one index hold the same numbers, NaN being one of them."""
    return np.allclose(one, other.loc[one.index], rtol=1e-9, atol=1e-12, equal_nan=True)


def written(board, folder):
    """Every file's bytes by its path."""
    write_scoreboard(board, folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_results_have_the_agreed_columns_and_every_run(full, tmp_path):
    params, _, board = full
    write_scoreboard(board, tmp_path)
    table = pd.read_csv(tmp_path / "results.csv")
    assert list(table.columns) == COLUMNS
    own = table[table["robustness"].isna()]
    assert set(own["subset"]) == {"val", "test", "test_clean", "test_leaked"}
    runs = own.groupby(["variant", "seed", "subset"]).ngroups
    assert runs == len(params.variants) * len(params.seeds) * 4
    assert not table.duplicated([*PLACE, "metric"]).any()


def test_box_metrics_are_of_detectors_alone(full):
    table = full[2].results
    assert set(table.loc[table["metric"] == "map50", "variant"]) == {"yolov5s", "yolov5s_osam"}


def test_accuracy_of_a_detector_is_measured_at_the_score_threshold(full):
    _, root, board = full
    table = board.results
    folder = root / "runs" / "demo" / "yolov5s" / "synthetic" / "0"
    frame, boxes = (
        read_predictions(folder / "predictions.parquet"),
        read_boxes(folder / "boxes.parquet"),
    )
    found = boxes[~boxes["truth"]].set_index("image_id")
    truth = frame.set_index("image_id")["target"]
    right = found["emotion"] == truth.loc[found.index]
    at = table.query("variant == 'yolov5s' and seed == 0 and subset == 'test'").set_index("metric")
    assert at.loc["accuracy", "value"] == pytest.approx(
        (right & (found["score"] >= 0.5)).sum() / 90
    )
    assert at.loc["accuracy_any", "value"] == pytest.approx(right.sum() / 90)
    assert at.loc["coverage", "value"] == pytest.approx((found["score"] >= 0.5).sum() / 90)


def test_boxes_are_counted_with_background_for_detectors_alone(full):
    board = full[2]
    boxes = board.confusion.query("subset == 'test_boxes'")
    assert set(boxes["variant"]) == {"yolov5s", "yolov5s_osam"}
    of_faces = boxes[boxes["target"] != "background"].groupby(["variant", "seed"])["count"].sum()
    faces = board.results.query("subset == 'test' and metric == 'faces'")["value"].unique()
    assert of_faces.unique().tolist() == faces.tolist()
    assert set(boxes["target"]) == set(boxes["predicted"]) and "background" in set(boxes["target"])


def test_confusion_counts_add_up_to_the_accuracy(full):
    board = full[2]
    counts = board.confusion.query("variant == 'yolov5s' and seed == 1 and subset == 'test'")
    right = counts.loc[counts["target"] == counts["predicted"], "count"].sum()
    accuracy = board.results.query(
        "variant == 'yolov5s' and seed == 1 and subset == 'test' and metric == 'accuracy'"
    )["value"].item()
    assert counts["count"].sum() == 90
    assert right / 90 == pytest.approx(accuracy)
    assert list(counts["predicted"].unique()) == [*CLASSES, "none"]
    assert counts.loc[counts["predicted"] == "none", "count"].sum() > 0


def test_files_for_dvc_are_plain_and_complete(full, tmp_path):
    board = full[2]
    write_scoreboard(board, tmp_path / "out")
    root = tmp_path
    means = json.loads((root / "out" / "metrics.json").read_text())
    values = board.results.query("variant == 'ivsa' and subset == 'test' and metric == 'accuracy'")
    assert means["ivsa"]["synthetic"]["accuracy"] == pytest.approx(values["value"].mean(), abs=1e-6)
    history = pd.read_csv(root / "out" / "plots" / "history.csv")
    assert list(history.columns[:4]) == ["variant", "dataset", "seed", "epoch"]
    assert len(history) == 4 * 2 * 8
    labels = pd.read_csv(root / "out" / "plots" / "confusion" / "ivsa.synthetic.csv")
    assert list(labels.columns) == ["target", "predicted"]
    assert len(labels) == 2 * 90


def test_scoring_twice_gives_the_same_bytes(study):
    root, params = study
    for name in ("one", "two"):
        write_scoreboard(score_study(params, root), root / name)
    files = [p.relative_to(root / "one") for p in (root / "one").rglob("*") if p.is_file()]
    assert len(files) == 12
    assert all((root / "one" / f).read_bytes() == (root / "two" / f).read_bytes() for f in files)


def test_missing_run_is_named_with_the_command_that_makes_it(study):
    root, params = study
    (root / "runs/demo/ivsa/synthetic/1/run.json").unlink()
    with pytest.raises(InputError, match=r"ivsa on synthetic with seed 1 lacks run\.json") as error:
        score_study(params, root)
    assert "dvc repro" in str(error.value)


def test_run_under_another_protocol_is_refused(study):
    root, params = study
    path = root / "runs/demo/ivsa/synthetic/1/run.json"
    path.write_text(path.read_text().replace("person_70_10_20", "official"))
    with pytest.raises(InputError, match="protocol official"):
        score_study(params, root)


def test_faces_and_correct_predictions_of_clean_and_leaked_add_up_to_test(full):
    _, root, board = full
    leaks = pd.read_parquet(root / "data/audit/synthetic/leaks.parquet")
    expected = leaks.query("split == 'test'")["leaked"].sum()
    table = board.results.pivot_table("value", ["variant", "seed", "subset"], "metric")
    assert set(table.xs("test_leaked", level="subset")["faces"]) == {expected}
    assert set(table.xs("test", level="subset")["faces"]) == {90}
    right = (table["accuracy"] * table["faces"]).unstack("subset")
    assert same(right["test_clean"] + right["test_leaked"], right["test"])
    whole = (table["face_detection"] * table["faces"]).unstack("subset").dropna()
    assert len(whole) == 4
    assert same(whole["test_clean"] + whole["test_leaked"], whole["test"])


def test_clean_part_is_test_without_the_images_that_the_audit_found(full):
    _, root, board = full
    folder = root / "runs/demo/ivsa/synthetic/0"
    frame = read_predictions(folder / "predictions.parquet").set_index("image_id")
    leaks = pd.read_parquet(root / "data/audit/synthetic/leaks.parquet").set_index("image_id")
    clean = frame[~leaks.loc[frame.index, "leaked"]]
    rows = board.results.query("variant == 'ivsa' and seed == 0 and subset == 'test_clean'")
    value = rows.set_index("metric").loc["accuracy", "value"]
    assert value == pytest.approx((clean[CLASSES].idxmax(axis=1) == clean["target"]).mean())


def test_robustness_test_gives_a_subset_for_each_condition_and_their_mean(full):
    _, root, board = full
    by = board.results.groupby("variant")["subset"].unique().map(set)
    own = {"val", "test", "test_clean", "test_leaked", "degraded_medium"}
    assert by["ivsa"] == own
    assert by["yolov5s"] == own | {"canvas_48", "canvas_640", "canvas_mean"}
    table = board.results.query("variant == 'yolov5s' and seed == 1")
    table = table.pivot_table("value", "metric", "subset", dropna=False)
    mean = (table["canvas_48"] + table["canvas_640"]) / 2
    assert same(table["canvas_mean"], mean)
    tests = board.results[["subset", "robustness", "condition"]].drop_duplicates()
    named = tests[tests["robustness"] != ""].set_index("subset")
    assert set(named["robustness"] + "_" + named["condition"]) == set(named.index)
    assert named.loc["canvas_mean"].tolist() == ["canvas", "mean"]
    shown = read_predictions(
        root / "runs/demo/yolov5s/synthetic/1/robustness/canvas/48/predictions.parquet"
    )
    right = (shown[CLASSES].idxmax(axis=1) == shown["target"]) & shown[CLASSES].any(axis=1)
    assert table.loc["accuracy_any", "canvas_48"] == pytest.approx(right.mean())


def test_robustness_test_that_was_not_run_is_named(full, study):
    root, params = study
    (root / "runs/demo/ivsa/synthetic/0/robustness/degraded/robustness.json").unlink()
    with pytest.raises(
        InputError, match="ivsa-synthetic-0 lacks robustness test degraded"
    ) as error:
        score_study(replace(params, robustness=full[0].robustness), root)
    assert "dvc repro" in str(error.value)


@pytest.mark.parametrize("gone", ["data/audit/synthetic", "data/splits"])
def test_missing_file_of_an_earlier_stage_is_refused(study, gone):
    root, params = study
    shutil.rmtree(root / gone)
    with pytest.raises(InputError, match="missing") as error:
        score_study(params, root)
    assert "dvc repro" in str(error.value)


def test_study_with_a_split_a_seed_has_no_clean_part_and_no_label_noise(study):
    root, params = study
    for key in params.datasets:
        path = DatasetPaths(key, root).split_summary
        write_json(path, {**read_json(path), "redrawn": True})
    board = score_study(params, root)
    assert set(board.results["subset"]) == {"val", "test"}
    assert board.faces["leaked"].isna().all()
    assert board.noise.summary == {}
    files = written(board, root / "out")
    assert files["label_issues.csv"].startswith(b"dataset,protocol,subset,image_id,face,given,")
    assert json.loads(files["label_noise.json"]) == {}


MEANS = {
    "recall": "recall_macro",
    "precision": "precision_macro",
    "f1": "f1_macro",
    "ap": "ap_macro",
    "auroc": "auroc_macro",
    "ap50": "map50",
    "precision_box": "precision_box",
    "recall_box": "recall_box",
    "f1_box": "f1_box",
}


@pytest.mark.parametrize("metric", MEANS)
def test_class_values_have_the_metric_as_their_mean(full, metric):
    board = full[2]
    mean = board.classes[board.classes["metric"] == metric].groupby(PLACE)["value"].mean()
    whole = board.results[board.results["metric"] == MEANS[metric]].set_index(PLACE)["value"]
    whole = whole.drop("canvas_mean", level="subset", errors="ignore")
    assert len(mean) == len(whole) > 0
    assert same(mean, whole)


def test_supports_count_the_faces_of_each_class(full):
    _, root, board = full
    assert list(board.classes.columns) == [*PLACE, "emotion", "metric", "value"]
    support = board.classes[board.classes["metric"] == "support"]
    test = support.query("variant == 'ivsa' and seed == 1 and subset == 'test'")
    frame = read_predictions(root / "runs/demo/ivsa/synthetic/1/predictions.parquet")
    counts = test.set_index("emotion")["value"].to_dict()
    assert counts == frame["target"].value_counts().to_dict()


def test_bins_of_confidence_hold_every_test_face_and_give_the_calibration_error(full):
    board = full[2]
    place = ["study", "dataset", "protocol", "variant", "seed"]
    columns = ["bin", "low", "high", "count", "confidence", "accuracy"]
    assert list(board.reliability.columns) == [*place, *columns]
    error = board.results.query("subset == 'test' and metric == 'ece'").set_index(place)["value"]
    groups = list(board.reliability.groupby(place))
    assert len(groups) == len(error) == 8
    for run, bins in groups:
        assert bins["count"].sum() == 90
        assert bins["count"].min() > 0
        inside = bins["confidence"].between(bins["low"], bins["high"])
        assert inside.all()
        gap = (bins["accuracy"] - bins["confidence"]).abs() @ bins["count"] / 90
        assert gap == pytest.approx(error[run])


def test_faces_table_has_every_test_face_of_every_run(full):
    params, root, board = full
    table = board.faces
    assert list(table.columns) == [
        *("key", "dataset", "protocol", "variant", "seed", "image_id", "face"),
        *("person", "sequence", "leaked", "target", "predicted", "correct", "prob", "best"),
    ]
    assert len(table) == 90 * len(params.variants) * len(params.seeds)
    accuracy = board.results.query("subset == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["variant", "seed"])["value"]
    right = table.groupby(["variant", "seed"])["correct"].mean()
    assert same(right, accuracy)
    assert (table["correct"] == (table["predicted"] == table["target"])).all()
    own = table.query("variant == 'yolov5s' and seed == 0").set_index("image_id")
    frame = read_predictions(root / "runs/demo/yolov5s/synthetic/0/predictions.parquet")
    frame = frame.set_index("image_id")
    expected = [frame.loc[i, frame.loc[i, "target"]] for i in own.index]
    assert own["prob"].tolist() == pytest.approx(expected)
    assert own.loc["0000", "predicted"] == "none"
    split = pd.read_parquet(root / "data/splits/synthetic.parquet").set_index("image_id")
    persons = split.loc[own.index, "person"]
    assert own["person"].isna().tolist() == persons.isna().tolist()
    assert own["person"].dropna().tolist() == persons.dropna().tolist()


def test_best_seed_of_a_variant_is_selected_on_val(full):
    board = full[2]
    val = board.results.query("subset == 'val' and metric == 'accuracy'")
    best = board.faces[board.faces["best"]].groupby("variant")["seed"].unique()
    for variant, seeds in best.items():
        own = val[val["variant"] == variant].set_index("seed")["value"]
        assert seeds.tolist() == [own.idxmax()]
    assert len(best) == 4


def test_best_seeds_break_ties_by_loss_then_seed_and_follow_the_direction():
    place = {"dataset": "d", "protocol": "p", "subset": "val"}
    rows = [
        {**place, "variant": variant, "seed": seed, "metric": metric, "value": value}
        for variant, metric, values in (
            ("tie", "accuracy", (0.5, 0.7, 0.7)),
            ("low", "ece", (0.3, 0.2, 0.1)),
            ("other", "accuracy_any", (0.9, 0.8, np.nan)),
        )
        for seed, value in enumerate(values)
    ]
    results = pd.DataFrame(rows)
    expected = {("d", "p", "tie"): 1, ("d", "p", "low"): 2, ("d", "p", "other"): 0}
    metrics = ["accuracy", "ece", "accuracy_any"]
    assert best_seeds(results, metrics, {}) == expected
    place = {"name": "d", "protocol": "p", "variant": "tie"}
    losses = val_losses(
        [run_record(**place, seed=seed, val_loss=0.6 - 0.1 * seed) for seed in (1, 2)]
    )
    assert best_seeds(results, metrics, losses) == expected | {("d", "p", "tie"): 2}
    assert best_seeds(results, ["nll"], {}) == {}


def test_labels_are_judged_by_all_runs_of_a_data_set_together(study, monkeypatch):
    root, params = study
    asked = []

    def judge(tables):
        asked.append([len(table) for table in tables])
        row = {"image_id": "0003", "face": 0, "given": "anger", "suggested": "neutral"}
        return pd.DataFrame([{**row, "self_confidence": 0.125}]), {"n": len(tables[0])}

    monkeypatch.setattr(label_noise, "estimate_label_noise", judge)
    files = written(score_study(params, root), root / "out")
    assert asked == [[45] * 4, [90] * 4]
    assert json.loads(files["label_noise.json"]) == {
        "synthetic": {"val": {"n": 45}, "test": {"n": 90}}
    }
    lines = files["label_issues.csv"].decode().splitlines()
    assert lines[0] == "dataset,protocol,subset,image_id,face,given,suggested,self_confidence"
    assert lines[2] == "synthetic,person_70_10_20,test,0003,0,anger,neutral,0.125000"


def test_additional_metric_changes_no_other_number(study):
    root, params = study
    few = replace(params, score=replace(params.score, metrics=("accuracy", "map50")))
    more = replace(params, score=replace(params.score, metrics=("accuracy", "kappa", "map50")))
    before = written(score_study(few, root), root / "few")
    after = written(score_study(more, root), root / "more")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"results.csv", "metrics.json"}
    lines = [line for line in after["results.csv"].splitlines() if b",kappa," not in line]
    assert lines == before["results.csv"].splitlines()


@pytest.mark.thorough
def test_scores_depend_on_stored_predictions_alone(study):
    root, params = study
    before = score_study(params, root).results
    folder = root / "runs/demo/ivsa/synthetic/0"
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, "val_score": 0.1, "best_epoch": 1}))
    history = folder / "history.csv"
    history.write_text(history.read_text().replace(",0.01,", ",0.5,"))
    assert score_study(params, root).results.equals(before)
    shutil.copy(folder.parent / "1" / "predictions.parquet", folder / "predictions.parquet")
    after = score_study(params, root).results
    place = (after["variant"] == "ivsa") & after["subset"].str.startswith("test")
    zero, one = place & (after["seed"] == 0), place & (after["seed"] == 1)
    assert after.loc[zero, "value"].tolist() == after.loc[one, "value"].tolist()
    assert after[~zero].equals(before[~zero])


def test_undefined_value_is_an_empty_field(tmp_path):
    params = fabricate(tmp_path, (0,), faces=2)  # one face on val
    score = replace(params.score, metrics=("accuracy", "auroc_macro"))
    variants = {"ivsa": params.variants["ivsa"]}
    board = score_study(replace(params, score=score, variants=variants), tmp_path)
    files = written(board, tmp_path / "out")
    rows = files["results.csv"].decode().splitlines()
    line = next(row for row in rows if "ivsa,0,val,auroc_macro" in row)
    assert line.endswith(",auroc_macro,,,")
    assert "NaN" not in files["metrics.json"].decode()


EMOTIONS = ["neutral", "anger", "fear"]


def class_values(prob, target):
    table = pd.DataFrame(prob, columns=EMOTIONS)
    table.insert(0, "target", target)
    table.insert(0, "face", 0)
    table.insert(0, "image_id", [f"{n}" for n in range(len(table))])
    rows = pd.DataFrame(class_rows(Predictions(table, no_boxes(EMOTIONS), None)))
    return rows.pivot_table("value", "emotion", "metric", dropna=False)


def test_precision_recall_and_f1_of_a_class_by_hand():
    # neutral: predicted three times, twice correctly, of two; anger: one of two found, one missed.
    prob = [[1.0, 0, 0], [0.6, 0.4, 0], [0.5, 0.3, 0.2], [0, 0.9, 0.1], [0, 0, 0]]
    table = class_values(prob, ["neutral", "neutral", "fear", "anger", "anger"])
    assert table["support"].to_dict() == {"neutral": 2, "anger": 2, "fear": 1}
    row = table.loc["neutral", ["precision", "recall", "f1"]]
    assert row.tolist() == pytest.approx([2 / 3, 1, 4 / 5])
    assert table.loc["anger", ["precision", "recall", "f1"]].tolist() == pytest.approx(
        [1, 1 / 2, 2 / 3]
    )
    assert table.loc["fear", ["precision", "recall", "f1"]].tolist() == [0, 0, 0]
    assert "ap50" not in table


def test_class_without_faces_has_a_support_and_nothing_else():
    table = class_values([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], ["neutral", "anger"])
    assert table.loc["fear", "support"] == 0
    assert table.loc["fear"].drop("support").isna().all()


@pytest.mark.thorough
def test_train_is_scored_beside_test_where_the_study_asks_for_it(tmp_path: Path) -> None:
    params = fabricate(tmp_path, (0,), faces=20)
    assert "train" not in set(score_study(params, tmp_path).results["subset"])
    asked = replace(params, score=replace(params.score, train=True))
    with pytest.raises(InputError, match=r"lacks train/predictions\.parquet"):
        score_study(asked, tmp_path)
    for variant in params.variants:
        folder = tmp_path / "runs" / "demo" / variant / "synthetic" / "0"
        names = [f"t{number:04d}" for number in range(20)]
        rng = np.random.default_rng(0)
        write_answers(folder / "train", rng, names, 9.0, variant.startswith("yolo"))
    board = score_study(asked, tmp_path)
    scores = board.results[board.results["metric"] == "accuracy"]
    mean = scores.groupby("subset")["value"].mean()
    assert mean["train"] > mean["test"]
    # Training images are no test: neither a face of `faces.parquet` nor a mean of `metrics.json`.
    assert not board.faces["image_id"].str.startswith("t").any()
