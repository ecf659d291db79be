"""Model folders of a narrow classifier and a narrow detector."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serving.models import model_folder

from ferbench.config.params import Params


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    folder = tmp_path_factory.mktemp("models") / "ivsa"
    model_folder(folder, params, "ivsa")
    return folder


@pytest.fixture(scope="session")
def detector(tmp_path_factory: pytest.TempPathFactory, params: Params) -> Path:
    folder = tmp_path_factory.mktemp("models") / "yolov5s"
    model_folder(folder, params, "yolov5s")
    return folder
