"""The best run of a study is selected on val, by the mean over seeds, and never on test."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from tests.run_records import run_record

from ferbench.artifacts.results import read_results
from ferbench.config.params import Params
from ferbench.config.runs import Run
from ferbench.errors import InputError
from ferbench.tracking.selection import best_run, best_runs

DATASET = "synthetic"
# Of `ivsa` one run is lucky, `yolov5s` is the better one on the whole.
VAL = {
    "vgg_improved": (0.50, 0.50),
    "ivsa": (0.90, 0.10),
    "yolov5s": (0.60, 0.70),
    "yolov5s_osam": (0.40, 0.65),
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep tests from reading the project's own runs."""
    monkeypatch.chdir(tmp_path)


def by_metric(params: Params, metric: str) -> Params:
    return dataclasses.replace(params, promote=dataclasses.replace(params.promote, metric=metric))


def results(params: Params, val: dict[str, tuple[float, float]], test: float = 0.5) -> pd.DataFrame:
    row = params.datasets[DATASET]
    head = {"study": "example", "dataset": row.name, "protocol": row.protocol}
    rows = []
    for variant, values in val.items():
        for seed, value in enumerate(values):
            cell = head | {"variant": variant, "seed": seed}
            rows += [
                cell | {"subset": "val", "metric": "accuracy", "value": value},
                cell | {"subset": "val", "metric": "f1_macro", "value": 1 - value},
                cell | {"subset": "test", "metric": "accuracy", "value": test},
            ]
    return pd.DataFrame(rows)


def test_variant_is_selected_by_its_mean_and_then_its_best_seed(params: Params) -> None:
    selected = best_run(params, results(params, VAL), DATASET)
    assert selected.run == Run("example", "yolov5s", DATASET, 1)
    assert selected.val == {"accuracy": 0.7, "f1_macro": pytest.approx(0.3)}
    assert selected.test == {"accuracy": 0.5}


def test_metrics_on_test_do_not_affect_selection(params: Params) -> None:
    frame = results(params, VAL)
    loud = frame["subset"].eq("test") & frame["variant"].eq("ivsa")
    frame.loc[loud, "value"] = 1.0
    assert best_run(params, frame, DATASET).run.variant == "yolov5s"
    frame.loc[frame["subset"].eq("test") & frame["seed"].eq(0), "value"] = 1.0
    assert best_run(params, frame, DATASET).run.seed == 1


def test_metric_of_promotion_selects(params: Params) -> None:
    promote = dataclasses.replace(params.promote, metric="f1_macro")
    other = dataclasses.replace(params, promote=promote)
    assert best_run(other, results(params, VAL), DATASET).run.variant == "vgg_improved"


def test_ties_select_the_lower_seed_and_the_first_variant(params: Params) -> None:
    same = dict.fromkeys(VAL, (0.5, 0.5))
    assert best_run(params, results(params, same), DATASET).run == Run(
        "example", "vgg_improved", DATASET, 0
    )


def test_every_variant_has_a_best_seed(params: Params) -> None:
    seeds = best_runs(params, results(params, VAL), DATASET)
    assert {name: s.run.seed for name, s in seeds.items()} == {
        "vgg_improved": 0,
        "ivsa": 0,
        "yolov5s": 1,
        "yolov5s_osam": 1,
    }


def test_other_data_sets_and_protocols_do_not_count(params: Params) -> None:
    frame = results(params, VAL)
    loud = results(params, {name: (1.0, 1.0) for name in ("ivsa",)})
    foreign = [loud.assign(dataset="other"), loud.assign(protocol="official")]
    selected = best_run(params, pd.concat([frame, *foreign]), DATASET)
    assert selected.run.variant == "yolov5s"


def test_missing_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        read_results(tmp_path / "results.csv")


def test_metric_that_a_variant_lacks_is_refused(params: Params) -> None:
    table = results(params, VAL)
    table = table[~((table["variant"] == "ivsa") & (table["metric"] == "f1_macro"))]
    other = dataclasses.replace(
        params, promote=dataclasses.replace(params.promote, metric="f1_macro")
    )
    with pytest.raises(InputError, match="ivsa has no f1_macro on val"):
        best_runs(other, table, DATASET)


def test_metric_where_lower_is_better_selects_the_lowest(
    params: Params,
) -> None:
    table = results(params, VAL).replace({"metric": {"accuracy": "ece"}})
    selected = best_run(by_metric(params, "ece"), table, DATASET)
    assert selected.run == Run("example", "vgg_improved", DATASET, 0)  # mean 0.50, first of equals
    runs = best_runs(by_metric(params, "ece"), table, DATASET)
    assert {name: run.run.seed for name, run in runs.items()} == {
        "vgg_improved": 0,
        "ivsa": 1,
        "yolov5s": 0,
        "yolov5s_osam": 0,
    }


def test_selection_breaks_ties_between_seeds_by_the_loss_on_val(params: Params) -> None:
    row = params.datasets[DATASET]
    table = results(params, dict.fromkeys(VAL, (0.5, 0.5)))
    for seed, loss in ((0, 1.5), (1, 1.2)):
        cell = Run("example", "ivsa", DATASET, seed)
        about = {"name": row.name, "protocol": row.protocol, "variant": "ivsa", "seed": seed}
        run_record(**about, val_loss=loss).write(cell.folder / "run.json")
    runs = best_runs(params, table, DATASET)
    assert runs["ivsa"].run.seed == 1
    assert runs["vgg_improved"].run.seed == 0  # without records the lower seed


def test_means_that_differ_by_rounding_are_a_tie(params: Params) -> None:
    # (0.1 + 0.2) / 2 is above 0.15 in floats.
    val = dict.fromkeys(VAL, (0.05, 0.05)) | {"ivsa": (0.15, 0.15), "yolov5s": (0.1, 0.2)}
    assert best_run(params, results(params, val), DATASET).run.variant == "ivsa"
