import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.fabricated_study import CLASSES, fabricate

from ferbench import plugins
from ferbench.artifacts.predictions import read_boxes, read_predictions
from ferbench.errors import InputError
from ferbench.evaluation import label_noise as noise
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.evaluation.selection import best_seeds, val_losses

COLUMNS = ["study", "dataset", "protocol", "variant", "seed", "subset", "metric", "value"]


PLACE = ["study", "dataset", "protocol", "variant", "seed", "subset"]


@pytest.fixture
def study(tmp_path):
    return tmp_path, fabricate(tmp_path)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Parameters, folder and tables of a study with probes and every metric there is."""
    root = tmp_path_factory.mktemp("full")
    params = fabricate(root, probes=True)
    metrics = tuple(plugins.names("ferbench.evaluation.metrics"))
    params = replace(params, score=replace(params.score, metrics=metrics))
    return params, root, score_study(params, root)


def same(one, other):
    """Whether two series with one index hold the same numbers, NaN being one of them."""
    return np.allclose(one, other.loc[one.index], rtol=1e-9, atol=1e-12, equal_nan=True)


def written(board, folder):
    """Every file's bytes by its path."""
    write_scoreboard(board, folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_results_have_the_agreed_columns_and_every_cell(study):
    root, params = study
    write_scoreboard(score_study(params, root), root / "out")
    table = pd.read_csv(root / "out" / "results.csv")
    assert list(table.columns) == COLUMNS
    assert set(table["subset"]) == {"val", "test", "test_clean", "test_leaked"}
    cells = table.groupby(["variant", "seed", "subset"]).ngroups
    assert cells == len(params.variants) * len(params.seeds) * 4
    assert not table.duplicated(COLUMNS[:-1]).any()


def test_box_metrics_are_of_detectors_alone(study):
    root, params = study
    table = score_study(params, root).results
    assert set(table.loc[table["metric"] == "map50", "variant"]) == {"yolov5s", "yolov5s_osam"}


def test_accuracy_of_a_detector_is_taken_at_the_score_threshold(study):
    root, params = study
    table = score_study(params, root).results
    folder = root / "runs" / "demo" / "yolov5s" / "synthetic" / "0"
    frame, boxes = (
        read_predictions(folder / "predictions.parquet"),
        read_boxes(folder / "boxes.parquet"),
    )
    answers = boxes[~boxes["truth"]].set_index("image_id")
    truth = frame.set_index("image_id")["target"]
    right = answers["emotion"] == truth.loc[answers.index]
    at = table.query("variant == 'yolov5s' and seed == 0 and subset == 'test'").set_index("metric")
    assert at.loc["accuracy", "value"] == pytest.approx(
        (right & (answers["score"] >= 0.5)).sum() / 90
    )
    assert at.loc["accuracy_any", "value"] == pytest.approx(right.sum() / 90)
    assert at.loc["coverage", "value"] == pytest.approx((answers["score"] >= 0.5).sum() / 90)


def test_boxes_are_counted_with_background_for_detectors_alone(study):
    root, params = study
    board = score_study(params, root)
    boxes = board.confusion.query("subset == 'test_boxes'")
    assert set(boxes["variant"]) == {"yolov5s", "yolov5s_osam"}
    of_faces = boxes[boxes["target"] != "background"].groupby(["variant", "seed"])["count"].sum()
    faces = board.results.query("subset == 'test' and metric == 'faces'")["value"].unique()
    assert of_faces.unique().tolist() == faces.tolist()
    assert set(boxes["target"]) == set(boxes["predicted"]) and "background" in set(boxes["target"])


def test_confusion_counts_add_up_to_the_accuracy(study):
    root, params = study
    board = score_study(params, root)
    counts = board.confusion.query("variant == 'yolov5s' and seed == 1 and subset == 'test'")
    right = counts.loc[counts["target"] == counts["predicted"], "count"].sum()
    accuracy = board.results.query(
        "variant == 'yolov5s' and seed == 1 and subset == 'test' and metric == 'accuracy'"
    )["value"].item()
    assert counts["count"].sum() == 90
    assert right / 90 == pytest.approx(accuracy)
    assert list(counts["predicted"].unique()) == [*CLASSES, "none"]
    assert counts.loc[counts["predicted"] == "none", "count"].sum() > 0


def test_files_for_dvc_are_plain_and_complete(study):
    root, params = study
    board = score_study(params, root)
    write_scoreboard(board, root / "out")
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
    assert len(files) == 13
    assert all((root / "one" / f).read_bytes() == (root / "two" / f).read_bytes() for f in files)


def test_a_missing_cell_is_named_with_the_command_that_makes_it(study):
    root, params = study
    (root / "runs/demo/ivsa/synthetic/1/run.json").unlink()
    with pytest.raises(InputError, match=r"ivsa on synthetic with seed 1 lacks run\.json") as error:
        score_study(params, root)
    assert "dvc repro" in str(error.value)


def test_a_cell_of_another_protocol_is_refused(study):
    root, params = study
    path = root / "runs/demo/ivsa/synthetic/1/run.json"
    path.write_text(path.read_text().replace("person_70_10_20", "official"))
    with pytest.raises(InputError, match="protocol official"):
        score_study(params, root)


def test_faces_and_right_answers_of_clean_and_leaked_add_up_to_test(full):
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


def test_the_clean_part_is_what_the_audit_left(full):
    _, root, board = full
    folder = root / "runs/demo/ivsa/synthetic/0"
    frame = read_predictions(folder / "predictions.parquet").set_index("image_id")
    leaks = pd.read_parquet(root / "data/audit/synthetic/leaks.parquet").set_index("image_id")
    clean = frame[~leaks.loc[frame.index, "leaked"]]
    rows = board.results.query("variant == 'ivsa' and seed == 0 and subset == 'test_clean'")
    value = rows.set_index("metric").loc["accuracy", "value"]
    assert value == pytest.approx((clean[CLASSES].idxmax(axis=1) == clean["target"]).mean())


def test_probes_give_a_subset_for_each_condition_and_their_mean(full):
    _, root, board = full
    by = board.results.groupby("variant")["subset"].unique().map(set)
    sides = {"val", "test", "test_clean", "test_leaked", "degraded_medium"}
    assert by["ivsa"] == sides
    assert by["yolov5s"] == sides | {"canvas_48", "canvas_640", "canvas_mean"}
    table = board.results.query("variant == 'yolov5s' and seed == 1")
    table = table.pivot_table("value", "metric", "subset", dropna=False)
    mean = (table["canvas_48"] + table["canvas_640"]) / 2
    assert same(table["canvas_mean"], mean)
    shown = read_predictions(
        root / "runs/demo/yolov5s/synthetic/1/robustness/canvas/48/predictions.parquet"
    )
    right = (shown[CLASSES].idxmax(axis=1) == shown["target"]) & shown[CLASSES].any(axis=1)
    assert table.loc["accuracy_any", "canvas_48"] == pytest.approx(right.mean())


def test_a_probe_that_was_not_run_is_named(tmp_path):
    params = fabricate(tmp_path, (0,), probes=True)
    (tmp_path / "runs/demo/ivsa/synthetic/0/robustness/degraded/robustness.json").unlink()
    with pytest.raises(InputError, match="ivsa-synthetic-0 lacks probe degraded") as error:
        score_study(params, tmp_path)
    assert "dvc repro" in str(error.value)


@pytest.mark.parametrize("gone", ["data/audit/synthetic", "data/splits"])
def test_what_an_earlier_stage_left_must_be_there(study, gone):
    root, params = study
    shutil.rmtree(root / gone)
    with pytest.raises(InputError, match="missing") as error:
        score_study(params, root)
    assert "dvc repro" in str(error.value)


def test_where_every_seed_has_its_own_split_the_audit_describes_none(study):
    root, params = study
    rows = {key: replace(row, resplit=True) for key, row in params.datasets.items()}
    board = score_study(replace(params, datasets=rows), root)
    assert set(board.results["subset"]) == {"val", "test"}
    assert board.answers["leaked"].isna().all()
    assert board.noise.summary == {}
    files = written(board, root / "out")
    assert files["label_issues.csv"].startswith(b"dataset,protocol,subset,image_id,given,")
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
def test_values_of_classes_have_the_metric_as_their_mean(full, metric):
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
    for cell, bins in groups:
        assert bins["count"].sum() == 90
        assert bins["count"].min() > 0
        inside = bins["confidence"].between(bins["low"], bins["high"])
        assert inside.all()
        gap = (bins["accuracy"] - bins["confidence"]).abs() @ bins["count"] / 90
        assert gap == pytest.approx(error[cell])


def test_answers_have_every_test_face_of_every_cell(full):
    params, root, board = full
    table = board.answers
    assert list(table.columns) == [
        *("key", "dataset", "protocol", "variant", "seed", "image_id", "person", "leaked"),
        *("target", "said", "correct", "prob", "best"),
    ]
    assert len(table) == 90 * len(params.variants) * len(params.seeds)
    accuracy = board.results.query("subset == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["variant", "seed"])["value"]
    right = table.groupby(["variant", "seed"])["correct"].mean()
    assert same(right, accuracy)
    assert (table["correct"] == (table["said"] == table["target"])).all()
    own = table.query("variant == 'yolov5s' and seed == 0").set_index("image_id")
    frame = read_predictions(root / "runs/demo/yolov5s/synthetic/0/predictions.parquet")
    frame = frame.set_index("image_id")
    expected = [frame.loc[i, frame.loc[i, "target"]] for i in own.index]
    assert own["prob"].tolist() == pytest.approx(expected)
    assert own.loc["0000", "said"] == "none"
    split = pd.read_parquet(root / "data/splits/synthetic.parquet").set_index("image_id")
    persons = split.loc[own.index, "person"]
    assert own["person"].isna().tolist() == persons.isna().tolist()
    assert own["person"].dropna().tolist() == persons.dropna().tolist()


def test_the_best_seed_of_a_variant_is_so_on_val(full):
    board = full[2]
    val = board.results.query("subset == 'val' and metric == 'accuracy'")
    best = board.answers[board.answers["best"]].groupby("variant")["seed"].unique()
    for variant, seeds in best.items():
        own = val[val["variant"] == variant].set_index("seed")["value"]
        assert seeds.tolist() == [own.idxmax()]
    assert len(best) == 4


def test_equal_seeds_give_the_lower_and_errors_are_best_when_small():
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
    run = {"name": "d", "protocol": "p", "variant": "tie", "val_loss": 0.5}
    losses = val_losses([{**run, "seed": 1}, {**run, "seed": 2, "val_loss": 0.4}])
    assert best_seeds(results, metrics, losses) == expected | {("d", "p", "tie"): 2}
    assert best_seeds(results, ["nll"], {}) == {}


def test_labels_are_judged_by_all_cells_of_a_data_set_together(study, monkeypatch):
    root, params = study
    asked = []

    def judge(tables):
        asked.append([len(table) for table in tables])
        row = {"image_id": "0003", "given": "anger", "suggested": "neutral"}
        return pd.DataFrame([{**row, "self_confidence": 0.125}]), {"n": len(tables[0])}

    monkeypatch.setattr(noise, "estimate_label_noise", judge)
    files = written(score_study(params, root), root / "out")
    assert asked == [[45] * 8, [90] * 8]
    assert json.loads(files["label_noise.json"]) == {
        "synthetic": {"val": {"n": 45}, "test": {"n": 90}}
    }
    lines = files["label_issues.csv"].decode().splitlines()
    assert lines[0] == "dataset,protocol,subset,image_id,given,suggested,self_confidence"
    assert lines[2] == "synthetic,person_70_10_20,test,0003,anger,neutral,0.125000"


def test_one_more_metric_moves_no_other_number(study):
    root, params = study
    few = replace(params, score=replace(params.score, metrics=("accuracy", "map50")))
    more = replace(params, score=replace(params.score, metrics=("accuracy", "kappa", "map50")))
    before = written(score_study(few, root), root / "few")
    after = written(score_study(more, root), root / "more")
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"results.csv", "metrics.json"}
    lines = [line for line in after["results.csv"].splitlines() if b",kappa," not in line]
    assert lines == before["results.csv"].splitlines()


def test_numbers_come_from_the_stored_answers_and_from_nothing_else(study):
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


def test_what_the_data_do_not_define_is_an_empty_field(tmp_path):
    params = fabricate(tmp_path, (0,), faces=2)  # one face on val
    metrics = ("accuracy", "auroc_macro")
    board = score_study(replace(params, score=replace(params.score, metrics=metrics)), tmp_path)
    files = written(board, tmp_path / "out")
    rows = files["results.csv"].decode().splitlines()
    line = next(row for row in rows if "ivsa,0,val,auroc_macro" in row)
    assert line.endswith(",auroc_macro,")
    assert "NaN" not in files["metrics.json"].decode()
