"""Which cell or data set a command line names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.example_study import example_params

from ferbench.config.runs import Run, all_runs, dataset_from_words, run_from_words
from ferbench.errors import InputError

EXAMPLE = example_params()


def test_every_cell_is_named_by_its_own_words() -> None:
    cells = all_runs(EXAMPLE)
    assert len(set(cells)) == len(EXAMPLE.variants) * len(EXAMPLE.datasets) * len(EXAMPLE.seeds)
    for cell in cells:
        assert run_from_words(EXAMPLE, [cell.variant, cell.dataset, str(cell.seed)]) == cell


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "got nothing"),
        (["ivsa", "synthetic"], "got ivsa synthetic"),
        (["ivsa", "synthetic", "-1"], "got ivsa synthetic -1"),
        (["isva", "synthetic", "0"], "did you mean 'ivsa'"),
        (["ivsa", "synthetics", "0"], "did you mean 'synthetic'"),
        (["ivsa", "synthetic", "7"], "unknown seed '7'"),
    ],
)
def test_words_that_name_no_run_are_answered_with_the_known_ones(
    words: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_from_words(EXAMPLE, words)


def test_a_data_set_is_named_by_its_key() -> None:
    assert dataset_from_words(EXAMPLE, ["synthetic"]) == (
        "synthetic",
        EXAMPLE.datasets["synthetic"],
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [([], "got nothing"), (["a", "b"], "got a b"), (["synthetik"], "did you mean 'synthetic'")],
)
def test_words_that_name_no_data_set_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataset_from_words(EXAMPLE, words)


def test_the_folder_of_a_run_has_study_variant_data_and_seed() -> None:
    assert Run("demo", "ivsa", "synthetic", 1).folder == Path("runs/demo/ivsa/synthetic/1")
