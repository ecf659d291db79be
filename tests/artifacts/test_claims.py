"""`claims.csv` is read back as it was written."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from tests.claim_rows import claim_row

from ferbench.artifacts.claims import COLUMNS, read_claims, write_claims
from ferbench.errors import InputError

ROW = claim_row()


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
