"""Values of `results.csv`: stored to six decimals, exact again when read."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from ferbench.artifacts.results import COLUMNS, DECIMALS, exact_share, exceeds, read_results
from ferbench.errors import InputError
from ferbench.stats.result import differences

HEAD = ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("faces", [1, 3, 7, 246, 3549, 35_887])
def test_exact_share_restores_every_count_of_faces(faces: int) -> None:
    exact = np.arange(faces + 1) / faces
    assert (exact_share(np.round(exact, DECIMALS), faces) == exact).all()


def test_exact_share_keeps_what_is_no_share_of_the_faces() -> None:
    values = np.array([0.123457, 2.5, -0.2, math.nan])
    assert np.array_equal(exact_share(values, 246), values, equal_nan=True)
    assert exact_share(0.3, math.nan) == 0.3
    assert exact_share(0.3, 0) == 0.3


def test_exact_share_never_moves_a_value_by_more_than_it_was_rounded_by() -> None:
    values = np.round(np.random.default_rng(0).random(10_000), DECIMALS)
    assert np.abs(exact_share(values, 35_887) - values).max() <= 0.5001 * 10**-DECIMALS


def test_read_results_takes_the_faces_of_the_same_run_and_subset(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    sizes = {"val": 3, "test": 7}
    rows = [
        f"s,d,p,{variant},0,{subset},{metric},{value:.6f},,"
        for variant, (subset, faces) in itertools.product("ab", sizes.items())
        for metric, value in (("accuracy", 2 / faces), ("nll", 1.234567), ("faces", faces))
    ]
    path.write_text(HEAD + "\n".join(rows) + "\n")
    table = read_results(path)
    accuracy = table[table["metric"] == "accuracy"]
    assert accuracy["value"].tolist() == [2 / 3, 2 / 7] * 2
    assert set(table.loc[table["metric"] == "nll", "value"]) == {1.234567}
    assert list(table.columns) == COLUMNS
    assert not table["robustness"].any() and not table["condition"].any()


def test_read_results_gives_conditions_as_words_and_refuses_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(HEAD + "s,d,p,a,0,canvas_32,accuracy,0.5,canvas,32\n")
    assert read_results(path)[["robustness", "condition"]].to_numpy().tolist() == [["canvas", "32"]]
    path.write_text("study,dataset,protocol,variant,seed,subset,metric,value\n")
    with pytest.raises(InputError, match="columns are"):
        read_results(path)


def test_read_results_without_faces_gives_values_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(HEAD + "s,d,p,a,0,test,accuracy,0.333333,,\ns,d,p,a,1,test,accuracy,,,\n")
    assert read_results(path)["value"].tolist()[0] == 0.333333
    with pytest.raises(InputError, match="no results"):
        read_results(tmp_path / "absent.csv")


def test_equal_differences_in_faces_are_ties_after_reading() -> None:
    """Three faces of 246 more are three faces more, wherever the count begins."""
    a, b = np.arange(240) / 246, np.arange(3, 243) / 246
    stored = differences(np.round(a, DECIMALS), np.round(b, DECIMALS))
    read = differences(
        exact_share(np.round(a, DECIMALS), 246), exact_share(np.round(b, DECIMALS), 246)
    )
    assert len(set(stored.tolist())) > 1  # what reading the file as it stands would compare
    assert len(set(read.tolist())) == 1


def test_exceeds_ignores_rounding_of_floats_and_nan() -> None:
    assert not exceeds(0.1 + 0.2, 0.3)
    assert exceeds(1 / 1_000_000, 0.0)
    assert not exceeds(math.nan, 0.0) and not exceeds(0.0, math.nan)
