"""The agreement matrix: what each test decides about a pair, and whether all decide alike."""

import math

import pandas as pd

from ferbench.stats.agreement import agreement, disagreement


def row(b, test, estimate, p, metric="accuracy", family="control"):
    return {
        "study": "s", "dataset": "d", "protocol": "p", "variant_a": "plain", "variant_b": b,
        "metric": metric, "test": test, "estimate": estimate, "p_value": p, "p_corrected": p,
        "family": family,
    }  # fmt: skip


TABLE = pd.DataFrame(
    [
        row("sab", "primary", 0.03, 0.2),
        row("sab", "welch", 0.03, 0.01),
        row("cbam", "primary", -0.03, 0.05),
        row("cbam", "welch", -0.03, 0.04),
        row("sab", "primary", 0.03, 0.01, metric="f1_macro"),
        row("osam", "primary", 0.0, 1.0),
        row("osam", "welch", 0.0, math.nan),
        row("other", "welch", 0.1, 0.001, family="exploratory"),
    ]
)


def test_every_test_decides_about_every_planned_pair():
    table = agreement(TABLE, 0.05).set_index(["variant_b", "metric"])
    assert table.loc[("sab", "accuracy"), ["primary", "welch"]].tolist() == [
        "no decision",
        "B higher",
    ]
    assert table.loc[("cbam", "accuracy"), ["primary", "welch"]].tolist() == ["A higher"] * 2
    assert table.loc[("sab", "f1_macro"), "welch"] == "not defined"
    assert table.loc[("osam", "accuracy"), ["primary", "welch"]].tolist() == [
        "no decision",
        "not defined",
    ]
    assert "other" not in table.index.get_level_values("variant_b")
    assert table["agree"].to_dict() == {
        ("sab", "accuracy"): False,
        ("cbam", "accuracy"): True,
        ("sab", "f1_macro"): True,
        ("osam", "accuracy"): True,
    }


def test_disagreement_is_said_in_words():
    rows = agreement(TABLE, 0.05).to_dict("records")
    texts = [disagreement(found, ["primary", "welch"]) for found in rows]
    assert texts == [
        "sab against plain, accuracy: primary decides for neither; welch decides for sab.",
        "",
        "",
        "",
    ]


def test_a_study_without_pairs_has_an_empty_matrix():
    assert agreement(TABLE.iloc[:0], 0.05).empty
