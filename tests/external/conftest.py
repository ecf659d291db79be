"""Generated faces with planted faults, as the list `labels.csv` beside a folder of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.data.sources.synthetic import Synthetic

FAULTS = {"exact_duplicates": 6, "label_conflicts": 4, "near_duplicates": 5, "corrupt": 6}


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 faces of ten persons in three splits, and 21 planted faults."""
    root = tmp_path_factory.mktemp("faulty")
    Synthetic({"persons": 10, "images_per_person": 7, "seed": 1, **FAULTS}).make(root)
    return root


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 faces of ten persons; no person is in two splits."""
    root = tmp_path_factory.mktemp("clean")
    options = {"persons": 10, "images_per_person": 6, "seed": 2, "min_intensity": 1.0}
    Synthetic(options).make(root)
    return root
