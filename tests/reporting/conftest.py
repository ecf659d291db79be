"""A fabricated study with its report and the page of all studies, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.reporting.fabricated_reports import fabricate_all

from ferbench.config.params import Params
from ferbench.reporting.index import write_index
from ferbench.reporting.report import Report, make_report, write_report
from ferbench.reporting.study_files import StudyFiles, read_study


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    """The project's folder, after all stages before the report, and the parameters."""
    root = tmp_path_factory.mktemp("study")
    return root, fabricate_all(root)


@pytest.fixture(scope="session")
def study(project: tuple[Path, Params]) -> StudyFiles:
    """What the report is made of."""
    root, params = project
    return read_study(params, root)


@pytest.fixture(scope="session")
def report(study: StudyFiles) -> Report:
    """The report with all sections."""
    return make_report(study)


@pytest.fixture(scope="session")
def made(project: tuple[Path, Params], report: Report) -> tuple[Path, Params, Path]:
    """The project's folder, the parameters, and the folder of the written report."""
    root, params = project
    folder = root / "reports" / "demo"
    write_report(report, folder)
    write_index(root)
    return root, params, folder
