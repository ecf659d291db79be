"""The control of a variant: named, found from the rows, or the study's."""

from dataclasses import replace

import pytest
from tests.example_study import example_params

from ferbench.config.checks import check_params
from ferbench.config.controls import control_of, controls
from ferbench.errors import InputError

PARAMS = example_params()
PLAIN, SAB = PARAMS.variants["vgg_improved"], PARAMS.variants["ivsa"]
OTHER = replace(PLAIN, head="fc", paper="none")
OTHER_SAB = replace(SAB, head="fc", paper="none")


def study(rows, named=None, control="plain"):
    details = replace(PARAMS.study, control=control, controls=named or {})
    return replace(PARAMS, variants=rows, study=details)


ROWS = {"plain": PLAIN, "sab": SAB, "other": OTHER, "other_sab": OTHER_SAB}


def test_a_row_with_attention_is_compared_with_the_same_row_without():
    assert controls(study(ROWS)) == {"sab": "plain", "other": "plain", "other_sab": "other"}


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "p0"},
        {"weights": "imagenet"},
        {"loss": "detection"},
        {"options": {"head": {"dropout": 0.5}}},
    ],
)
def test_a_row_that_differs_otherwise_is_no_control(change):
    rows = {**ROWS, "other": replace(OTHER, **change)}
    assert control_of(study(rows), "other_sab") == "plain"


def test_location_paper_and_options_of_the_attention_do_not_matter():
    rows = {
        **ROWS,
        "other_sab": replace(OTHER_SAB, options={**OTHER_SAB.options, "attention": {"kernel": 3}}),
    }
    rows["other"] = replace(OTHER, paper="p1", location="last")
    assert control_of(study(rows), "other_sab") == "other"


def test_named_controls_come_first_and_null_is_none():
    found = study(ROWS, {"other_sab": "sab", "sab": None, "plain": "other"})
    assert controls(found) == {"other_sab": "sab", "plain": "other", "other": "plain"}
    assert control_of(study(ROWS), "plain") is None


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"ivsa": "vgg_improvd"}, "did you mean 'vgg_improved'"),
        ({"ivsaa": "vgg_improved"}, "did you mean 'ivsa'"),
        ({"ivsa": "ivsa"}, "ivsa is compared with itself"),
        ({"ivsa": "yolov5s", "yolov5s": "ivsa"}, "yolov5s, which is compared with it"),
    ],
)
def test_wrong_controls_are_refused(named, message, tmp_path):
    wrong = replace(PARAMS, study=replace(PARAMS.study, controls=named))
    with pytest.raises(InputError) as caught:
        check_params(wrong, tmp_path / "params.yaml")
    assert message in str(caught.value)
    assert "study: controls" in str(caught.value)
