"""Stage scripts are thin and every part loads; `make check` holds imports to layers."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ferbench import plugins

PROJECT = Path(__file__).parents[1]
SCRIPTS = sorted(PROJECT.glob("pipeline/*.py"))

SCRIPT_LINES = 40

PLUGIN_PACKAGES = [
    "data.augmentations",
    "data.protocols",
    "data.sources",
    "evaluation.explanations",
    "evaluation.metrics",
    "evaluation.robustness",
    "findings.papers",
    "models.attention",
    "models.backbones",
    "models.convs",
    "models.heads",
    "models.losses",
    "stats.comparisons",
    "stats.corrections",
    "stats.intervals",
    "stats.omnibus",
    "cli.commands",
]


def _relative(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def _lines(path: Path) -> int:
    return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("path", SCRIPTS, ids=_relative)
def test_stage_scripts_are_thin(path: Path) -> None:
    assert _lines(path) <= SCRIPT_LINES, "what can be tested belongs in src/ferbench"


@pytest.mark.parametrize("path", SCRIPTS, ids=_relative)
def test_stage_scripts_end_bad_input_without_a_traceback(path: Path) -> None:
    assert "run_stage(main)" in path.read_text(encoding="utf-8")


def test_progress_bars_are_for_terminals() -> None:
    """A log would hold every step of the bar."""
    calls = [
        (_relative(path), node)
        for path in sorted(PROJECT.glob("src/**/*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "tqdm"
    ]
    assert len(calls) > 5
    for place, call in calls:
        (disabled,) = (word.value for word in call.keywords if word.arg == "disable")
        assert ast.unparse(disabled) == "None", place


@pytest.mark.parametrize("package", PLUGIN_PACKAGES)
def test_every_part_loads_by_its_name(package: str) -> None:
    for name in plugins.names(f"ferbench.{package}"):
        plugins.load(f"ferbench.{package}", name)


def test_the_command_line_does_not_import_heavy_libraries_at_start() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ferbench.cli.main import build_parser; build_parser(); "
        "heavy = {'torch', 'mlflow', 'ultralytics', 'pandas', 'cv2', 'dvc', 'distributed'}; "
        "print(*heavy & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
