"""The table of variants."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from ferbench.cli.commands import variants
from ferbench.cli.main import main
from ferbench.config.params import load_params

PROJECT = Path(__file__).parents[2]
COLUMNS = (
    "variant,paper,task,params_train,params_deployed,gflops,input_px,paper_params_m,paper_gflops"
)


@pytest.fixture
def shelf(project: Path) -> Path:
    """The folder of a catalogue with three rows and the recipes of the project."""
    folder = project / "studies" / "catalogue"
    folder.mkdir()
    rows = (PROJECT / "studies" / "catalogue" / "variants.yaml").read_text("utf-8").splitlines()
    chosen = [row for row in rows if row.startswith(("vgg_improved:", "ivsa:", "ivsa_k3:"))]
    (folder / "variants.yaml").write_text("\n".join(chosen), encoding="utf-8")
    recipes = (PROJECT / "studies" / "catalogue" / "recipes.yaml").read_text("utf-8")
    (folder / "recipes.yaml").write_text(recipes, encoding="utf-8")
    return folder


def _table(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, str]]:
    capsys.readouterr()
    assert main(["variants", "--csv", *words]) == 0
    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(COLUMNS + "\n")
    return list(csv.DictReader(io.StringIO(told.out)))


def test_every_row_of_the_catalogue_has_its_size(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts of the models document: 7,745,071, and 44,940 and 44,620 more with SAB."""
    rows = _table(capsys)
    assert [row["variant"] for row in rows] == ["vgg_improved", "ivsa", "ivsa_k3"]
    assert [int(row["params_train"]) for row in rows] == [7_745_071, 7_790_011, 7_789_691]
    assert {row["input_px"] for row in rows} == {"40"}
    assert float(rows[0]["gflops"]) == pytest.approx(0.657, abs=0.001)
    assert rows[0]["paper_params_m"] == rows[0]["paper_gflops"] == ""


def test_rows_can_be_named_and_come_in_that_order(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = _table(capsys, "ivsa_k3", "vgg_improved")
    assert [row["variant"] for row in rows] == ["ivsa_k3", "vgg_improved"]
    assert main(["variants", "ivsa_k5"]) == 2
    assert "did you mean 'ivsa_k3'" in capsys.readouterr().err


def test_the_active_study_is_sized_with_its_own_recipes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    params = load_params()
    rows = _table(capsys, "--study")
    assert [row["variant"] for row in rows] == list(params.variants)
    wanted = [str(params.recipe_of(name).input_px) for name in params.variants]
    assert [row["input_px"] for row in rows] == wanted


def test_a_size_is_kept_until_the_row_or_the_code_changes(
    shelf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _table(capsys, "vgg_improved")
    (kept,) = Path(".cache/variants").iterdir()
    before = kept.stat().st_mtime_ns
    assert _table(capsys, "vgg_improved") == first
    assert kept.stat().st_mtime_ns == before
    monkeypatch.setattr(variants, "_code", lambda: "other code")
    assert _table(capsys, "vgg_improved") == first
    assert len(list(Path(".cache/variants").iterdir())) == 2


def test_a_row_that_cannot_be_built_is_named_and_the_others_are_shown(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (shelf / "variants.yaml").open("a", encoding="utf-8") as file:
        file.write("\nbroken: {like: ivsa, options: {attention: {kernle: 3}}}\n")
    assert main(["variants", "--csv", "broken", "ivsa"]) == 1
    told = capsys.readouterr()
    broken, ivsa = csv.DictReader(io.StringIO(told.out))
    assert (broken["variant"], broken["paper"], broken["params_train"]) == ("broken", "p1", "")
    assert ivsa["params_train"] == "7790011"
    assert "no size of broken" in told.err
    assert "did you mean 'kernel'" in told.err
    assert main(["variants"]) == 0  # nobody asked for this row by its name


def test_a_row_of_the_catalogue_that_is_not_whole_is_bad_input(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (shelf / "variants.yaml").write_text("half: {paper: p1, recipe: p1}", encoding="utf-8")
    assert main(["variants"]) == 2
    assert "half: missing: backbone, conv, attention" in capsys.readouterr().err


def test_what_a_paper_prints_of_a_size_stands_beside_ours(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (row, *_) = (shelf / "variants.yaml").read_text("utf-8").splitlines()
    (shelf / "variants.yaml").write_text(
        row.replace("vgg_improved:", "yolo_fer_320:"), encoding="utf-8"
    )
    (row,) = _table(capsys)
    assert (row["variant"], row["paper_params_m"], row["paper_gflops"]) == (
        "yolo_fer_320",
        "",
        "7.7",
    )


def test_the_table_for_readers_cuts_no_number_short(
    shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["variants"]) == 0
    told = capsys.readouterr().out
    assert "…" not in told
    assert "7745071" in told
