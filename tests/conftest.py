"""What tests of several packages share: tiny data and a tiny study, made once a session."""

from __future__ import annotations

import pytest
from tests.tiny_study import make_scenes, make_stored, small_params

from ferbench.data.stored import Stored
from ferbench.params import Params


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return make_stored(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    return make_scenes(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="session")
def params() -> Params:
    return small_params()
