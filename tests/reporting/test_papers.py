from dataclasses import replace

import pytest
from tests.fabricated_study import fabricate

from ferbench.reporting.papers import COLUMNS, paper_rows
from ferbench.reporting.printed import printed_values
from ferbench.reporting.study_files import StudyFiles
from ferbench.reporting.summary import Mean

DESCRIPTIONS = {
    name: {"task": "detect" if name.startswith("yolo") else "classify"}
    for name in ("vgg_improved", "ivsa", "yolov5s", "yolov5s_osam")
}


def files(tmp_path, source, protocol, means, answers=(), deviations=()):
    """A study's files as far as papers need them: one data set row, own recipe."""
    params = fabricate(tmp_path, (0, 1), faces=5)
    row = replace(
        params.datasets["synthetic"], name=source, source=source, protocol=protocol, limit=None
    )
    recipe = replace(params.recipes["made_up"], epochs=1000, deviations=tuple(deviations))
    params = replace(
        params,
        study=replace(params.study, answers=tuple(answers)),
        datasets={"only": row},
        recipes={"made_up": recipe},
    )
    found = [
        Mean(source, protocol, variant, metric, mean, mean - 0.01, mean + 0.01, 0.001, (mean, mean))
        for variant, metric, mean in means
    ]
    facts = {"only": {"redundant_copies": 12}}
    return StudyFiles(params, found, (), None, None, facts, {}, DESCRIPTIONS, ())


def test_printed_values_are_fractions_of_known_metrics():
    values = printed_values()
    assert len(values) > 250
    assert all(0 <= v.value <= 1 for v in values)
    one = next(v for v in values if (v.paper, v.table, v.row) == ("P1", "T3", "Improved VGG"))
    assert (one.model, one.dataset, one.metric, one.value) == (
        "vgg_improved",
        "FER2013",
        "accuracy",
        pytest.approx(0.7030),
    )
    plus = [v for v in values if v.model == "yolo12n_star_mca"]
    assert {v.dataset for v in plus} == {"RAF-DB-basic", "LLD"}


def test_a_printed_value_inside_the_interval_is_reproduced(tmp_path):
    means = [("vgg_improved", "accuracy", 0.935), ("ivsa", "accuracy", 0.90)]
    rows = paper_rows(files(tmp_path, "ckplus", "p1_60_20_20", means))
    assert list(rows.columns) == list(COLUMNS)
    verdicts = rows.set_index("row")["verdict"].to_dict()
    assert verdicts == {"IVSA w/o SAB": "reproduced", "IVSA": "not reproduced"}
    assert rows["printed"].tolist() == pytest.approx([0.9303, 0.9552])
    assert "12 redundant copies" in rows["reason"].iloc[0]


def test_another_split_or_recipe_is_not_comparable_and_says_why(tmp_path):
    means = [("vgg_improved", "accuracy", 0.935)]
    rows = paper_rows(
        files(tmp_path, "ckplus", "person_70_10_20", means, deviations=["half the epochs"])
    )
    assert set(rows["verdict"]) == {"not comparable"}
    reason = rows["reason"].iloc[0]
    assert "person_70_10_20, the paper's p1_60_20_20" in reason
    assert "half the epochs" in reason


def test_a_table_that_the_study_answers_is_listed_whole(tmp_path):
    rows = paper_rows(files(tmp_path, "ckplus", "p1_60_20_20", [], answers=["P1-T2"]))
    assert "LDL-ALSG" in set(rows["row"])
    quoted = rows[rows["row"] == "AGRA"].iloc[0]
    assert (quoted["verdict"], quoted["reason"]) == ("not comparable", "not run in this study")


def test_box_means_of_a_detector_are_not_held_against_face_means(tmp_path):
    means = [("yolov5s", "f1_macro", 0.95), ("yolov5s", "map50", 0.99)]
    rows = paper_rows(files(tmp_path, "ckplus", "stratified_70_10_20", means))
    by_metric = rows[rows["table"] == "T1"].set_index("metric")
    assert "over boxes" in by_metric.loc["f1_macro", "reason"]
    assert by_metric.loc["map50", "verdict"] == "reproduced"


def test_a_synthetic_study_has_nothing_to_hold_against(tmp_path):
    means = [("ivsa", "accuracy", 0.9)]
    assert paper_rows(files(tmp_path, "synthetic", "person_70_10_20", means)).empty
