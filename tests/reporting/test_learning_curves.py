"""How much the score on val still rose towards the end of training, and who says so."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

import pandas as pd
import pytest
from tests.claim_rows import claim_row

from ferbench.reporting.learning_curves import learning_curves
from ferbench.reporting.sections.claims import build as claims
from ferbench.reporting.sections.training import build as training
from ferbench.reporting.study_files import StudyFiles


def history(*runs: list[float], variant: str = "ivsa") -> pd.DataFrame:
    rows = [
        (variant, "ckplus", seed, epoch, score)
        for seed, scores in enumerate(runs)
        for epoch, score in enumerate(scores)
    ]
    return pd.DataFrame(rows, columns=["variant", "dataset", "seed", "epoch", "val_score"])


def test_late_gain_is_the_mean_over_seeds_of_what_the_last_third_adds() -> None:
    (curve,) = learning_curves(
        history([0.1, 0.5, 0.7, 0.6, 0.8, 0.9], [0.1, 0.5, 0.7, 0.9, 0.8, 0.8])
    )
    assert (curve.variant, curve.dataset, curve.epochs) == ("ivsa", "ckplus", 6)
    assert curve.best == pytest.approx(0.9)
    assert curve.best_epoch == pytest.approx((6 + 4) / 2)
    assert curve.late_gain == pytest.approx(((0.9 - 0.7) + 0.0) / 2)
    assert curve.still_rises


def test_a_training_that_has_settled_does_not_rise() -> None:
    (curve,) = learning_curves(history([0.5, 0.9, 0.89, 0.9, 0.905, 0.9]))
    assert curve.late_gain == pytest.approx(0.005)
    assert not curve.still_rises


def test_of_a_loss_the_late_gain_is_its_fall() -> None:
    (curve,) = learning_curves(history([2.0, 1.0, 0.8, 0.8, 0.7, 0.6]), lower=True)
    assert curve.best == pytest.approx(0.6)
    assert curve.late_gain == pytest.approx(0.2)


def test_a_shorter_run_counts_with_its_own_best() -> None:
    (curve,) = learning_curves(history([0.1, 0.2, 0.3, 0.4, 0.5, 0.9], [0.1, 0.6]))
    assert curve.late_gain == pytest.approx(((0.9 - 0.4) + 0.0) / 2)


def test_two_epochs_are_too_few_to_tell() -> None:
    (curve,) = learning_curves(history([0.1, 0.9]))
    assert isnan(curve.late_gain)
    assert not curve.still_rises


def test_report_lists_the_late_gain_of_every_variant(study: StudyFiles) -> None:
    tables = [table for part in training(study).parts for table in part.tables]
    assert len(tables) == len(study.keys)
    for table in tables:
        assert {row["variant"].raw for row in table.rows} == {*study.params.variants}
        # The fabricated score of epoch e is 1 - 1 / e, over eight epochs.
        gains = [row["late gain, points"].raw for row in table.rows]
        assert gains == pytest.approx([(1 - 1 / 8) - (1 - 1 / 5)] * len(gains))


def test_claims_warn_of_trainings_that_still_rose(study: StudyFiles) -> None:
    a, b, *_ = study.params.variants
    rows = [claim_row(variant_a=a, variant_b=b)]
    rising = claims(replace(study, claims=rows))
    assert rising is not None
    assert f"`{a}` (+7.5)" in rising.words[1]
    assert f"`{b}` (+7.5)" in rising.words[1]
    flat = claims(replace(study, claims=rows, history=study.history.assign(val_score=0.5)))
    assert flat is not None
    assert len(flat.words) == 1
