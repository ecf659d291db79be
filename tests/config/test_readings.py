"""Readings of the papers: that they name cells that there are, and defaults that are defaults."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from ferbench.config.catalogue import Catalogue
from ferbench.config.deviations import READINGS, Reading
from ferbench.config.params import Variant
from ferbench.config.records import build_record
from ferbench.models.build import PARTS
from ferbench.plugins import load

REAL = Catalogue(Path(__file__).parents[2] / "params.yaml")
VARIANTS = {name: build_record(Variant, row, name) for name, row in REAL.variants.items()}


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_a_reading_is_of_a_row_of_the_catalogue_and_not_of_all_rows(reading: Reading) -> None:
    fits = [name for name, row in VARIANTS.items() if reading.fits(row)]
    assert 0 < len(fits) < len(VARIANTS)


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_an_option_left_out_is_read_as_the_default_of_its_part(reading: Reading) -> None:
    for key, words in reading.cells.items():
        column, _, option = key.partition(".")
        if option and None in words:
            (part,) = reading.cells[column]
            parameter = inspect.signature(load(PARTS[column], part)).parameters[option]
            assert parameter.default in words


@pytest.mark.parametrize("reading", READINGS, ids=lambda r: r.deviation or r.unstated)
def test_a_reading_says_either_a_deviation_or_what_is_unstated(reading: Reading) -> None:
    assert bool(reading.deviation) != bool(reading.unstated)
