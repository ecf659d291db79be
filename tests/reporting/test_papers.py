"""Printed values, what we measured of them, and the verdicts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.fabricated_study import fabricate

from ferbench.config.catalogue import Catalogue, study_files
from ferbench.config.params import Params, RobustnessTest, load_params
from ferbench.reporting.papers import COLUMNS, against_papers, measured, paper_frame
from ferbench.reporting.printed import printed_deltas, printed_size, printed_values
from ferbench.reporting.study_files import StudyFiles

PROJECT = Path(__file__).parents[2]
STUDIES = study_files(PROJECT / "studies")
# Whose recipe a study on a data set is made to run.
PAPER = {"ckplus": "p1", "synthetic": "p1", "fer2013": "p3", "rafdb_basic": "p1"}
DESCRIPTIONS = {
    name: {"task": "detect" if name.startswith("yolo") else "classify"}
    for name in ("vgg_improved", "ivsa", "yolov5s", "yolov5s_osam")
}


@cache
def printed_models() -> dict[str, set[str]]:
    """By table, such as `P0-T2`, the models of its rows."""
    text = (PROJECT / "src/ferbench/reporting/printed.yaml").read_text(encoding="utf-8")
    models = defaultdict(set)
    for paper, entry in yaml.safe_load(text)["papers"].items():
        for table, content in entry["tables"].items():
            models[f"{paper}-{table}"] |= {row.get("model") for row in content.get("rows", ())}
    return {table: found - {None} for table, found in models.items()}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """The parameters of a fabricated study."""
    return fabricate(tmp_path_factory.mktemp("study"), (0, 1), faces=5)


def files(
    base: Params,
    source: str,
    protocol: str,
    means: Sequence[tuple[str, str, float]],
    answers: Sequence[str] = (),
    paper: Mapping[str, object] | None = None,
) -> StudyFiles:
    """A study's files as far as papers need them: one data set row, own recipe."""
    row = replace(
        base.datasets["synthetic"], name=source, source=source, protocol=protocol, limit=None
    )
    recipe = base.recipes["made_up"]
    stated = {**recipe.paper, "name": PAPER[source], "epochs": 1000, **(paper or {})}
    recipe = replace(recipe, epochs=1000, paper=stated)
    params = replace(
        base,
        study=replace(base.study, paper_tables=tuple(answers)),
        datasets={"only": row},
        recipes={"made_up": recipe},
    )
    results = pd.DataFrame(
        [
            {
                **{"dataset": source, "protocol": protocol, "variant": variant},
                **{"metric": metric, "subset": "test", "seed": seed, "value": value},
            }
            for variant, metric, mean in means
            for seed, value in enumerate((mean - 0.001, mean + 0.001))
        ]
    )
    facts = {"only": {"redundant_copies": 12}}
    return StudyFiles(params, results, facts=facts, descriptions=DESCRIPTIONS)


@cache
def studies() -> dict[str, Params]:
    """All studies by name."""
    return {path.stem: load_params(path) for path in STUDIES}


def paper_rows(found: StudyFiles) -> pd.DataFrame:
    return paper_frame(against_papers(found))


def test_printed_values_are_fractions_of_known_metrics() -> None:
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


def test_printed_value_inside_the_interval_is_reproduced(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.935), ("ivsa", "accuracy", 0.90)]
    rows = paper_rows(files(base, "ckplus", "p1_60_20_20", means))
    assert list(rows.columns) == list(COLUMNS)
    verdicts = rows.set_index("row")["verdict"].to_dict()
    assert verdicts == {"IVSA w/o SAB": "reproduced", "IVSA": "not reproduced"}
    assert rows["printed"].tolist() == pytest.approx([0.9303, 0.9552])
    assert "12 redundant copies" in rows["reason"].iloc[0]


def test_other_split_or_recipe_is_not_comparable_with_its_reasons(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.935)]
    rows = paper_rows(
        files(base, "ckplus", "person_70_10_20", means, paper={"epochs": 2000, "lr": "unstated"})
    )
    assert set(rows["verdict"]) == {"not comparable"}
    reason = rows["reason"].iloc[0]
    assert "person_70_10_20, the paper's p1_60_20_20" in reason
    assert "differs from the paper: 1000 epochs instead of 2000" in reason
    assert "not stated by the paper: learning rate" in reason


def test_changed_network_or_recipe_of_another_paper_is_not_comparable(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.935)]
    found = files(base, "ckplus", "p1_60_20_20", means)
    assert set(paper_rows(found)["verdict"]) == {"reproduced"}
    changed = replace(found.params.variants["vgg_improved"], paper="none")
    params = replace(found.params, variants={"vgg_improved": changed})
    (reason,) = set(paper_rows(replace(found, params=params))["reason"])
    assert reason == "the study's row has another part than the paper's model"
    for paper, words in (({"name": "p4"}, "the recipe of P4"), ({}, "the recipe of no paper")):
        recipe = replace(found.params.recipes["made_up"], paper=paper)
        params = replace(found.params, recipes={"made_up": recipe})
        (reason,) = set(paper_rows(replace(found, params=params))["reason"])
        assert f"trained by {words}" in reason


def test_table_that_the_study_answers_is_listed_whole(base: Params) -> None:
    rows = paper_rows(files(base, "ckplus", "p1_60_20_20", [], answers=["P1-T2"]))
    assert "LDL-ALSG" in set(rows["row"])
    quoted = rows[rows["row"] == "AGRA"].iloc[0]
    assert (quoted["verdict"], quoted["reason"]) == ("not comparable", "not run in this study")


def test_printed_scores_of_boxes_are_not_compared_with_scores_of_faces(base: Params) -> None:
    means = [("yolov5s", "f1_macro", 0.95), ("yolov5s", "map50", 0.99)]
    own = {"name": "p0"}
    rows = paper_rows(files(base, "ckplus", "stratified_70_10_20", means, paper=own))
    by_metric = rows[rows["table"] == "T1"].set_index("metric")
    assert "over boxes" in by_metric.loc["f1_macro", "reason"]
    assert by_metric.loc["map50", "verdict"] == "reproduced"


def test_synthetic_study_has_no_printed_values(base: Params) -> None:
    means = [("ivsa", "accuracy", 0.9)]
    assert paper_rows(files(base, "synthetic", "person_70_10_20", means)).empty


def test_every_printed_model_is_a_row_of_the_catalogue() -> None:
    known = Catalogue(PROJECT / "params.yaml").variants
    models = set().union(*printed_models().values())
    assert len(models) > 70
    assert models <= known.keys()


def test_every_printed_row_that_is_not_quoted_has_a_model() -> None:
    tables = {table for table, found in printed_models().items() if found}
    lonely = {
        value.row
        for value in printed_values()
        if value.model is None and not value.quoted and f"{value.paper}-{value.table}" in tables
    }
    assert lonely == set()


def test_studies_answer_printed_tables() -> None:
    tables = printed_models()
    for name, params in studies().items():
        assert set(params.study.paper_tables) <= tables.keys(), name


def test_every_table_with_models_has_a_study_with_all_of_them() -> None:
    answered = defaultdict(set)
    for name, params in studies().items():
        if re.match(r"p\d_t", name):
            for table in params.study.paper_tables:
                missing = printed_models()[table] - params.variants.keys()
                assert missing == set(), (name, table)
                answered[table].add(name)
    assert answered.keys() == {table for table, models in printed_models().items() if models}


def test_setting_that_has_a_row_of_its_own_is_no_setting() -> None:
    values = {(v.table, v.row): v for v in printed_values() if v.paper in ("P0", "P2", "P3")}
    assert values["T5", "CSPDarknet53-embedding"].model == "cspd53_osam_embedding"
    assert values["T4", "YOLOv5, CBL = 0"].model == "yolov5s_osam_cbl0"
    assert values["T4", "YOLOv5, CBL = 0"].value == pytest.approx(0.901)
    assert (values["T10", "ReLU6"].model, values["T10", "ReLU6"].setting) == ("yolo_fer_relu6", "")
    small = values["T2", "YOLOv6 Small-640(Ours)"]
    assert (small.model, small.setting, small.robustness) == (
        "yolov6s_weighted",
        "",
        ("canvas", "640"),
    )


def test_printed_scores_on_other_images_than_test_are_marked() -> None:
    values = printed_values()
    train = [v for v in values if v.paper == "P0" and v.table in ("T5", "T6")]
    assert {v.setting for v in train} == {"a score measured in training, not on test"}
    assert {v.dataset for v in train} == {"CK+"}
    text = {v.row: v.setting for v in values if (v.paper, v.table) == ("P4", "text")}
    assert text["test"] == ""
    assert "best validation" in text["best validation"]


def test_printed_size_is_that_of_the_model_itself() -> None:
    assert printed_size("yolo12n_lrfe", "params_m") == 2.8
    assert printed_size("yolo_fer", "gflops") == 7.7
    assert printed_size("yolo_fer_relu6", "params_m") is None


def test_printed_canvas_row_is_compared_with_the_robustness_test_of_that_kind(base: Params) -> None:
    found = files(base, "fer2013", "official", [], answers=["P3-T2"])
    table = {**found.params.variants, "yolov6s": found.params.variants["yolov5s"]}
    params = replace(found.params, variants=table)
    described = {**DESCRIPTIONS, "yolov6s": {"task": "detect"}}
    found = replace(found, params=params, descriptions=described)
    rows = paper_rows(found).set_index("row")
    name = "YOLOv6 Small-unweighted class-Mean"
    assert "a robustness test that the study does not run" in rows.loc[name, "reason"]
    tests = {"canvas": RobustnessTest("canvas", {})}
    scores = {"subset": "canvas_mean", "metric": "accuracy", "variant": "yolov6s"}
    place = {"dataset": "fer2013", "protocol": "official"}
    results = pd.DataFrame([{**place, **scores, "seed": s, "value": 0.4 + s / 10} for s in (0, 1)])
    altered = replace(found, params=replace(params, robustness=tests), results=results)
    row = paper_rows(altered).set_index("row").loc[name]
    assert (row["mean"], row["n"], row["verdict"]) == (pytest.approx(0.45), 2, "not comparable")
    assert row["printed"] == pytest.approx(0.4708)
    assert "35,887 images" in row["reason"]
    assert "trained on fer2013, the paper's on ExpW" in row["reason"]
    ((key, alone),) = params.datasets.items()
    crossed = replace(alone, source="cross", options={"train": "expw", "test": "fer2013"})
    params = replace(altered.params, datasets={key: crossed})
    reason = paper_rows(replace(altered, params=params)).set_index("row").loc[name, "reason"]
    assert "35,887 images" in reason and "trained on" not in reason


def test_recall_of_a_class_and_confusion_of_a_pair_are_measured(base: Params) -> None:
    found = files(base, "rafdb_basic", "official", [])
    where = {"dataset": "rafdb_basic", "protocol": "official", "variant": "ivsa", "subset": "test"}
    counts = [
        (0, "anger", 6),
        (0, "disgust", 2),
        (0, "none", 2),
        (1, "anger", 5),
        (1, "disgust", 5),
    ]
    confusion = pd.DataFrame(
        [{**where, "seed": s, "target": "anger", "predicted": p, "count": n} for s, p, n in counts]
    )
    classes = pd.DataFrame(
        [
            {**where, "seed": s, "emotion": "anger", "metric": "recall", "value": v}
            for s, v in ((0, 0.6), (1, 0.5))
        ]
    )
    found = replace(found, confusion=confusion, tables={"classes": classes})
    taken = measured(found, "only", "ivsa", "confused:anger:disgust", "test")
    assert taken.values == pytest.approx((0.2, 0.5))
    assert measured(found, "only", "ivsa", "recall:anger", "test").mean == pytest.approx(0.55)
    assert measured(found, "only", "ivsa", "recall:fear", "test") is None


def test_printed_values_include_classes_pairs_and_degraded_images() -> None:
    values = {(v.paper, v.table, v.row, v.metric, v.model): v for v in printed_values()}
    pair = values["P2", "T4", "YOLO12n", "confused:anger:disgust", "yolo12n"]
    assert pair.value == pytest.approx(0.10)
    assert values["P4", "T1", "Fear", "f1:fear", "resnet50_cbam_light"].value == pytest.approx(0.54)
    degraded = values["P2", "T13", "degraded", "ap50:anger", "yolo_fer"]
    assert (degraded.value, degraded.robustness) == (pytest.approx(0.856), ("degraded", "medium"))
    deltas = {delta.model: delta for delta in printed_deltas()}
    before = values["P2", "T13", "original", "ap50:anger", "yolo_fer"]
    printed = deltas["yolo_fer"].values["anger"]
    assert degraded.value - before.value == pytest.approx(printed)


def test_printed_scores_of_boxes_are_compared_with_ours_of_boxes(base: Params) -> None:
    means = [("yolov5s", "f1_macro", 0.99), ("yolov5s", "f1_box", 0.935)]
    own = {"name": "p0"}
    rows = paper_rows(files(base, "ckplus", "stratified_70_10_20", means, paper=own))
    row = rows[rows["table"] == "T1"].set_index("metric").loc["f1_box"]
    assert (row["printed"], row["verdict"]) == (pytest.approx(0.9373), "reproduced")
