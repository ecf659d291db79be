"""Which metrics of a study are resampled, and that replicate 0 is what `results.csv` holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tests.example_study import PROJECT
from tests.fabricated_study import fabricate

from ferbench.artifacts.replicates import COLUMNS, REPLICATES, read_replicates
from ferbench.config.claims import Claim, load_claims
from ferbench.config.params import RobustnessTest, load_params
from ferbench.evaluation.replicates import wanted_metrics
from ferbench.evaluation.scoreboard import score_study, write_scoreboard

pytestmark = pytest.mark.thorough

RUN = ["dataset", "protocol", "variant", "seed", "subset", "robustness", "condition", "metric"]
COMPARED = ("accuracy", "f1_macro", "map50", "map50_95", "auroc_macro")


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A study with robustness tests, its folder and its tables."""
    root = tmp_path_factory.mktemp("resampled")
    params = fabricate(root, faces=30, probes=True)
    variants = {name: params.variants[name] for name in ("ivsa", "yolov5s", "yolov5s_osam")}
    params = replace(params, variants=variants, compare=replace(params.compare, metrics=COMPARED))
    claim = _claim(a="yolov5s_osam", b="yolov5s", metric="face_detection", robustness="canvas:48")
    return params, root, score_study(params, root, [claim])


def _claim(**changes):
    base = {"id": "own", "paper": "own", "tables": (), "sentence": "x", "dataset": "any"}
    return Claim(**{**base, **changes})


def test_replicate_0_is_the_value_of_the_results(scored):
    _, _, board = scored
    first = board.replicates.query("replicate == 0").set_index(RUN)["value"]
    assert not first.index.duplicated().any()
    expected = board.results.set_index(RUN)["value"].loc[first.index]
    np.testing.assert_allclose(first, expected, atol=1e-9)


def test_every_run_has_the_metrics_that_predicted_classes_do_not_give(scored):
    _, _, board = scored
    assert list(board.replicates.columns) == COLUMNS
    tested = board.replicates[board.replicates["subset"] == "test"]
    of = tested.groupby("variant")["metric"].unique().map(set)
    boxes = {"map50", "map50_95"}
    assert of["ivsa"] == {"auroc_macro"}
    assert of["yolov5s"] == of["yolov5s_osam"] == {"auroc_macro", *boxes}
    altered = board.replicates[board.replicates["robustness"] == "canvas"]
    assert set(altered["subset"]) == {"canvas_48", "canvas_640", "canvas_mean"}
    assert set(altered["metric"]) == {*COMPARED, "face_detection"}
    blurred = board.replicates[board.replicates["robustness"] == "degraded"]
    assert set(blurred["metric"]) == set(COMPARED)
    runs = board.replicates.groupby(RUN)["replicate"]
    assert (runs.nunique() == 1 + REPLICATES).all()
    assert (runs.count() == 1 + REPLICATES).all()


def test_replicates_know_the_clusters_and_faces_of_their_subset(scored):
    _, root, board = scored
    found = board.replicates[["clusters", "faces", "cluster"]].drop_duplicates()
    faces = board.faces.drop_duplicates(["image_id", "face"])
    unit = faces["person"].fillna(faces["sequence"]).fillna(faces["image_id"])
    assert faces["person"].isna().any() and faces["sequence"].notna().any()
    assert found.to_numpy().tolist() == [[unit.nunique(), 30, "mixed"]]
    write_scoreboard(board, root / "out")
    read = read_replicates(root / "out" / "replicates.parquet")
    pd.testing.assert_frame_equal(read, board.replicates, check_dtype=False)


def test_the_mean_over_conditions_is_that_of_each_replicate(scored):
    _, _, board = scored
    rows = board.replicates.query("robustness == 'canvas' and variant == 'yolov5s' and seed == 1")
    wide = rows.pivot(index=["metric", "replicate"], columns="condition", values="value")
    np.testing.assert_allclose(wide["mean"], (wide["48"] + wide["640"]) / 2)


def test_equal_predictions_have_equal_replicates_in_every_subset_and_variant(scored):
    _, _, board = scored
    # The fabricated robustness tests do not depend on the seed, nor draws on run or subset.
    rows = board.replicates.query("subset == 'degraded_medium' and metric == 'auroc_macro'")
    wide = rows.pivot(index="replicate", columns=["variant", "seed"], values="value")
    assert wide["ivsa"][0].equals(wide["ivsa"][1])
    assert wide["ivsa"][0].std() > 0


def test_a_study_that_compares_predicted_classes_alone_resamples_nothing(scored):
    params, root, _ = scored
    few = replace(params.compare, metrics=("accuracy", "f1_macro"))
    board = score_study(replace(params, compare=few, robustness={}), root)
    assert board.replicates.empty
    assert list(board.replicates.columns) == COLUMNS


def test_metrics_of_claims_are_resampled_where_the_study_tests_them():
    params = load_params(PROJECT / "studies" / "p2_t2.yaml")
    claims = load_claims(PROJECT / "studies" / "catalogue" / "claims.yaml")
    few = replace(params, compare=replace(params.compare, metrics=("accuracy",)))
    assert wanted_metrics(few, claims) == ["map50"]  # of p2_modules
    names = dict(list(params.variants.items())[:1])
    assert wanted_metrics(replace(few, variants=names), claims) == []
    test = RobustnessTest(kind="degraded", options={})
    a, b = list(params.variants)[:2]
    pair = {"a": a, "b": b}
    loss = _claim(**pair, metric="map50_95", kind="loses_less", robustness="degraded:medium")
    other = _claim(**pair, metric="face_detection", robustness="canvas:48")
    of_class = _claim(**pair, metric="recall:fear")
    cost = _claim(**pair, metric="fps", kind="ratio")
    altered = replace(few, robustness={"blur": test})
    asked = [loss, other, of_class, cost]
    assert wanted_metrics(altered, asked, "blur") == ["accuracy", "map50_95"]
    assert wanted_metrics(altered, asked) == ["map50_95"]
