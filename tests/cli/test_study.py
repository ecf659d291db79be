"""Studies are put in place whole, and no edit is ever lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ferbench.cli import studies
from ferbench.cli.main import main
from ferbench.cli.progress import Counts
from ferbench.config.catalogue import Catalogue
from ferbench.config.params import load_params

PROJECT = Path(__file__).parents[2]


def _edit(path: Path) -> str:
    text = path.read_text("utf-8").replace("persons: 12", "persons: 99")
    path.write_text(text, encoding="utf-8")
    return text


@pytest.fixture
def short(project: Path) -> Path:
    """A study `short` that names rows of the real catalogue, which stands beside it."""
    for table in ("variants", "recipes"):
        text = (PROJECT / "studies" / "catalogue" / f"{table}.yaml").read_text("utf-8")
        path = project / "studies" / "catalogue" / f"{table}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tree = yaml.safe_load((project / "studies" / "first.yaml").read_text("utf-8"))
    tree["study"] |= {"name": "short", "control": "yolov5s4h"}
    tree["variants"] = ["yolov5s4h", "yolov5s4h_osam", "vgg_improved"]
    tree["recipes"] = "cpu"
    path = project / "studies" / "short.yaml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return path


def test_a_study_put_in_place_stands_there_whole(short: Path) -> None:
    assert main(["study", "use", "short"]) == 0
    tree = yaml.safe_load(Path("params.yaml").read_text("utf-8"))
    rows = Catalogue(short).variants
    assert tree["variants"] == {name: rows[name] for name in tree["variants"]}
    assert list(tree["variants"]) == ["yolov5s4h", "yolov5s4h_osam", "vgg_improved"]
    assert list(tree["recipes"]) == ["p0", "p1"]
    assert load_params() == load_params(short)


def test_the_file_in_place_has_a_line_a_variant_and_a_line_a_key(short: Path) -> None:
    main(["study", "use", "short"])
    lines = Path("params.yaml").read_text("utf-8").splitlines()
    assert "studies/short.yaml" in lines[0] + lines[1]
    assert sum(line.startswith("  yolov5s4h_osam: {paper: p0, ") for line in lines) == 1
    assert {"seeds: [0, 1, 2]", "  p1:", "    epochs: 10"} <= set(lines)
    assert "      epochs: 500" in lines  # the paper's own
    assert not any("&id" in line or "*id" in line for line in lines)


def test_a_short_study_in_place_is_left_alone_and_has_no_edits(
    short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "short"])
    before = Path("params.yaml").read_bytes()
    capsys.readouterr()
    assert main(["study", "use", "short"]) == 0
    assert capsys.readouterr().out == "study short is active already; nothing changed\n"
    assert Path("params.yaml").read_bytes() == before
    assert not Path(".cache/params").exists()
    assert studies.edits() == ()
    main(["study", "status"])
    assert "params.yaml as in studies/short.yaml" in capsys.readouterr().out


def test_an_edit_of_an_inherited_cell_is_told_and_kept(
    short: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["study", "use", "short"])
    text = Path("params.yaml").read_text("utf-8").replace("attention: osam", "attention: sam")
    Path("params.yaml").write_text(text, encoding="utf-8")
    (change,) = studies.edits() or ()
    assert change.key == "variants.yolov5s4h_osam.attention"
    assert (change.old, change.new) == ("osam", "sam")
    main(["study", "use", "short"])
    (kept,) = Path(".cache/params").iterdir()
    assert kept.read_text("utf-8") == text


def test_names_may_be_written_into_the_file_in_place(short: Path) -> None:
    """A user may paste a study's short form into `params.yaml`; it is read as the study is."""
    Path("params.yaml").write_bytes(short.read_bytes())
    assert load_params() == load_params(short)
    assert studies.edits() == ()


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
    assert load_params() == studies.load_study(to)


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


@pytest.mark.usefixtures("other_command")
def test_switching_is_refused_while_another_command_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["study", "use", "first"]) == 2
    assert "this checkout is in use by process" in capsys.readouterr().err


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


def test_status_shows_the_tasks_of_a_study_that_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "use", "first"]) == 0
    counts = Counts(total=6, done=2, running=[10, 20], mean_s=30, workers=2)
    monkeypatch.setattr("ferbench.cli.commands.study.counts_elsewhere", lambda: counts)
    assert main(["study", "status"]) == 0
    line = "tasks    2 running, 2 waiting, 2 done, about 45 s left\n"
    assert capsys.readouterr().out.endswith(line)


@pytest.fixture
def defaults(short: Path) -> Path:
    """The folder of studies, with the real defaults beside them."""
    text = (PROJECT / "studies" / "defaults.yaml").read_text("utf-8")
    short.with_name("defaults.yaml").write_text(text, encoding="utf-8")
    return short.parent


def test_new_study_is_written_whole_and_can_be_used(defaults: Path, tmp_path: Path) -> None:
    data = tmp_path / "faces"
    data.mkdir()
    words = ["--data", str(data), "--variants", "vgg_improved", "ivsa", "--seeds", "2"]
    assert main(["study", "new", "mine", *words]) == 0
    params = studies.load_study("mine")
    assert list(params.variants) == ["vgg_improved", "ivsa"]
    assert params.study.control == "vgg_improved"
    assert params.seeds == (0, 1)
    (row,) = params.datasets.values()
    assert (row.source, row.archive, row.protocol) == ("folder", str(data), "stratified_70_10_20")
    assert main(["study", "use", "mine"]) == 0
    before = (defaults / "mine.yaml").read_bytes()
    assert main(["study", "new", "mine", *words]) == 2  # it exists
    assert (defaults / "mine.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--variants": "vgg_improvd"}, "did you mean 'vgg_improved'"),
        ({"--protocol": "random"}, "random"),
        ({"--source": "pictures"}, "pictures"),
        ({"--data": "absent"}, "no such file or folder"),
    ],
)
def test_a_new_study_with_an_unknown_word_is_not_written(
    defaults: Path,
    tmp_path: Path,
    changed: dict[str, str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = {"--data": str(tmp_path), "--variants": "vgg_improved"} | changed
    words = [word for pair in options.items() for word in pair]
    assert main(["study", "new", "mine", *words]) == 2
    assert message in capsys.readouterr().err
    assert not (defaults / "mine.yaml").exists()
