"""Printed values, what we measured of them, and the verdicts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from tests.fabricated_study import fabricate
from tests.paper_splits import paper_splits

from ferbench.config.catalogue import Catalogue, study_files
from ferbench.config.params import Params, RobustnessTest, load_params
from ferbench.reporting.judging import stated_split
from ferbench.reporting.measured import measured
from ferbench.reporting.papers import COLUMNS, against_papers, paper_frame
from ferbench.reporting.printed import (
    KINDS,
    printed_data,
    printed_deltas,
    printed_size,
    printed_values,
)
from ferbench.reporting.study_files import StudyFiles
from ferbench.stats.evidence import Evidence

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
    faces: int = 2000,
) -> StudyFiles:
    """A study's files as far as papers need them: one data set row, own recipe.

    Of every metric there are two seeds, 0.2 points apart; of accuracy, the faces as well.
    """
    row = replace(
        base.datasets["synthetic"], name=source, source=source, protocol=protocol, limit=None
    )
    recipe = base.recipes["made_up"]
    stated = {**recipe.paper, "name": PAPER[source], "epochs": 1000, **(paper or {})}
    splits = paper_splits().get(str(stated["name"]), {})
    stated["data"] = {name: {"split": split} for name, split in splits.items()}
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
    answers_of = [
        _faces(results, variant, faces) for variant, metric, _ in means if metric == "accuracy"
    ]
    evidence = None
    if answers_of:
        results = results.assign(study="demo")
        evidence = Evidence(results, pd.concat(answers_of, ignore_index=True), {})
    return StudyFiles(params, results, facts=facts, descriptions=DESCRIPTIONS, evidence=evidence)


def _faces(results: pd.DataFrame, variant: str, faces: int) -> pd.DataFrame:
    """Faces, each of an image of its own, of which the same ones are right with every seed."""
    rows = results[(results["variant"] == variant) & (results["metric"] == "accuracy")]
    parts = []
    for row in rows.itertuples():
        right = np.arange(faces) < round(row.value * faces)
        part = pd.DataFrame({"image_id": [f"i{n}" for n in range(faces)], "face": 0})
        part = part.assign(person=None, target="anger", predicted="anger", correct=right)
        place = {"dataset": row.dataset, "protocol": row.protocol, "variant": variant}
        parts.append(part.assign(**place, seed=row.seed, best=True))
    return pd.concat(parts, ignore_index=True)


@cache
def studies() -> dict[str, Params]:
    """All studies by name."""
    return {path.stem: load_params(path) for path in STUDIES}


def paper_rows(found: StudyFiles) -> pd.DataFrame:
    return paper_frame(against_papers(found))


def scores_of(found: StudyFiles) -> pd.DataFrame:
    """The scores alone, by row."""
    rows = paper_rows(found)
    return rows[rows["kind"] == "score"].set_index("row")


def test_printed_scores_are_fractions_of_known_metrics() -> None:
    values = [v for v in printed_values() if v.kind in ("score", "confusion", "spread")]
    assert len(values) > 450
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


def test_every_printed_number_is_a_value_of_its_kind() -> None:
    """Counted in the file itself: what is read must be all that stands there."""
    text = (PROJECT / "src/ferbench/reporting/printed.yaml").read_text(encoding="utf-8")
    papers = yaml.safe_load(text)["papers"]
    about = {"opt_epoch", "imgsz", "rounds", "stage", "epoch", "variant", "base", "faces"}

    def numbers(node: object) -> int:
        if isinstance(node, dict):
            return sum(numbers(item) for key, item in node.items() if key not in about)
        if isinstance(node, list):
            return sum(map(numbers, node))
        return int(isinstance(node, int | float) and not isinstance(node, bool))

    for paper, entry in papers.items():
        for table, content in entry["tables"].items():
            found = [v for v in printed_values() if (v.paper, v.table) == (paper, table)]
            words = [v for v in found if v.value != v.value]  # NaN: printed as a word or a slash
            assert len(found) - len(words) == numbers(content), (paper, table)
    assert {v.kind for v in printed_values()} == set(KINDS)


def test_rounding_is_read_from_the_digits_of_the_file() -> None:
    units = {(v.place, v.row, v.metric): v.half_unit for v in printed_values()}
    assert units["P1-T3", "Improved VGG", "accuracy"] == pytest.approx(0.00005)  # 70.30 %
    assert units["P0-T5", "CSPDarknet53-last", "accuracy"] == pytest.approx(0.005)  # 93 %
    assert units["P0-T6", "Improve-YOLO-OSAM", "accuracy"] == pytest.approx(0.0005)  # 0.981
    assert units["P2-T7", "YOLO12n", "fps"] == pytest.approx(0.005)  # 619.49
    assert units["P2-T2", "baseline", "params_m"] == pytest.approx(0.05)  # 2.5


def test_papers_say_how_many_images_they_test() -> None:
    assert printed_data("P0", "CK+").test_images == round(0.2 * 981)
    assert printed_data("P1", "CK+").test_images == round(0.2 * 593)
    assert printed_data("P4", "RAF-DB-basic").test_images == 1534
    assert printed_data("P2", "LLD").test_images is None
    counts = [v.value for v in printed_values() if v.place == "P2-T1" and v.dataset == "RAF-DB"]
    assert sum(counts) == printed_data("P2", "RAF-DB-basic").images == 15339
    lld = [v.value for v in printed_values() if v.place == "P2-T1" and v.dataset == "LLD"]
    assert np.nansum(lld) == printed_data("P2", "LLD").images


def test_what_papers_say_of_their_data_is_the_same_in_both_files() -> None:
    sources = {"RAF-DB-basic": "rafdb_basic", "RAF-DB-compound": "rafdb_compound"}
    sources |= {"CK+": "ckplus", "FER2013": "fer2013", "LLD": "lld", "ExpW": "expw"}
    for family in ("p0", "p1", "p2", "p3", "p4"):
        said = Catalogue(PROJECT / "params.yaml").recipes[f"{family}_paper"]["paper"]["data"]
        for name, source in sources.items():
            printed = printed_data(family.upper(), name)
            if source in said:
                own = {k: None if v == "unstated" else v for k, v in said[source].items()}
                assert (own["images"], own["classes"]) == (printed.images, printed.classes)
            else:
                assert printed.images is None


def test_unreadable_cells_of_a_printed_matrix_are_left_out() -> None:
    cells = {(v.model, v.metric): v for v in printed_values() if v.place == "P3-F4"}
    assert len(cells) == 45 + 45
    assert ("yolov6s", "confused:neutral:fear") not in cells
    assert ("yolov6s", "confused:neutral:disgust") not in cells
    happy = cells["yolov6s", "confused:happiness:happiness"]
    assert (happy.value, happy.text) == (pytest.approx(6925 / 8989), "6925")
    assert happy.robustness == ("canvas", "mean")


def test_bare_alexnet_is_quoted() -> None:
    values = [v for v in printed_values() if v.place == "P0-T2"]
    assert [v.row for v in values if v.quoted] == ["AlexNet"]


def test_printed_value_is_judged_by_the_prediction_interval(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.704), ("ivsa", "accuracy", 0.60)]
    rows = paper_rows(files(base, "fer2013", "official", means, paper={"name": "p1"}))
    assert list(rows.columns) == list(COLUMNS)
    one = rows[rows["table"] == "T1"].set_index("row")
    assert one.loc["IVSA w/o SAB", "verdict"] == "reproduced"
    assert one.loc["IVSA", "verdict"] == "not reproduced"
    assert one.loc["IVSA w/o SAB", "difference"] == pytest.approx(0.704 - 0.7030)
    assert one.loc["IVSA", "difference_high"] < 0 < one.loc["IVSA w/o SAB", "difference_high"]
    assert "12 redundant copies" in one.loc["IVSA", "reason"]
    assert "the test images are the paper's own" in one.loc["IVSA", "reason"]


def test_a_paper_that_tests_all_parts_did_not_test_on_our_images(base: Params) -> None:
    """P3 counts all 35,887 images of FER2013, of which the official test part is a tenth."""
    found = files(base, "fer2013", "official", [], paper={"name": "p3"})
    variants = {"yolov6s": found.params.variants["yolov5s"]}
    study = replace(found, params=replace(found.params, variants=variants))
    value = next(v for v in printed_values() if (v.paper, v.model) == ("P3", "yolov6s"))
    assert stated_split(value, study, "only") is None
    other = files(base, "fer2013", "official", [], paper={"name": "p1"})
    of_p1 = next(v for v in printed_values() if (v.paper, v.model) == ("P1", "ivsa"))
    assert stated_split(of_p1, other, "only") == "official"


def test_few_test_images_of_the_paper_leave_a_value_undecided(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.935), ("ivsa", "accuracy", 0.80)]
    rows = paper_rows(files(base, "ckplus", "p1_60_20_20", means)).set_index("row")
    assert rows["verdict"].to_dict() == {"IVSA w/o SAB": "undecided", "IVSA": "not reproduced"}
    # 119 test images of the paper: 0.9303 * 0.0697 / 119, beside which ours hardly count.
    half = (rows["difference_high"] - rows["difference_low"])["IVSA w/o SAB"] / 2
    assert half == pytest.approx(1.96 * (0.9303 * 0.0697 / 119) ** 0.5, rel=0.08)


def test_one_seed_is_undecided_and_an_undefined_score_not_measured(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.704)]
    found = files(base, "fer2013", "official", means, paper={"name": "p1"})
    alone = replace(found, results=found.results[found.results["seed"] == 0])
    rows = paper_rows(alone)
    assert set(rows["verdict"]) == {"undecided"}
    assert "one seed has no interval" in rows["reason"].iloc[0]
    undefined = replace(found, results=found.results.assign(value=float("nan")))
    assert set(paper_rows(undefined)["verdict"]) == {"not measured"}


def test_a_score_without_predictions_is_undecided(base: Params) -> None:
    means = [("vgg_improved", "accuracy", 0.30)]
    found = files(base, "fer2013", "official", means, paper={"name": "p1"})
    rows = paper_rows(replace(found, evidence=None))
    assert set(rows["verdict"]) == {"undecided"}
    assert "the variance of the test faces is not known" in rows["reason"].iloc[0]


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
    assert set(paper_rows(found)["verdict"]) == {"undecided"}
    changed = replace(found.params.variants["vgg_improved"], paper="none")
    params = replace(found.params, variants={"vgg_improved": changed})
    (reason,) = set(paper_rows(replace(found, params=params))["reason"])
    assert reason.startswith("the study's row has another part than the paper's model")
    for paper, words in (({"name": "p4"}, "the recipe of P4"), ({}, "the recipe of no paper")):
        recipe = replace(found.params.recipes["made_up"], paper=paper)
        params = replace(found.params, recipes={"made_up": recipe})
        (reason,) = set(paper_rows(replace(found, params=params))["reason"])
        assert f"trained by {words}" in reason


def test_table_that_the_study_answers_is_listed_whole(base: Params) -> None:
    rows = paper_rows(files(base, "ckplus", "p1_60_20_20", [], answers=["P1-T2"]))
    assert "LDL-ALSG" in set(rows["row"])
    quoted = rows[rows["row"] == "AGRA"].iloc[0]
    assert quoted["verdict"] == "not measured"
    assert quoted["reason"] == "the paper quotes this value from another work"


def test_printed_scores_of_boxes_are_not_compared_with_scores_of_faces(base: Params) -> None:
    means = [("yolov5s", "f1_macro", 0.95), ("yolov5s", "map50", 0.99)]
    own = {"name": "p0"}
    rows = paper_rows(files(base, "ckplus", "stratified_70_10_20", means, paper=own))
    by_metric = rows[rows["table"] == "T1"].set_index("metric")
    assert "over boxes" in by_metric.loc["f1_macro", "reason"]
    assert by_metric.loc["map50", "verdict"] == "undecided"


def test_synthetic_study_has_no_printed_values(base: Params) -> None:
    means = [("ivsa", "accuracy", 0.9)]
    assert paper_rows(files(base, "synthetic", "person_70_10_20", means)).empty


def test_every_printed_model_is_a_row_of_the_catalogue() -> None:
    known = Catalogue(PROJECT / "params.yaml").variants
    models = set().union(*printed_models().values())
    assert len(models) > 70
    assert models <= known.keys()


def test_every_printed_row_that_is_not_quoted_has_a_model() -> None:
    lonely = {
        value.place
        for value in printed_values()
        if value.model is None and not value.quoted and value.kind == "score"
    }
    assert lonely == {"P3-F3"}  # labels of curves that cannot be told apart


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
    assert {table for table, models in printed_models().items() if models} <= answered.keys()


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
    train = [v for v in values if v.paper == "P0" and v.table in ("T4", "T5", "T6")]
    assert {v.subset for v in train} == {"train"}
    assert {v.dataset for v in train} == {"CK+"}
    text = {v.row: v.subset for v in values if (v.paper, v.table) == ("P4", "text")}
    assert text == {"test": "test", "best validation": "val", "training": "train"}


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
    rows = scores_of(found)
    name = "YOLOv6 Small-unweighted class-Mean"
    assert "a robustness test that the study does not run" in rows.loc[name, "reason"]
    tests = {"canvas": RobustnessTest("canvas", {})}
    scores = {"subset": "canvas_mean", "metric": "accuracy", "variant": "yolov6s"}
    place = {"dataset": "fer2013", "protocol": "official"}
    results = pd.DataFrame([{**place, **scores, "seed": s, "value": 0.4 + s / 10} for s in (0, 1)])
    altered = replace(found, params=replace(params, robustness=tests), results=results)
    row = scores_of(altered).loc[name]
    assert (row["mean"], row["n"], row["verdict"]) == (pytest.approx(0.45), 2, "not comparable")
    assert row["printed"] == pytest.approx(0.4708)
    assert "trained on fer2013, the paper's on ExpW" in row["reason"]
    ((key, alone),) = params.datasets.items()
    crossed = replace(alone, source="cross", options={"train": "expw", "test": "fer2013"})
    params = replace(altered.params, datasets={key: crossed})
    reason = scores_of(replace(altered, params=params)).loc[name, "reason"]
    assert "trained on" not in reason and "training images" not in reason


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
    assert (row["printed"], row["verdict"]) == (pytest.approx(0.9373), "undecided")
