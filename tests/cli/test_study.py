"""Studies are put in place whole, and no edit is ever lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ferbench.cli import lock, studies
from ferbench.cli.main import main


def _edit(path: Path) -> str:
    text = path.read_text("utf-8").replace("persons: 12", "persons: 99")
    path.write_text(text, encoding="utf-8")
    return text


def test_a_study_put_in_place_is_its_file_byte_for_byte(project: Path) -> None:
    assert main(["study", "use", "first"]) == 0
    assert Path("params.yaml").read_bytes() == Path("studies/first.yaml").read_bytes()


def test_what_changed_is_told_by_table(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["study", "use", "first"])
    gone = list(yaml.safe_load(Path("params.yaml").read_text())["variants"])[1]
    capsys.readouterr()
    assert main(["study", "use", "second"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "study second is now active (was first)",
        "  ~ study.name: first -> second",
        "  ~ study.title: The first -> The second",
        "  ~ seeds: [0, 1, 2] -> [0]",
        "  ~ datasets.faces.options.persons: 12 -> 3",
        f"  - variants.{gone}",
    ]
    main(["study", "use", "first"])
    assert f"  + variants.{gone}" in capsys.readouterr().out.splitlines()


def test_the_active_study_is_left_alone(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["study", "use", "first"])
    before = Path("params.yaml").stat().st_mtime_ns
    capsys.readouterr()
    assert main(["study", "use", "first"]) == 0
    assert capsys.readouterr().out == "study first is active already; nothing changed\n"
    assert Path("params.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize("to", ["first", "second"])
def test_a_file_edited_by_hand_is_kept(
    project: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    text = _edit(Path("params.yaml"))
    capsys.readouterr()
    assert main(["study", "use", to]) == 0
    (kept,) = Path(".cache/params").iterdir()
    assert kept.name.startswith("first-")
    assert kept.suffix == ".yaml"
    assert kept.read_text("utf-8") == text
    assert str(kept) in capsys.readouterr().out
    assert Path("params.yaml").read_bytes() == Path(f"studies/{to}.yaml").read_bytes()


def test_a_broken_file_is_kept_too(project: Path) -> None:
    Path("params.yaml").write_text("study: [", encoding="utf-8")
    assert main(["study", "use", "first"]) == 0
    (kept,) = Path(".cache/params").iterdir()
    assert kept.read_text("utf-8") == "study: ["


def test_an_unknown_study_is_answered_with_the_known_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "use", "frist"]) == 2
    told = capsys.readouterr().err
    assert "did you mean 'first'? known: first, second" in told
    assert not Path("params.yaml").exists()


def test_a_faulty_study_is_not_put_in_place(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    before = Path("params.yaml").read_bytes()
    path = Path("studies/second.yaml")
    path.write_text(path.read_text("utf-8").replace("seeds:", "sedes:"), encoding="utf-8")
    assert main(["study", "use", "second"]) == 2
    assert "did you mean 'seeds'" in capsys.readouterr().err
    assert Path("params.yaml").read_bytes() == before


def test_a_study_is_called_what_its_file_is_called(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("studies/second.yaml").rename("studies/third.yaml")
    assert main(["study", "use", "third"]) == 2
    assert "calls itself 'second'" in capsys.readouterr().err


def test_no_study_is_put_in_place_below_a_running_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with lock.exclusive():
        assert main(["study", "use", "first"]) == 2
    assert "another ferbench command is at work" in capsys.readouterr().err
    assert main(["study", "use", "first"]) == 0


def test_the_list_marks_the_active_study(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["study", "use", "second"])
    capsys.readouterr()
    assert main(["study", "list"]) == 0
    words = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert words == [["first", "The", "first"], ["*", "second", "The second"]]


def test_status_counts_cells_and_names_edits(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "first"])
    variant = next(iter(studies.load_study("first").variants))
    for seed, files in enumerate([["run.json", "evaluation.json"], ["run.json"]]):
        folder = Path("runs/first", variant, "faces", str(seed))
        folder.mkdir(parents=True)
        for name in files:
            (folder / name).touch()
    _edit(Path("params.yaml"))
    capsys.readouterr()
    assert main(["study", "status"]) == 0
    told = capsys.readouterr().out
    assert "first: The first" in told
    assert "1 of 6 done, 2 trained" in told
    assert "~ datasets.faces.options.persons: 12 -> 99" in told
    assert "report   not yet made" in told
