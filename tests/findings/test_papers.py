"""Every finding is measured, can fail, and yields the published numbers."""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ferbench.errors import InputError
from ferbench.findings import papers
from ferbench.findings.networks import noise
from ferbench.findings.papers import p0, p2, p3_caption_swapped
from ferbench.findings.result import Finding, judged, read_findings
from ferbench.models.attention.sab import SAB
from ferbench.plugins import load, names

pytestmark = pytest.mark.thorough

PAPERS = "ferbench.findings.papers"
NAMES = names(PAPERS)
SCRIPT = Path(__file__).parents[2] / "pipeline" / "findings.py"


@pytest.fixture(scope="module", autouse=True)
def count_once() -> Iterator[None]:
    """Count parameters and operations once: seconds each, and constants of the code."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_parameter_counts", "gflops"):
            patch.setattr(p2, name, cache(getattr(p2, name)))
        network = p2.deployed(p2.yolo12(mca=True, star=True, lrfe="dilated").eval())
        patch.setattr(p2, "deployed", lambda _: network)
        yield


@cache
def found(name: str) -> Finding:
    finding: Finding = load(PAPERS, name)()
    return finding


def fabricated(holds: bool) -> Finding:
    """A finding that measured nothing."""
    return judged(
        "made_up",
        "P9, table 1",
        "Cats are dogs.",
        measured={"cats": 3, "share": 2 / 3},
        checks={"cats bark": holds, "dogs bark": True},
        verdict="They are.",
        ours="Cats are cats.",
    )


# What holds for every finding


@pytest.mark.parametrize("name", NAMES)
def test_finding_holds_and_is_fully_described(name: str) -> None:
    finding = found(name)
    assert finding.holds, finding.verdict
    assert finding.name == name
    assert finding.paper.startswith(name[:2].upper())
    for text in (finding.claim, finding.verdict, finding.ours):
        assert text.endswith(".")
    assert "Does not hold" not in finding.verdict
    assert finding.measured
    assert all(math.isfinite(number) for number in finding.measured.values())
    json.dumps(asdict(finding), allow_nan=False)


@pytest.mark.parametrize("name", NAMES)
def test_finding_is_reproducible_and_leaves_torchs_generator_alone(name: str) -> None:
    first = found(name)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert load(PAPERS, name)() == first
    assert torch.equal(torch.get_rng_state(), before)


# Each finding can fail


def _all_four(self: Any, x: Tensor) -> Tensor:
    units: Tensor = self.units(x)
    return units


BROKEN: list[tuple[str, object, str, object, str]] = [
    (
        "p0_identity_gate",
        f"{PAPERS}.p0._RELEASED",
        "",
        {"norm": "sigmoid"},
        "released gates change nothing and have no gradient; the detector with released gates",
    ),
    (
        "p0_cbl4_is_cbl3",
        f"{PAPERS}.p0._ReleasedBranch.forward",
        "",
        _all_four,
        "released n = 4 equals n = 3 at the same weights; the fourth unit of each branch",
    ),
    ("p1_gamma_shrinks", SAB, "channel_scale", lambda self: 1.0, "every literal block leaves less"),
    (
        "p2_atfl_easy_branch",
        f"{PAPERS}.p2._levels",
        "",
        lambda: {"all": 0.95, "foreground": 0.999},
        "the mean over all scores is above 0.999; easy scores keep more than 0.99 of their weight; "
        "with the mean at faces",
    ),
    (
        "p0_headline_is_a_best",
        f"{PAPERS}.p0._HEADLINE",
        "",
        91.0,
        "the headline is above the interval of the mean; it is at least as far above",
    ),
    (
        "p2_delta_misprint",
        f"{PAPERS}.p2._CHANGES",
        "",
        dict.fromkeys(("yolo_fer", "yolo12n"), ((50.0,) * 8, (40.0,) * 8, (-10.0,) * 8)),
        "one change differs",
    ),
    (
        "p3_caption_swapped",
        f"{PAPERS}.p3_caption_swapped._UPPER",
        "",
        (1366, 100, 47, 6925, 769, 2812, 4878),
        "the upper matrix has the weighted accuracy; it has not the other",
    ),
    (
        "p2_gflops_constant",
        f"{PAPERS}.p2._GFLOPS",
        "",
        {320: 1.9, 480: 4.4, 640: 7.7},
        "the paper prints one value; ours at 320 px",
    ),
    (
        "p2_parameters_not_additive",
        f"{PAPERS}.p2._PARAMETERS",
        "",
        {
            **dict.fromkeys(("yolo12n", "yolo12n_star", "yolo12n_mca", "yolo12n_atfl"), 2.5),
            **dict.fromkeys(("yolo12n_lrfe", "yolo12n_star_mca"), 2.8),
            **dict.fromkeys(("yolo12n_star_mca_lrfe", "yolo_fer"), 2.9),
        },
        "rounded values leave the row with three modules too small; so do values cut off",
    ),
]


def test_every_finding_has_a_case_in_which_it_fails() -> None:
    assert sorted(name for name, *_ in BROKEN) == NAMES


@pytest.mark.parametrize(
    ("name", "target", "attribute", "value", "failed"), BROKEN, ids=[name for name, *_ in BROKEN]
)
def test_finding_with_a_false_claim_lists_the_failed_checks(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    target: Any,
    attribute: str,
    value: object,
    failed: str,
) -> None:
    if attribute:
        monkeypatch.setattr(target, attribute, value)
    else:
        monkeypatch.setattr(target, value)
    finding = load(PAPERS, name)()
    assert not finding.holds
    assert finding.verdict.startswith(f"Does not hold here; failed: {failed}")


def test_finding_holds_only_if_every_check_passes() -> None:
    assert fabricated(True).verdict == "They are."
    assert fabricated(True).holds
    false = fabricated(False)
    assert not false.holds
    assert false.verdict == "Does not hold here; failed: cats bark."
    assert false.measured == {"cats": 3, "share": 0.6667}
    assert isinstance(false.measured["cats"], int)


# The numbers


def test_released_attention_is_an_identity_and_corrected_attention_is_not() -> None:
    measured = found("p0_identity_gate").measured
    gates = ["SAM", *(f"OSAM, n = {n}" for n in range(1, 5))]
    for gate in gates:
        assert measured[f"{gate}: largest |T - F|"] == 0.0
        assert measured[f"{gate}: largest gradient"] == 0.0
    assert measured["yolov5s4h: largest change of an output by released gates"] == 0.0
    assert measured["yolov5s4h: largest change of an output by corrected gates"] > 0.01
    assert measured["corrected OSAM: smallest mean weight of a map"] == pytest.approx(1, abs=1e-4)
    assert measured["corrected OSAM: largest mean weight of a map"] == pytest.approx(1, abs=1e-4)
    assert measured["corrected OSAM: largest gradient of the convolution it moves least"] > 0.1


def test_two_units_of_eleven_parameters_have_no_gradient() -> None:
    measured = found("p0_cbl4_is_cbl3").measured
    assert measured["largest difference of released n = 4 and n = 3"] == 0.0
    # A unit: 9 weights of the convolution, 2 of the norm; one unit in each of two branches.
    assert measured["parameters of released n = 4 without a gradient"] == 2 * (9 + 2)
    assert measured["largest difference of our n = 4 and n = 3"] > 0.01
    assert measured["parameters of our n = 4 without a gradient"] == 0


def test_released_order_of_four_units_equals_the_option_of_osam() -> None:
    torch.manual_seed(0)
    kind = load("ferbench.models.attention", "osam")
    option, order = kind(16, 4, form="released"), kind(16, 4)
    order.load_state_dict(option.state_dict(), strict=False)
    for branch in ("maximum", "mean"):
        state = getattr(option, branch).state_dict()
        getattr(order, branch).load_state_dict(state, strict=False)
        order.add_module(branch, p0._ReleasedBranch(getattr(order, branch)))
    x = noise(2, 16, 6, 6)
    assert torch.equal(order(x), option(x))


@pytest.mark.parametrize(
    ("form", "before", "after", "gradient"),
    [
        ("literal", (0.72, 0.77, 0.75, 0.77), (0.0050, 0.0023, 0.0010, 0.00051), 1.4e-4),
        ("mean1", (0.72, 0.77, 0.75, 0.77), (0.32, 0.30, 0.28, 0.30), 1.1e-1),
    ],
)
def test_literal_gamma_scale_shrinks_maps_and_gradient(
    form: str, before: tuple[float, ...], after: tuple[float, ...], gradient: float
) -> None:
    measured = found("p1_gamma_shrinks").measured
    for stage, (start, end) in enumerate(zip(before, after, strict=True), 1):
        place = f"{form}, stage {stage}: deviation"
        assert measured[f"{place} before"] == pytest.approx(start, rel=0.05)
        assert measured[f"{place} after"] == pytest.approx(end, rel=0.1)
    norm = measured[f"{form}: norm of the first layer's gradient"]
    assert norm == pytest.approx(gradient, rel=0.25)


def test_easy_branch_of_atfl_has_no_effect_over_all_scores() -> None:
    measured = found("p2_atfl_easy_branch").measured
    level, gamma = measured["mean p over all scores"], measured["gamma over all scores"]
    assert level == pytest.approx(0.9997, abs=1e-4)
    assert gamma == pytest.approx(3e-4, abs=1e-4)
    # By hand: (1 + 1e-6 - 0.99)^gamma.
    assert measured["weight of p = 0.99 with that"] == pytest.approx(0.010001**gamma, abs=1e-4)
    gamma = measured["gamma at places with a face"]
    assert gamma > 0.03
    assert measured["weight of p = 0.99 with this"] == pytest.approx(0.010001**gamma, abs=1e-3)


def test_rows_of_p2_have_the_published_sizes() -> None:
    measured = found("p2_parameters_not_additive").measured
    counts = {
        "yolo12n": 2_521_029,
        "yolo12n_star": 2_567_125,
        "yolo12n_mca": 2_521_061,
        "yolo12n_lrfe": 2_865_989,
        "yolo12n_atfl": 2_521_029,
        "yolo12n_star_mca": 2_567_157,
        "yolo12n_star_mca_lrfe": 2_912_117,
        "yolo_fer": 2_912_117,
    }
    assert {row: measured[f"{row}: ours"] for row in counts} == counts
    rounded = "three modules if printed values are rounded"
    # 2.55 + 2.55 + 2.85 and twice the base row.
    assert measured[f"{rounded}: less than, M"] == pytest.approx(7.95 - 2 * 2.521029, abs=5e-4)
    assert measured[f"{rounded}: needed, M"] == pytest.approx(2.95)


def test_cost_of_yolo_fer_grows_with_the_area() -> None:
    measured = found("p2_gflops_constant").measured
    for px, value in ((320, 1.94), (480, 4.36), (640, 7.75)):
        assert measured[f"{px} px: ours, GFLOPs"] == pytest.approx(value, abs=0.01)
        assert measured[f"{px} px: printed, GFLOPs"] == 7.7


def test_p0_t_test_has_the_published_values_and_its_headline_is_like_a_maximum() -> None:
    measured = found("p0_headline_is_a_best").measured
    assert measured["t, pooled"] == pytest.approx(2.810, abs=5e-4)
    assert measured["p, pooled"] == pytest.approx(0.0116, abs=5e-5)
    assert measured["p, Welch"] == pytest.approx(0.0119, abs=5e-5)
    # The largest of ten standard normal draws: 1.53875, Harter, Biometrika 48, 1961, table 1.
    assert measured["expected best of ten normal rounds, deviations"] == pytest.approx(
        1.539, abs=1e-3
    )
    # By hand: 86.33 + 2.2622 * 6.84 / sqrt(10).
    assert measured["ten rounds: upper end of the 95 % interval of the mean, %"] == 91.22


def test_upper_matrix_of_p3_is_the_weighted_one() -> None:
    measured = found("p3_caption_swapped").measured
    # 14,663 of 35,887.
    assert measured["upper matrix: share of all faces on its diagonal, %"] == 40.86
    assert measured["happy faces in the lower matrix"] == 8_159


@cache
def printed(paper: str) -> dict[str, Any]:
    """The tables of a paper, as the report (a higher layer) has them."""
    import yaml

    text = (SCRIPT.parents[1] / "src/ferbench/reporting/printed.yaml").read_text(encoding="utf-8")
    tables: dict[str, Any] = yaml.safe_load(text)["papers"][paper]["tables"]
    return tables


# The numbers that a finding quotes must equal those that the report compares ours with.


def test_quoted_costs_and_sizes_match_the_reports_tables() -> None:
    assert {row["imgsz"]: row["gflops"] for row in printed("P2")["T8"]["rows"]} == p2._GFLOPS
    assert list(p2._PARAMETERS.values()) == [row["params_m"] for row in printed("P2")["T2"]["rows"]]


def test_quoted_changes_match_the_reports_table() -> None:
    table = printed("P2")["T13"]
    for model, (before, after, change) in p2._CHANGES.items():
        rows = [tuple(row["ap50"].values()) for row in table["rows"] if row["model"] == model]
        assert [before, after] == rows
        assert change == tuple(table["printed_delta"][model].values())


def test_quoted_rounds_match_the_reports_tables() -> None:
    rows = printed("P0")["T3"]["rows"]
    summary = [(row["accuracy_mean"], row["accuracy_std"]) for row in rows]
    assert summary == [p0._BACKBONE, p0._MODEL]
    headline = [
        r["accuracy"] for r in printed("P0")["T1"]["rows"] if r["row"].startswith("YOLO-OSAM")
    ]
    assert p0._HEADLINE in headline


def test_quoted_matrices_match_the_reports_figure() -> None:
    figure = printed("P3")["F4"]["matrices"]
    for name, diagonal in (
        ("top_weighted", p3_caption_swapped._UPPER),
        ("bottom_unweighted", p3_caption_swapped._LOWER),
    ):
        assert tuple(figure[name][i][i] for i in range(7)) == diagonal
    assert tuple(figure["bottom_unweighted"][3]) == p3_caption_swapped._HAPPY
    small = {row["row"]: row["accuracy"] for row in printed("P3")["T2"]["rows"]}
    assert small["YOLOv6 Small-Mean(Ours)"] == p3_caption_swapped._WEIGHTED
    assert small["YOLOv6 Small-unweighted class-Mean"] == p3_caption_swapped._PLAIN


# The file


def _stage(monkeypatch: pytest.MonkeyPatch, findings: list[Finding], folder: Path) -> None:
    measure: Callable[[], list[Finding]] = lambda: findings  # noqa: E731
    monkeypatch.setattr(papers, "measure_findings", measure)
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert end.value.code == 0


def test_stage_writes_what_the_report_reads_even_if_a_finding_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [fabricated(True), replace(fabricated(False), name="other")]
    _stage(monkeypatch, findings, tmp_path)
    assert capsys.readouterr().out == "1 of 2 findings hold\n"
    assert read_findings(tmp_path / "reports" / "findings.json") == tuple(findings)


@pytest.mark.parametrize("text", ['[{"name": "half"}]', "[1]", "3"])
def test_file_that_is_no_list_of_findings_is_refused_with_its_name(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "findings.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"findings\.json: is no list of findings"):
        read_findings(path)


def test_findings_are_measured_in_the_order_of_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(papers, "load", lambda package, name: lambda: found(name))
    assert [finding.name for finding in papers.measure_findings()] == NAMES
    assert len(NAMES) >= 9
