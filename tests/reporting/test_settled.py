"""One verdict for each claim from the rows of all studies."""

import pytest
from tests.claim_rows import claim_row

from ferbench.reporting.settled import settle_claims


@pytest.mark.parametrize(
    ("directions", "verdict"),
    [
        (["confirmed"], "confirmed"),
        (["confirmed", "undecided"], "confirmed"),
        (["contradicted", "contradicted"], "contradicted"),
        (["confirmed", "contradicted"], "depends on the conditions"),
        (["confirmed", "no difference"], "depends on the conditions"),
        (["undecided", "undecided, one seed"], "undecided"),
    ],
)
def test_a_claim_has_one_verdict(directions, verdict):
    rows = [claim_row(direction=each, study=f"s{n}") for n, each in enumerate(directions)]
    (claim,) = settle_claims(rows)
    assert claim.verdict == verdict
    assert claim.studies == [f"s{n}" for n in range(len(directions))]


def test_claims_are_counted_apart_and_ordered_by_verdict():
    rows = [
        claim_row(claim="c", direction="not tested", study=""),
        claim_row(claim="a", direction="undecided"),
        claim_row(claim="b", source="fer2013", direction="confirmed"),
        claim_row(claim="b", direction="contradicted"),
    ]
    settled = settle_claims(rows)
    assert [one.verdict for one in settled] == [
        *("confirmed", "contradicted", "undecided", "not tested"),
    ]
    assert settled[0].name == "b: ivsa over vgg_improved, accuracy on fer2013"
    assert settled[-1].studies == []


def test_a_claim_about_protocols_is_one_claim_whatever_the_variant():
    rows = [
        claim_row(claim="leak", source="any", variant_a=name, variant_b=name, direction=verdict)
        for name, verdict in (("ivsa", "confirmed"), ("vgg_improved", "undecided"))
    ]
    (claim,) = settle_claims(rows)
    assert (claim.verdict, len(claim.rows)) == ("confirmed", 2)
    assert claim.name == "leak: the same variant under two protocols, accuracy"


def test_a_test_on_other_data_settles_nothing():
    assert settle_claims([claim_row(source="", direction="confirmed")]) == []
