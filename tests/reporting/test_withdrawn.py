"""Withdrawn studies: the file, the banner, the index, and when a withdrawal ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from ferbench.cli.main import main
from ferbench.config.params import Params
from ferbench.errors import InputError
from ferbench.reporting.report import Report, write_report
from ferbench.reporting.withdrawn import (
    Withdrawal,
    mark_report,
    marked,
    read_withdrawn,
    settle,
    write_withdrawn,
)

OLD = Withdrawal("FIXCOMMIT", "Ties went to the first & not to the best epoch.")
PAGE = "<html>\n<body>\n<header>A study</header>\n</body>\n"
TEXT = "# A study\n\nOf four variants.\n"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reports of two studies, in the current folder."""
    monkeypatch.chdir(tmp_path)
    leader = {"key": "d", "dataset": "d", "protocol": "p", "variant": "v", "metric": "accuracy"}
    summary = {"title": "T", "variants": ["v"], "seeds": [0], "runs": 1}
    summary["leaders"] = [leader | {"mean": 0.978, "low": 0.9, "high": 1.0}]
    for name in ("kept", "stale"):
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(PAGE, encoding="utf-8")
        (folder / "report.md").write_text(TEXT, encoding="utf-8")
        (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return tmp_path / "reports"


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    run = subprocess.run(
        ["git", *name, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return run.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "commit", "-q", "--allow-empty", "-m", "change")
    return git(folder, "rev-parse", "HEAD")


def test_withdrawn_studies_are_the_same_after_writing_and_reading(tmp_path: Path) -> None:
    assert read_withdrawn(tmp_path) == {}
    write_withdrawn(tmp_path, {"b": OLD, "a": Withdrawal("1234567", "Another: reason.")})
    assert read_withdrawn(tmp_path) == {"a": Withdrawal("1234567", "Another: reason."), "b": OLD}
    write_withdrawn(tmp_path, {})
    assert not (tmp_path / "withdrawn.yaml").exists()


def test_withdrawn_file_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "withdrawn.yaml").write_text("a: {before: x, reason: y, until: z}\n")
    with pytest.raises(InputError, match="unknown key 'until'"):
        read_withdrawn(tmp_path)


def test_words_shorten_a_full_commit_and_nothing_else() -> None:
    assert Withdrawal("0123456789abcdef" * 2 + "01234567", "").words.endswith("before 0123456789")
    assert OLD.words == "withdrawn, trained before FIXCOMMIT"


@pytest.mark.parametrize(("name", "text"), [("index.html", PAGE), ("report.md", TEXT)])
def test_banner_is_put_once_and_can_be_removed(name: str, text: str) -> None:
    once = marked(text, name, OLD)
    assert once.count("Withdrawn, trained before FIXCOMMIT.") == 1
    assert marked(once, name, OLD) == once
    other = marked(once, name, Withdrawal("abc", "Other."))
    assert "FIXCOMMIT" not in other and other.count("trained before abc.") == 1
    assert marked(once, name, None) == text
    assert marked(text, name, None) == text


def test_banner_of_a_page_is_its_first_element_and_escapes_the_reason() -> None:
    page = marked(PAGE, "index.html", OLD)
    assert page.index("<aside") < page.index("<header>")
    assert "first &amp; not" in page
    with pytest.raises(InputError, match="render it again"):
        marked("a page", "index.html", OLD)


def test_banner_of_markdown_follows_the_title() -> None:
    lines = marked(TEXT, "report.md", OLD).splitlines()
    assert lines[0] == "# A study"
    assert lines[3] == f"> **Withdrawn, trained before FIXCOMMIT.** {OLD.reason}"


def test_withdraw_marks_report_and_index_and_undo_restores_them(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "withdraw", "stale"]
    assert main([*words, "--before", "FIXCOMMIT", "--reason", OLD.reason]) == 0
    assert "stale: withdrawn, trained before FIXCOMMIT" in capsys.readouterr().out
    assert read_withdrawn(reports) == {"stale": OLD}
    index = (reports / "local.html").read_text("utf-8")
    assert index.count("withdrawn, trained before FIXCOMMIT") == 1
    assert index.count("<s>97.8 %") == 1 and index.count("<b>97.8 %</b>") == 1
    page = (reports / "stale" / "index.html").read_text("utf-8")
    assert main([*words, "--before", "FIXCOMMIT", "--reason", OLD.reason]) == 0
    assert (reports / "stale" / "index.html").read_text("utf-8") == page
    assert main([*words, "--undo"]) == 0
    assert (reports / "stale" / "index.html").read_text("utf-8") == PAGE
    assert (reports / "stale" / "report.md").read_text("utf-8") == TEXT
    assert "trained before" not in (reports / "local.html").read_text("utf-8")
    assert (reports / "kept" / "index.html").read_text("utf-8") == PAGE


def test_withdraw_again_changes_the_commit_and_keeps_the_reason(reports: Path) -> None:
    words = ["study", "withdraw", "stale"]
    main([*words, "--before", "FIXCOMMIT", "--reason", OLD.reason])
    assert main([*words, "--before", "abcdef1"]) == 0
    assert read_withdrawn(reports) == {"stale": Withdrawal("abcdef1", OLD.reason)}
    for name in ("index.html", "report.md"):
        text = (reports / "stale" / name).read_text("utf-8")
        assert "abcdef1" in text and "FIXCOMMIT" not in text


def test_withdraw_without_a_reason_or_a_report_is_refused(
    reports: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["study", "withdraw", "stale", "--before", "abc"]) == 2
    assert "without a reason" in capsys.readouterr().err
    assert main(["study", "withdraw", "absent", "--before", "abc", "--reason", "Why."]) == 2
    assert "no report" in capsys.readouterr().err
    assert not (reports / "withdrawn.yaml").exists()


def test_withdrawal_ends_when_all_runs_contain_the_fix(reports: Path) -> None:
    root = reports.parent
    git(root, "init", "-q")
    before, fix, after = commit(root), commit(root), commit(root)
    entry = Withdrawal(fix, "Why.")
    write_withdrawn(reports, {"stale": entry, "kept": entry})
    for commits in ([before], [fix, before], ["none"], [], [after, "0" * 40]):
        assert settle(root, "stale", commits) == entry
    assert settle(root, "stale", [fix, after, f"{after}+", f"{fix}-dirty"]) is None
    assert read_withdrawn(reports) == {"kept": entry}
    assert settle(root, "stale", [before]) is None


def test_withdrawal_stays_outside_git_and_where_git_does_not_know_the_fix(
    reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_withdrawn(reports, {"stale": OLD})
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(reports.parents[1]))
    assert settle(reports.parent, "stale", ["abc"]) == OLD
    git(reports.parent, "init", "-q")
    assert settle(reports.parent, "stale", [commit(reports.parent)]) == OLD
    monkeypatch.setenv("PATH", "")
    assert settle(reports.parent, "stale", ["abc"]) == OLD


def test_rendered_report_of_a_withdrawn_study_has_the_banner(
    report: Report, made: tuple[Path, Params, Path], tmp_path: Path
) -> None:
    write_report(report, tmp_path, OLD)
    for name in ("index.html", "report.md"):
        fresh = (made[2] / name).read_text("utf-8")
        assert "trained before" not in fresh
        assert (tmp_path / name).read_text("utf-8") == marked(fresh, name, OLD)
    mark_report(tmp_path, None)
    assert (tmp_path / "report.md").read_text("utf-8") == (made[2] / "report.md").read_text("utf-8")
