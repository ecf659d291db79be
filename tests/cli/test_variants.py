"""The table of variants."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ferbench.cli.main import main
from ferbench.cli.studies import load_study
from ferbench.files import write_json
from ferbench.params import load_params

COLUMNS = (
    "variant,paper,task,params_train,params_deployed,gflops,input_px,paper_params_m,paper_gflops"
)


def _describe(*names: str) -> None:
    for name in names:
        write_json(
            Path(f"reports/first/variants/{name}.json"),
            {
                "variant": name,
                "paper": "p1",
                "task": "classify",
                "params_train": 1_234_567,
                "params_deployed": 1_234_000,
                "gflops": 0.25,
                "input_px": 40,
                "row": {"head": "classify"},
            },
        )


def test_csv_has_the_agreed_columns_and_leaves_the_unknown_empty(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    names = list(load_params().variants)
    _describe(*names)
    capsys.readouterr()
    assert main(["variants", "--csv"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith(COLUMNS + "\n")
    rows = list(csv.DictReader(io.StringIO(told.out)))
    assert [row["variant"] for row in rows] == names
    assert rows[0]["params_train"] == "1234567"
    assert rows[0]["paper_params_m"] == rows[0]["paper_gflops"] == ""
    assert told.err == ""


def test_what_a_paper_prints_of_a_variants_size_stands_beside_ours(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("studies/first.yaml")
    first, second = load_study("first").variants
    text = path.read_text("utf-8").replace(f"  {first}:", "  yolo12n:")
    path.write_text(
        text.replace(f"  {second}:", "  yolo12n_star:").replace(f": {first}", ": yolo12n"), "utf-8"
    )
    assert main(["study", "use", "first"]) == 0
    _describe("yolo12n", "yolo12n_star")
    capsys.readouterr()
    assert main(["variants", "--csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["paper_params_m"], row["paper_gflops"]) for row in rows] == [
        ("2.5", "5.8"),
        ("2.5", ""),
    ]


def test_what_is_not_described_yet_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    first, second = load_params().variants
    assert main(["variants"]) == 2
    assert "no variant is described yet" in capsys.readouterr().err
    _describe(first)
    assert main(["variants"]) == 0
    assert capsys.readouterr().err == f"not described yet: {second}\n"
