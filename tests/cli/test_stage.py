"""How a command ends."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from ferbench.cli.stage import run_stage, stage_words, status_of
from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.files import whole_file, write_json
from ferbench.models.weights import save_trained
from ferbench.training.callbacks import WholeCheckpoints


def _raising(error: BaseException) -> object:
    def main() -> None:
        raise error

    return main


def test_bad_input_is_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    error = InputError("no such class 'cat'", where="labels.csv: row 7", remedy="correct it")
    with pytest.raises(SystemExit) as end:
        run_stage(_raising(error))
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.err == "error: labels.csv: row 7: no such class 'cat'\n  remedy: correct it\n"
    assert told.out == ""


def test_ctrl_c_ends_with_the_shells_own_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(_raising(KeyboardInterrupt())) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_its_remedy(
    capsys: pytest.CaptureFixture[str], number: int
) -> None:
    assert status_of(_raising(OSError(number, "full", "runs/model.pt"))) == 2
    told = capsys.readouterr().err
    assert "disk full while writing runs/model.pt" in told
    assert "remedy: free some space" in told


@pytest.mark.thorough
@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("kind", ["checkpoint", "model", "table", "json"])
def test_a_full_disk_is_told_whatever_writes(
    params: Params, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """torch raises `RuntimeError: unexpected pos 704 vs 598`."""
    state = {"weight": torch.zeros(100_000)}

    def main() -> None:
        if kind == "checkpoint":
            WholeCheckpoints().save_checkpoint(state, tmp_path / "last.ckpt")
        elif kind == "model":
            variant = params.variants["ivsa"]
            save_trained(tmp_path / "model.pt", state, variant, params.recipe_of("ivsa"), ("a",))
        elif kind == "table":
            with whole_file(tmp_path / "a.parquet") as temporary:
                pd.DataFrame({"a": range(100_000)}).to_parquet(temporary)
        else:
            write_json(tmp_path / "a.json", list(range(100_000)))

    assert status_of(main) == 2
    assert "disk full" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "nothing half-written is left"


@pytest.mark.parametrize(
    "told",
    [
        OSError(errno.ENOSPC, "full", "read.pt", None, "runs/model.pt"),
        OSError(errno.ENOSPC, "full", "runs/model.pt"),
    ],
)
def test_a_full_disk_is_told_through_what_another_library_makes_of_it(
    capsys: pytest.CaptureFixture[str], told: OSError
) -> None:
    def main() -> None:
        try:
            raise told
        except OSError:
            raise RuntimeError("cannot save") from None

    assert status_of(main) == 2
    assert "disk full while writing runs/model.pt" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "(sqlite3.OperationalError) database or disk is full",
        "[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534",
    ],
)
def test_a_full_disk_is_told_where_a_library_keeps_its_number_to_itself(
    capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert status_of(_raising(RuntimeError(words))) == 2
    assert "error: disk full\n" in capsys.readouterr().err


def test_our_own_bugs_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        run_stage(_raising(ZeroDivisionError()))
    with pytest.raises(PermissionError):
        status_of(_raising(PermissionError(errno.EACCES, "no")))


def test_a_stage_that_ends_well_has_status_zero() -> None:
    with pytest.raises(SystemExit) as end:
        run_stage(lambda: None)
    assert end.value.code == 0
    assert status_of(lambda: 3) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["train@vgg_improved-synthetic-0"], ["vgg_improved", "synthetic", "0"]),
        (["../dvc.yaml:download@synthetic"], ["synthetic"]),
        (["vgg_improved", "synthetic", "0"], ["vgg_improved", "synthetic", "0"]),
        (["synthetic"], ["synthetic"]),
        ([], []),
    ],
)
def test_a_stage_takes_its_words_from_its_name_or_one_by_one(
    monkeypatch: pytest.MonkeyPatch, given: list[str], words: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["script.py", *given])
    assert stage_words() == words
