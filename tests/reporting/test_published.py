"""Published studies: the record, what git keeps, and the pages that list them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.example_study import PROJECT
from tests.fabricated_study import fabricate, fabricate_reports

from ferbench.artifacts.runs import RunRecord
from ferbench.cli.commands import study as command
from ferbench.cli.main import main
from ferbench.config.params import Params
from ferbench.config.runs import all_runs
from ferbench.errors import InputError
from ferbench.reporting.index import write_index
from ferbench.reporting.published import (
    TrainingCost,
    publish,
    published_studies,
    retract_if_replaced,
    stage_in_git,
)

GIT = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
PRIVATE = ("faces.parquet", "replicates.parquet", "label_issues.csv", "people/face.png")


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Path, Params]:
    """A project in git whose study has runs and, in place of a report, pages of one line."""
    params = fabricate(tmp_path)
    fabricate_reports(tmp_path, params)
    for name in ("index.html", "report.md", "figures/a.svg", *PRIVATE):
        write(tmp_path / "reports" / "demo" / name)
    write(tmp_path / "reports" / "data" / "synthetic.html")
    write(tmp_path / "reports" / "other" / "index.html")
    shutil.copy(PROJECT / ".gitignore", tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "start")
    return tmp_path, params


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("made", encoding="utf-8")


def git(root: Path, *words: str) -> list[str]:
    done = subprocess.run([*GIT, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


def records(root: Path, params: Params) -> list[RunRecord]:
    return [RunRecord.read(root / run.folder / "run.json") for run in all_runs(params)]


def change(root: Path, params: Params, **values: object) -> None:
    """Change the record of the study's first run."""
    path = root / next(iter(all_runs(params))).folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_record_says_what_produced_the_numbers(finished: tuple[Path, Params]) -> None:
    root, params = finished
    change(root, params, started="2024-12-31T23:00:00Z", train_seconds=60.0)
    record = publish(root, params)
    assert published_studies(root / "reports") == {"demo": record}
    runs = records(root, params)
    assert (record.runs, record.seeds, record.data) == (8, [0, 1], ["synthetic"])
    assert record.commits == ["0123456789abcdef"]
    assert record.hardware == [runs[0].hardware]
    assert record.versions == [runs[0].versions]
    seconds = sum(run.train_seconds for run in runs)
    assert record.training_hours == pytest.approx(seconds / 3600, abs=1e-3)
    # From 23:00 to midnight and 21 seconds, when the last of the others ended.
    assert record.wall_hours == pytest.approx(1 + 21 / 3600, abs=1e-3)
    assert "8 runs; Imaginary 2-core" in record.line


def test_record_has_processor_time_and_memory_where_every_run_was_measured(
    finished: tuple[Path, Params],
) -> None:
    root, params = finished
    names = [run.name for run in all_runs(params)]
    costs = {name: TrainingCost(1800.0, 100 + i) for i, name in enumerate(names)}
    record = publish(root, params, costs | {"of-another-study-0": TrainingCost(1e6, 10**6)})
    assert (record.cpu_hours, record.peak_mib) == (4.0, 107)
    shown = sum(run.train_images * run.epochs for run in records(root, params))
    assert record.images == shown > 0
    del costs[names[0]]
    record = publish(root, params, costs)
    assert (record.cpu_hours, record.peak_mib, record.images) == (None, None, shown)


def test_git_keeps_the_report_and_its_data_pages_but_no_predictions(
    finished: tuple[Path, Params],
) -> None:
    root, params = finished
    assert git(root, "ls-files", "reports") == []
    record = publish(root, params)
    write_index(root)
    count = stage_in_git(root, record, params.variants)
    staged = git(root, "diff", "--cached", "--name-only", "--", "reports")
    assert len(staged) == count
    own = {path.removeprefix("reports/") for path in staged}
    assert own >= {"demo/index.html", "demo/figures/a.svg", "demo/published.json", "index.html"}
    assert own >= {"data/synthetic.html", "data/synthetic.json", "claims.csv"}
    assert not [path for path in own if path.startswith(("other", "local"))]
    assert not own & {f"demo/{name}" for name in PRIVATE}


def test_description_of_a_row_that_the_study_no_longer_has_leaves_git(
    finished: tuple[Path, Params],
) -> None:
    root, params = finished
    names = [next(iter(params.variants)), "gone"]
    paths = [f"reports/demo/variants/{name}.json" for name in names]
    for path in paths:
        write(root / path)
    record = publish(root, params)
    write_index(root)
    stage_in_git(root, record, names)
    assert git(root, "ls-files", *paths) == sorted(paths)
    stage_in_git(root, record, params.variants)
    assert git(root, "ls-files", *paths) == paths[:1]
    assert (root / paths[1]).is_file()


def test_running_another_study_leaves_git_clean(finished: tuple[Path, Params]) -> None:
    root, params = finished
    record = publish(root, params)
    write_index(root)
    stage_in_git(root, record, params.variants)
    git(root, "commit", "-qm", "publish")
    write(root / "reports" / "third" / "index.html")
    write(root / "reports" / "data" / "third.html")
    write_index(root)
    assert git(root, "status", "--porcelain") == []


def test_published_page_has_the_published_and_the_local_page_all(
    finished: tuple[Path, Params],
) -> None:
    root, params = finished
    publish(root, params)
    reports = root / "reports"
    write(reports / "data" / "third.html")
    write_index(root)
    page, local = ((reports / name).read_text() for name in ("index.html", "local.html"))
    assert 'href="demo/index.html"' in page and 'href="other/index.html"' not in page
    assert "8 runs; Imaginary 2-core" in page
    assert 'href="data/synthetic.html"' in page and 'href="data/third.html"' not in page
    assert 'href="demo/index.html"' in local and 'href="other/index.html"' in local
    assert local.count("not published") == 1
    assert 'href="data/third.html"' in local
    shutil.rmtree(reports / "other")
    write_index(root)
    assert not (reports / "local.html").exists() and not (reports / "local_claims.csv").exists()


@pytest.mark.parametrize("commit", ["0123456-dirty", "0123456+", "none"])
def test_runs_of_code_that_no_commit_holds_are_refused(
    finished: tuple[Path, Params], commit: str
) -> None:
    root, params = finished
    change(root, params, commit=commit)
    with pytest.raises(InputError, match="vgg_improved-synthetic-0 was trained by code that no"):
        publish(root, params)
    assert published_studies(root / "reports") == {}


def test_study_without_report_or_with_a_missing_run_is_refused(
    finished: tuple[Path, Params],
) -> None:
    root, params = finished
    (root / next(iter(all_runs(params))).folder / "run.json").unlink()
    with pytest.raises(InputError, match=r"run\.json: missing"):
        publish(root, params)
    (root / "reports" / "demo" / "index.html").unlink()
    with pytest.raises(InputError, match="no report"):
        publish(root, params)


def test_report_of_other_runs_is_no_longer_published(finished: tuple[Path, Params]) -> None:
    root, params = finished
    record = publish(root, params)
    assert not retract_if_replaced(root, "demo", records(root, params))
    assert not retract_if_replaced(root, "other", [])
    change(root, params, commit="fedcba9876543210")
    assert retract_if_replaced(root, "demo", records(root, params))
    assert published_studies(root / "reports") == {}
    assert publish(root, params).commits == ["fedcba9876543210", *record.commits]


def test_faulty_record_is_refused_with_its_file(finished: tuple[Path, Params]) -> None:
    root, params = finished
    publish(root, params)
    path = root / "reports" / "demo" / "published.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    with pytest.raises(InputError, match=r"demo/published\.json: .*mood"):
        published_studies(root / "reports")


def test_outside_a_repository_nothing_is_staged(tmp_path: Path) -> None:
    params = fabricate(tmp_path)
    write(tmp_path / "reports" / "demo" / "index.html")
    with pytest.raises(InputError, match="not a git repository"):
        stage_in_git(tmp_path, publish(tmp_path, params), params.variants)


def test_command_publishes_the_active_study_if_it_is_up_to_date(
    finished: tuple[Path, Params],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root, _ = finished
    monkeypatch.chdir(root)
    assert main(["study", "publish", "other"]) == 2
    assert "the active study is demo, not other" in capsys.readouterr().err
    monkeypatch.setattr(command, "_is_outdated", lambda: True)
    assert main(["study", "publish", "demo"]) == 2
    assert "not up to date" in capsys.readouterr().err
    assert published_studies(Path("reports")) == {}
    monkeypatch.setattr(command, "_is_outdated", lambda: False)
    assert main(["study", "publish", "demo"]) == 0
    assert "files are staged in git" in capsys.readouterr().out
    assert "reports/demo/published.json" in git(root, "diff", "--cached", "--name-only")
    assert main(["study", "pages"]) == 0
    assert "reports/local.html" in capsys.readouterr().out


def test_committed_pages_are_those_of_the_present_code(tmp_path: Path) -> None:
    """Otherwise the next study leaves a changed page in git; `ferbench study pages` renders it."""
    published = published_studies(PROJECT / "reports")
    for name in published:
        shutil.copytree(PROJECT / "reports" / name, tmp_path / "reports" / name)
    (tmp_path / "reports" / "data").mkdir()
    for key in {key for record in published.values() for key in record.data}:
        shutil.copy(PROJECT / "reports" / "data" / f"{key}.html", tmp_path / "reports" / "data")
    for name in ("findings.json", "withdrawn.yaml"):
        shutil.copy(PROJECT / "reports" / name, tmp_path / "reports")
    shutil.copytree(PROJECT / "studies", tmp_path / "studies")
    write_index(tmp_path)
    for name in ("index.html", "claims.csv"):
        now, kept = ((root / "reports" / name).read_bytes() for root in (tmp_path, PROJECT))
        assert now == kept, f"run `ferbench study pages` and commit reports/{name}"
