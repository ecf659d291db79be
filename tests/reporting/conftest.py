"""A fabricated study with its report and the page of all studies, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reporting.fabricated_reports import fabricate_all

from ferbench.config.params import Params
from ferbench.reporting.index import write_index
from ferbench.reporting.report import make_report, write_report
from ferbench.reporting.study_files import StudyFiles, read_study


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params, Path]:
    """The project's folder, the parameters, and the folder of the report."""
    root = tmp_path_factory.mktemp("study")
    params = fabricate_all(root)
    folder = root / "reports" / "demo"
    write_report(make_report(read_study(params, root)), folder)
    write_index(root)
    return root, params, folder


@pytest.fixture(scope="session")
def files(made: tuple[Path, Params, Path]) -> StudyFiles:
    """What the report was made of."""
    root, params, _ = made
    return read_study(params, root)
