"""The page of a promotion says what was decided and why."""

from __future__ import annotations

from ferbench.reporting.promotion_page import promotion_page

PASSED = {"gate": "recall", "passed": True, "reason": "lowest recall is 0.500, of sadness"}
FAILED = {"gate": "baseline", "passed": False, "reason": "0.2 against <b>0.3</b>"}
MODEL = {"model": "ferbench_ckplus", "version": "4", "variant": "ivsa"}


def test_refused_model_is_shown_with_its_reasons_and_the_champion_that_stays() -> None:
    outcome = {**MODEL, "promoted": False, "champion": "3", "gates": [PASSED, FAILED]}
    page = promotion_page("Attention", {"ckplus": outcome})
    assert "Promotion: Attention" in page
    assert "ivsa, ferbench_ckplus version 4" in page
    assert "not promoted: baseline failed. Champion is version 3." in page
    assert "0.2 against &lt;b&gt;0.3&lt;/b&gt;" in page
    assert "<li>promoted <b>0</b></li>" in page


def test_promoted_model_passed_all_gates() -> None:
    outcome = {**MODEL, "promoted": True, "champion": "4", "gates": [PASSED]}
    page = promotion_page("Attention", {"ckplus": outcome, "other": outcome | {"champion": None}})
    assert "promoted: all 1 gates passed. Champion is version 4." in page
    assert "There is no champion." in page
    assert "<li>promoted <b>2</b></li>" in page
