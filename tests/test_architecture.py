"""The budgets of CONTRIBUTING.md, counted; `make check` holds imports to their layers."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from ferbench import plugins

PROJECT = Path(__file__).parents[1]
LIBRARY = sorted(PROJECT.glob("src/ferbench/**/*.py"))
SCRIPTS = sorted(PROJECT.glob("pipeline/*.py"))

FUNCTION_LINES = 30
MODULE_LINES = 200
SCRIPT_LINES = 40
# params.py documents every key of params.yaml and is its only reader; see its docstring.
MODULE_EXCEPTIONS = {"params.py": 400}

PLUGIN_PACKAGES = [
    "data.augmentations",
    "data.protocols",
    "data.sources",
    "evaluation.explanations",
    "evaluation.metrics",
    "evaluation.probes",
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


def _function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body: from `def` to the end, without decorators and docstring."""
    assert function.end_lineno is not None
    length = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None
        length -= first.end_lineno - first.lineno + 1
    return length


@pytest.mark.parametrize("path", [*LIBRARY, *SCRIPTS], ids=_relative)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {f.name: _function_lines(f) for f in functions if _function_lines(f) > FUNCTION_LINES}
    assert not long, f"split what is longer than {FUNCTION_LINES} lines"


@pytest.mark.parametrize("path", LIBRARY, ids=_relative)
def test_modules_are_short(path: Path) -> None:
    budget = MODULE_EXCEPTIONS.get(path.name, MODULE_LINES)
    assert _lines(path) <= budget, "split it by idea"


@pytest.mark.parametrize("path", SCRIPTS, ids=_relative)
def test_stage_scripts_are_thin(path: Path) -> None:
    assert _lines(path) <= SCRIPT_LINES, "what can be tested belongs in src/ferbench"


@pytest.mark.parametrize("path", SCRIPTS, ids=_relative)
def test_stage_scripts_end_bad_input_without_a_traceback(path: Path) -> None:
    assert "run_stage(main)" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PLUGIN_PACKAGES)
def test_every_part_offers_exactly_one_name(package: str) -> None:
    for name in plugins.names(f"ferbench.{package}"):
        module = importlib.import_module(f"ferbench.{package}.{name}")
        assert len(module.__all__) == 1, f"{module.__name__}: {module.__all__}"


def test_the_command_line_does_not_import_heavy_libraries_at_start() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from ferbench.cli.main import _parser; _parser(); "
        "print(*{'torch', 'mlflow', 'ultralytics', 'pandas', 'cv2', 'dvc'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == []
