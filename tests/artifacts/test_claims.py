"""`claims.csv` is read back as it was written."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from ferbench.artifacts.claims import COLUMNS, ClaimRow, read_claims, write_claims
from ferbench.errors import InputError

ROW = ClaimRow(
    claim="p1_sab",
    paper="p1",
    tables="T1 T3",
    source="fer2013",
    study="s",
    dataset="fer2013",
    protocol="official",
    metric="accuracy",
    robustness="",
    variant_a="ivsa",
    variant_b="vgg_improved",
    recipe="reduced",
    n_seeds=5,
    n_faces=3589,
    n_clusters=3000,
    cluster="image",
    printed=0.0214,
    estimate=0.01,
    low=-0.002,
    high=0.022,
    p_value=0.07,
    p_corrected=0.14,
    direction="undecided",
    size="compatible",
    decided_by="about 9 seeds",
    conditions="protocol official; the paper's own test images",
)


def test_rows_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    one_seed = replace(ROW, low=math.nan, high=math.nan, variant_b="", source="")
    write_claims(path, [ROW, one_seed])
    first, second = read_claims(path)
    assert first == ROW
    assert (second.variant_b, second.source, second.robustness) == ("", "", "")
    assert math.isnan(second.low)


def test_no_rows_leave_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    write_claims(path, [])
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert read_claims(path) == []


def test_missing_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "claims.csv"
    with pytest.raises(InputError, match="no claims"):
        read_claims(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns are"):
        read_claims(path)
