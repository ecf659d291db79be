"""The code that travels with a registered model is all that a predictor imports."""

from __future__ import annotations

from pathlib import Path

from tests.example_study import PROJECT
from tests.import_closure import import_closure, module_file

from ferbench.tracking.registry import _carried_code

SRC = PROJECT / "src"


def test_carried_code_is_closed_under_imports(tmp_path: Path) -> None:
    carried = _carried_code(tmp_path)
    used = {"ferbench.serving.predictor", "ferbench.serving.images"}
    for module in tuple(used):
        path = module_file(module, SRC)
        assert path is not None
        used |= import_closure(path, SRC, {}).keys()
    assert len(used) > 30
    for module in used:
        path = module_file(module, SRC)
        assert path is not None
        assert (carried.parent / path.relative_to(SRC)).is_file(), module


def test_carried_code_is_small_and_holds_no_cache(tmp_path: Path) -> None:
    files = [path for path in _carried_code(tmp_path).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".py", ".html"}
    assert sum(path.stat().st_size for path in files) < 2**20
