"""The table at the end of a study."""

from __future__ import annotations

import math
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.run_records import naive_baselines, split_summary

from ferbench.artifacts.datasets import write_baselines
from ferbench.artifacts.paths import DatasetPaths
from ferbench.cli import results
from ferbench.cli.main import main
from ferbench.config.params import load_params
from ferbench.files import write_json

HEAD = "study,dataset,protocol,variant,seed,subset,metric,value\n"


def _results(project: Path) -> None:
    main(["study", "use", "first"])
    params = load_params()
    protocol = params.datasets["faces"].protocol
    one, two = params.variants
    lines = [
        f"first,faces,{protocol},{one},0,test,accuracy,0.5",
        f"first,faces,{protocol},{one},1,test,accuracy,0.6",
        f"first,faces,{protocol},{one},2,test,accuracy,0.7",
        f"first,faces,{protocol},{one},0,val,accuracy,0.99",
        f"first,faces,{protocol},{two},0,test,map50,0.25",
        f"first,faces,{protocol},{two},0,test,coverage,1.0",
        f"first,faces,{protocol},{two},0,test,accuracy,",
    ]
    folder = project / "reports" / "first"
    folder.mkdir(parents=True)
    (folder / "results.csv").write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def test_means_are_over_seeds_on_test(project: Path) -> None:
    _results(project)
    params = load_params()
    scores = results.means(Path("reports/first/results.csv"))
    one, two = scores.drop(columns=["dataset", "protocol"]).to_dict("records")
    first, second = params.variants
    assert (one["variant"], one["metric"], one["count"]) == (first, "accuracy", 3)
    assert (one["mean"], one["std"]) == pytest.approx((0.6, 0.1))
    assert (two["variant"], two["metric"], two["mean"]) == (second, "map50", 0.25)
    assert math.isnan(two["std"])


def test_the_table_gives_mean_deviation_and_naive_baselines(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _results(project)
    split = {"nearest_neighbour": 0.318, "majority_class": 0.143, "n_test": 12}
    split["nearest_neighbour_standardised"] = 0.421
    write_baselines(DatasetPaths("faces"), naive_baselines(split=split))
    write_json(DatasetPaths("faces").split_summary, asdict(split_summary()))
    capsys.readouterr()
    results.show(load_params())
    told = capsys.readouterr().out
    assert "60.0 ± 10.0" in told  # mean and sample deviation of 50, 60, 70, by hand
    assert "25.0" in told
    assert "99.0" not in told
    for baseline, value in (("raw", "31.8"), ("standardised", "42.1"), ("class", "14.3")):
        assert any(baseline in line and value in line for line in told.splitlines())
    assert "no report at reports/first/index.html" in told
    assert "make ui" in told


def test_runs_in_another_precision_than_the_published_ones_are_told(project: Path) -> None:
    folder = Path("reports/first")
    folder.mkdir(parents=True)
    made = {"precision": "bf16-mixed", "devices": "1 cpu", "cpu": "new", "gpus": ""}
    write_json(folder / "summary.json", {"environments": [made]})
    for words in (["init", "-q"], ["add", "-f", str(folder)], ["commit", "-qm", "published"]):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *who, *words], check=True, capture_output=True)
    assert results.environment_warning(folder) is None
    write_json(folder / "summary.json", {"environments": [{**made, "precision": "32-true"}]})
    warning = results.environment_warning(folder)
    assert warning is not None
    assert "these runs: 32-true" in warning
    assert "published ones: bf16-mixed" in warning


def test_without_a_published_report_nothing_is_compared(project: Path) -> None:
    folder = Path("reports/first")
    folder.mkdir(parents=True)
    write_json(folder / "summary.json", {"environments": [{"precision": "32-true"}]})
    assert results.environment_warning(folder) is None
