import json

import pandas as pd
import pytest
from tests.fabricated_study import CLASSES, fabricate

from ferbench.errors import InputError
from ferbench.evaluation.predictions import read_boxes, read_predictions
from ferbench.evaluation.scoreboard import score_study, write_scoreboard

COLUMNS = ["study", "dataset", "protocol", "variant", "seed", "subset", "metric", "value"]


@pytest.fixture
def study(tmp_path):
    return tmp_path, fabricate(tmp_path)


def test_results_have_the_agreed_columns_and_every_cell(study):
    root, params = study
    write_scoreboard(score_study(params, root), root / "out")
    table = pd.read_csv(root / "out" / "results.csv")
    assert list(table.columns) == COLUMNS
    assert table["value"].between(0, 1).all()
    cells = table.groupby(["variant", "seed", "subset"]).ngroups
    assert cells == len(params.variants) * len(params.seeds) * 2
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
    assert len(files) == 8
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
