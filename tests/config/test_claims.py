"""The claims of the catalogue: every printed gain again, and what is refused."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.example_study import PROJECT, example_tree
from tests.paper_splits import paper_splits

from ferbench.config.catalogue import read_yaml
from ferbench.config.claims import TABLES, Claim, load_claims
from ferbench.config.params import load_params
from ferbench.errors import InputError
from ferbench.reporting.printed import SOURCES, printed_deltas, printed_values

CATALOGUE = PROJECT / "studies" / "catalogue"
CLAIMS = load_claims(CATALOGUE / "claims.yaml")
PRINTED = yaml.safe_load((PROJECT / "src/ferbench/reporting/printed.yaml").read_text())["papers"]
WEIGHTED, PLAIN = "top_weighted", "bottom_unweighted"


def _printed(claim: Claim, table: str, variant: str) -> float:
    (value,) = {
        value.value
        for value in printed_values()
        if (value.paper.lower(), value.table, value.model, value.metric)
        == (claim.paper, table, variant, claim.metric)
        and SOURCES[value.dataset] == claim.dataset
        and ":".join(value.robustness or ()) == claim.robustness
        and (not value.quoted or "quoted" in claim.note)
    }
    return value


def _gains(claim: Claim) -> list[float]:
    """The gain of a claim by each of its tables."""
    if claim.kind == "ratio":
        rows = {row["model"]: row for row in PRINTED["P2"]["tables"]["T7"]["rows"]}
        assert claim.costs == (rows[claim.a][claim.metric], rows[claim.b][claim.metric])
        return [rows[claim.a][claim.metric] / rows[claim.b][claim.metric]]
    if claim.kind == "loses_less":
        lost = {delta.model: delta.values["mean"] for delta in printed_deltas()}
        return [lost[claim.a] - lost[claim.b]]
    if claim.tables == ("F4",):
        table = PRINTED["P3"]["tables"]["F4"]
        row = table["order"].index(claim.metric.removeprefix("recall:"))
        with_weights, without = (table["matrices"][name][row] for name in (WEIGHTED, PLAIN))
        return [with_weights[row] / sum(with_weights) - without[row] / sum(without)]
    return [_printed(claim, t, claim.a) - _printed(claim, t, str(claim.b)) for t in claim.tables]


def test_protocols_of_claims_are_the_splits_of_the_papers_recipes() -> None:
    splits = paper_splits()
    differing = {
        (claim.id, claim.dataset, claim.protocol, stated)
        for claim in CLAIMS
        if claim.protocol and (stated := splits[claim.paper].get(claim.dataset)) != claim.protocol
    }
    assert not differing


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: "-".join(map(str, c.key)))
def test_every_gain_is_what_its_tables_print(claim: Claim) -> None:
    if claim.gain is None:
        without = {"p3_weights_minority", "p3_faces", "p4_cbam", "field_leak"}
        assert claim.id in without
        return
    for gain in _gains(claim):
        assert claim.gain == pytest.approx(gain, abs=1e-6)


def test_the_unprinted_gain_of_disgust_is_an_unreadable_cell() -> None:
    table = PRINTED["P3"]["tables"]["F4"]
    row = table["order"].index("disgust")
    assert table["matrices"][PLAIN][row][row] is None


def test_printed_runs_and_deviations_are_those_of_the_tables() -> None:
    (ttest,) = (claim for claim in CLAIMS if claim.id == "p0_ttest")
    rows = {row["model"]: row for row in PRINTED["P0"]["tables"]["T3"]["rows"]}
    assert ttest.n == rows[ttest.a]["rounds"] == rows[ttest.b]["rounds"]
    printed = [rows[name]["accuracy_std"] / 100 for name in (ttest.a, str(ttest.b))]
    assert ttest.sd == pytest.approx(printed)
    (full,) = (claim for claim in CLAIMS if "T5" in claim.tables and claim.paper == "p2")
    rows = {row["model"]: row for row in PRINTED["P2"]["tables"]["T5"]["rows"]}
    assert full.sd == tuple(rows[name]["map50_std"] for name in (full.a, full.b))


def test_tables_are_those_that_the_papers_print() -> None:
    assert {paper.lower(): tuple(entry["tables"]) for paper, entry in PRINTED.items()} == TABLES


def test_decimals_are_those_of_the_coarser_printed_number() -> None:
    for claim in CLAIMS:
        if claim.kind not in ("gain", "best_of") or claim.gain is None or claim.tables == ("F4",):
            continue
        values = [100 * _printed(claim, claim.tables[0], str(v)) for v in (claim.a, claim.b)]
        coarse = [value == pytest.approx(round(value, claim.decimals)) for value in values]
        assert any(coarse), claim.key


def test_signs_follow_the_printed_gain_before_the_sentence() -> None:
    named = {claim.key: claim for claim in CLAIMS}
    against = named["p0_osam_yolov5s", "ckplus", "accuracy", "yolov5s_osam", "yolov5s", ""]
    assert (against.sign, against.claimed_sign) == (-1, 1)
    level = named["p0_cbamo_cbam_cspd53", "ckplus", "accuracy", "cspd53_cbamo", "cspd53_cbam", ""]
    assert (level.gain, level.sign) == (0.0, 1)
    cost = named["p2_cost", "any", "fps", "yolo_fer", "yolo12n", ""]
    assert (cost.sign, cost.ratio_bounds[0] < cost.gain < cost.ratio_bounds[1]) == (-1, True)


def test_a_printed_ratio_has_the_bounds_of_its_rounded_numbers() -> None:
    (claim,) = (c for c in CLAIMS if (c.metric, c.a) == ("params_m", "yolo_fer"))
    assert claim.ratio_bounds == pytest.approx((2.95 / 2.55, 3.05 / 2.45))
    (unknown,) = (c for c in CLAIMS if c.id == "p4_cbam")
    assert math.isnan(unknown.ratio_bounds[0])


def _refusal(folder: Path, **changes: Any) -> str:
    """The message for a catalogue whose one claim is changed."""
    catalogue = folder / "catalogue"
    catalogue.mkdir(exist_ok=True)
    shutil.copy(CATALOGUE / "variants.yaml", catalogue)
    record = {"dataset": "ckplus", "metric": "accuracy", "a": "ivsa", "b": "vgg_improved"}
    shared = {"paper": "p1", "tables": ["T2"], "sentence": "SAB helps"}
    entry = {**shared, "records": [{**record, **changes}]}
    (catalogue / "claims.yaml").write_text(yaml.safe_dump({"one": entry}))
    with pytest.raises(InputError) as caught:
        load_claims(catalogue / "claims.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"a": "ivsb"}, ["unknown variant 'ivsb'", "did you mean 'ivsa'"]),
        ({"b": "none"}, ["unknown variant 'none'"]),
        ({"tables": ["T9"]}, ["unknown table of p1 'T9'", "known: T1, T2, T3"]),
        ({"dataset": "ck"}, ["unknown data set 'ck'", "ckplus"]),
        ({"metric": "acuracy"}, ["unknown metric 'acuracy'", "did you mean 'accuracy'"]),
        ({"metric": "recall:joy"}, ["unknown emotion 'joy'", "happiness"]),
        ({"metric": "confused:fear"}, ["unknown metric", "confused:<emotion>:<emotion>"]),
        ({"robustness": "degraded"}, ["names no condition of degraded"]),
        ({"robustness": "fog:1"}, ["unknown robustness test 'fog'", "canvas"]),
        ({"kind": "threshold"}, ["b does not fit kind threshold"]),
        ({"kind": "loses_less"}, ["robustness does not fit"]),
        ({"kind": "ratio"}, ["metric does not fit kind ratio", "gflops"]),
        ({"metric": "fps"}, ["metric does not fit kind gain"]),
        ({"gian": 0.1}, ["unknown key 'gian'", "gain"]),
    ],
)
def test_what_is_unknown_is_refused_with_what_there_is(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    message = _refusal(tmp_path, **changes)
    assert all(word in message for word in words), message


def test_a_record_that_stands_twice_is_refused(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue"
    shutil.copytree(CATALOGUE, catalogue)
    tree = read_yaml(catalogue / "claims.yaml")
    tree["p4_cbam"]["records"] *= 2
    (catalogue / "claims.yaml").write_text(yaml.safe_dump(tree))
    with pytest.raises(InputError, match="p4_cbam: is listed twice"):
        load_claims(catalogue / "claims.yaml")


def test_a_missing_file_and_records_that_are_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_claims(tmp_path / "claims.yaml")
    (tmp_path / "claims.yaml").write_text("one: {paper: p0}")
    with pytest.raises(InputError, match="no list of mappings"):
        load_claims(tmp_path / "claims.yaml")


OWN = {
    "id": "mine",
    "paper": "mine",
    "tables": [],
    "sentence": "SAB helps on synthetic faces",
    "dataset": "synthetic",
    "metric": "accuracy",
    "a": "ivsa",
    "b": "vgg_improved",
}


def _study(folder: Path, *claims: dict[str, Any]) -> Path:
    tree = example_tree() | {"claims": list(claims)}
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def test_a_study_has_claims_of_its_own(tmp_path: Path) -> None:
    (claim,) = load_params(_study(tmp_path, OWN)).claims
    assert (claim.id, claim.gain, claim.sign) == ("mine", None, 1)


def test_own_claims_are_about_variants_of_the_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="claims: mine: unknown variant 'alexnet'"):
        load_params(_study(tmp_path, OWN | {"a": "alexnet"}))
    with pytest.raises(InputError, match=r"claims\[0\]"):
        load_params(_study(tmp_path, OWN | {"metric": "acuracy"}))
