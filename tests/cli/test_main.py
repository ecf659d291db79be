"""The command line as a whole."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import ferbench
from ferbench import plugins
from ferbench.cli.main import main


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    assert {"study", "repro", "doctor", "variants"} <= set(plugins.names("ferbench.cli.commands"))
    for name in plugins.names("ferbench.cli.commands"):
        assert f"\n    {name} " in told


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"ferbench {ferbench.__version__}\n"


@pytest.mark.parametrize("words", [[], ["study"], ["dance"], ["repro", "--jobs", "0"]])
def test_a_command_line_that_makes_no_sense_ends_with_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: ferbench" in capsys.readouterr().err


def test_a_reader_that_stops_reading_is_no_error(project: Path) -> None:
    """As `ferbench study list | head -0`."""
    code = "from ferbench.cli.main import main; raise SystemExit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", f"input(); {code}", "study", "list"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stderr.read() == b""
    assert process.returncode == 128 + signal.SIGPIPE


def test_a_command_outside_a_project_says_where_to_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["variants"]) == 2
    assert "run from the project's folder" in capsys.readouterr().err
