"""Which cell of a study is best: decided on val, by the mean over seeds, and never on test."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pandas as pd
import pytest

from ferbench.cells import Cell
from ferbench.errors import InputError
from ferbench.params import Params
from ferbench.serving.standing import best_cell, best_seeds, read_results

DATASET = "synthetic"
# Of `ivsa` one run is lucky, `yolov5s` is the better one on the whole.
VAL = {
    "vgg_improved": (0.50, 0.50),
    "ivsa": (0.90, 0.10),
    "yolov5s": (0.60, 0.70),
    "yolov5s_osam": (0.40, 0.65),
}


def results(params: Params, val: dict[str, tuple[float, float]], test: float = 0.5) -> pd.DataFrame:
    row = params.datasets[DATASET]
    head = {"study": "demo", "dataset": row.name, "protocol": row.protocol}
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


def test_the_variant_is_chosen_by_its_mean_and_then_its_best_seed(params: Params) -> None:
    standing = best_cell(params, results(params, VAL), DATASET)
    assert standing.cell == Cell("demo", "yolov5s", DATASET, 1)
    assert standing.val == {"accuracy": 0.7, "f1_macro": pytest.approx(0.3)}
    assert standing.test == {"accuracy": 0.5}


def test_what_is_on_test_changes_nothing(params: Params) -> None:
    frame = results(params, VAL)
    loud = frame["subset"].eq("test") & frame["variant"].eq("ivsa")
    frame.loc[loud, "value"] = 1.0
    assert best_cell(params, frame, DATASET).cell.variant == "yolov5s"
    frame.loc[frame["subset"].eq("test") & frame["seed"].eq(0), "value"] = 1.0
    assert best_cell(params, frame, DATASET).cell.seed == 1


def test_the_metric_of_promotion_decides(params: Params) -> None:
    promote = dataclasses.replace(params.promote, metric="f1_macro")
    other = dataclasses.replace(params, promote=promote)
    assert best_cell(other, results(params, VAL), DATASET).cell.variant == "vgg_improved"


def test_of_equal_seeds_it_is_the_lower_and_of_equal_variants_the_first(params: Params) -> None:
    same = dict.fromkeys(VAL, (0.5, 0.5))
    assert best_cell(params, results(params, same), DATASET).cell == Cell(
        "demo", "vgg_improved", DATASET, 0
    )


def test_every_variant_has_its_best_seed(params: Params) -> None:
    seeds = best_seeds(params, results(params, VAL), DATASET)
    assert {name: s.cell.seed for name, s in seeds.items()} == {
        "vgg_improved": 0,
        "ivsa": 0,
        "yolov5s": 1,
        "yolov5s_osam": 1,
    }


def test_results_of_other_data_sets_and_protocols_do_not_count(params: Params) -> None:
    frame = results(params, VAL)
    loud = results(params, {name: (1.0, 1.0) for name in ("ivsa",)})
    foreign = [loud.assign(dataset="other"), loud.assign(protocol="official")]
    standing = best_cell(params, pd.concat([frame, *foreign]), DATASET)
    assert standing.cell.variant == "yolov5s"


def test_absent_results_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no results"):
        read_results("demo", tmp_path)
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "results.csv").write_text("study,value\ndemo,0.5\n")
    assert read_results("demo", tmp_path)["value"].tolist() == [0.5]


def test_a_metric_that_a_variant_lacks_cannot_pick_its_seed(params: Params) -> None:
    table = results(params, VAL)
    table = table[~((table["variant"] == "ivsa") & (table["metric"] == "f1_macro"))]
    other = dataclasses.replace(
        params, promote=dataclasses.replace(params.promote, metric="f1_macro")
    )
    with pytest.raises(InputError, match="ivsa has no f1_macro on val"):
        best_seeds(other, table, DATASET)
