"""`ferbench audit`: exit status, output, files that it writes and those that it must not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ferbench.cli.main import main

_FINDINGS = 3


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight pictures of noise in two classes, with the working folder beside them."""
    rng = np.random.default_rng(0)
    root = tmp_path / "faces"
    for number in range(8):
        path = root / ("happy", "sad")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rng.integers(0, 256, (24, 24), dtype=np.uint8))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return root


def test_clean_folder_ends_with_0_and_two_files(faces, capsys):
    before = sorted(faces.rglob("*"))
    assert main(["audit", str(faces)]) == 0
    assert "All 4 checks pass." in capsys.readouterr().out
    assert sorted(path.name for path in Path().iterdir()) == ["audited.html", "audited.json"]
    assert json.loads(Path("audited.json").read_text())["passed"]
    assert sorted(faces.rglob("*")) == before


def test_findings_end_with_3_unless_they_are_allowed(faces, capsys):
    (faces / "sad" / "copy.png").write_bytes((faces / "happy" / "0.png").read_bytes())
    assert main(["audit", str(faces), "--out", "a"]) == _FINDINGS
    assert "2 of 4 checks fail" in capsys.readouterr().out
    allowed = ["--allow", "duplicates=1", "--allow", "conflicts=25%"]
    assert main(["audit", str(faces), "--out", "b", *allowed]) == 0


def test_files_of_the_user_are_replaced_only_by_force(faces, capsys):
    Path("audited.json").write_text("mine")
    assert main(["audit", str(faces)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("audited.json").read_text() == "mine"
    assert not Path("audited.html").exists()
    assert main(["audit", str(faces), "--force"]) == 0
    assert json.loads(Path("audited.json").read_text())["passed"]


def test_json_goes_to_the_output_and_no_file_is_written(faces, capsys):
    assert main(["audit", str(faces), "--json", "--no-baselines"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["images"] == 8
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--allow", "near"], "no `=`"),
        (["--allow", "near=-1"], "not a number from 0"),
        (["--allow", "near=nan"], "not a number from 0"),
        (["--allow", "nears=1"], "did you mean 'near'?"),
        (["--near-bits", "40"], "near_bits"),
        (["--min-side", "0"], "must be at least 1"),
        (["--rename", "happy"], "no `=`"),
        (["--source", "fer2014"], "did you mean 'fer2013'?"),
        (["--person-pattern", "(a"], "not a regular expression"),
    ],
)
def test_wrong_options_end_with_2_and_a_remedy(faces, options, message, capsys):
    assert main(["audit", str(faces), *options]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "remedy" in said


def test_folder_without_a_readable_image_ends_with_2(tmp_path, capsys):
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "1.png").write_bytes(b"")
    assert main(["audit", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "none of 1 listed images is readable" in said
    assert "empty file" in said
