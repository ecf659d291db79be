"""Narrower tiers of the catalogue's rows, and the claims that they answer."""

import json
from pathlib import Path

import pytest
from tests.example_study import PROJECT

from ferbench.config.catalogue import Catalogue
from ferbench.config.claims import Claim
from ferbench.config.deviations import network_deviations
from ferbench.config.params import load_params
from ferbench.config.tiers import Tier, claims_of_tiers, tiers_of

CATALOGUE = Catalogue(Path("studies") / "any.yaml").variants
PLAIN = {"backbone": "vgg", "attention": "none", "options": {}}
NARROW = {**PLAIN, "options": {"backbone": {"width": 0.25}}}
CLAIM = Claim(
    id="p1_sab", paper="p1", tables=(), sentence="a gain", dataset="ckplus", metric="accuracy",
    a="sab", b="plain", gain=0.02,
)  # fmt: skip


def with_sab(row):
    return {**row, "attention": "sab"}


ROWS = {
    "plain": PLAIN,
    "sab": with_sab(PLAIN),
    "plain_quarter": NARROW,
    "sab_quarter": with_sab(NARROW),
}


def test_a_row_is_a_tier_of_the_one_it_differs_from_in_size_alone():
    tiers = tiers_of(ROWS)
    assert {name: tier.whole for name, tier in tiers.items()} == {
        "plain_quarter": "plain",
        "sab_quarter": "sab",
    }
    assert tiers["plain_quarter"].size == tiers["sab_quarter"].size


@pytest.mark.parametrize(
    "change",
    [{"attention": "cbam"}, {"options": {"backbone": {"width": 0.25, "stem": "cifar"}}}],
)
def test_a_row_that_differs_otherwise_is_no_tier(change):
    assert "other" not in tiers_of({"plain": PLAIN, "other": {**NARROW, **change}})


def test_claims_are_said_of_both_rows_of_one_size():
    tiers = tiers_of({**ROWS, "plain_half": {**PLAIN, "options": {"backbone": {"width": 0.5}}}})
    found = list(claims_of_tiers([CLAIM], tiers, ["plain_half", *ROWS], {"ckplus"}))
    assert [(claim.a, claim.b, claim.gain) for claim in found] == [
        ("sab_quarter", "plain_quarter", 0.02)
    ]


@pytest.mark.parametrize("data", [{"rafdb_basic"}, set()])
def test_a_tier_tests_no_claim_on_other_data(data):
    assert not list(claims_of_tiers([CLAIM], tiers_of(ROWS), ROWS, data))


def test_catalogue_has_tiers_of_the_rows_of_papers():
    tiers = tiers_of(CATALOGUE)
    assert tiers["ivsa_quarter"] == Tier("ivsa", '{"backbone.width": 0.25}')
    assert tiers["resnet18_quarter"] == Tier("resnet18", '{"backbone.width": 0.25}')
    assert tiers["yolov6s_half_weighted"].whole == "yolov6s_weighted"
    assert tiers["cspd53_half_osam"].whole == "cspd53_osam"
    assert tiers["alexnet_quarter_osam_cbl0"].whole == "alexnet_osam_cbl0"
    assert "yolov5s" not in tiers
    assert all(tier.whole in CATALOGUE for tier in tiers.values())


def test_every_size_of_a_tier_is_a_deviation_of_its_network():
    params = load_params(PROJECT / "studies" / "all_rows.yaml")
    for name, tier in tiers_of(CATALOGUE).items():
        found = network_deviations(params.variants[name], params.recipe_of(name))
        whole = network_deviations(params.variants[tier.whole], params.recipe_of(tier.whole))
        assert len({*found} - {*whole}) == len(json.loads(tier.size)), name
