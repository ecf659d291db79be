"""The result table of `ferbench repro`: means over seeds on test, beside naive baselines."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from ferbench.artifacts.baselines import BASELINE_NAMES, baselines_of_seeds
from ferbench.artifacts.datasets import read_baselines, read_split_summary
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Params
from ferbench.files import read_json

__all__ = ["METRICS", "environment_warning", "means", "show"]

METRICS = ("accuracy", "f1_macro", "map50")


def show(params: Params) -> None:
    """Print the study's results on test, and where the rest is."""
    folder = Path("reports", params.study.name)
    console = Console()
    if (folder / "results.csv").is_file():
        scores = means(folder / "results.csv")
        for key, row in params.datasets.items():
            here = scores[(scores["dataset"] == row.name) & (scores["protocol"] == row.protocol)]
            paths = DatasetPaths(key)
            baselines: dict[str, float] = {}
            if paths.baselines.is_file() and paths.split_summary.is_file():
                redrawn = read_split_summary(paths).redrawn
                baselines = baselines_of_seeds(read_baselines(paths), redrawn, params.seeds)
            if len(here):
                console.print(_table(f"{row.name}, {row.protocol}, on test", here, baselines))
    if warning := environment_warning(folder):
        console.print(warning, style="yellow", highlight=False)
    page = folder / "index.html"
    console.print(f"report: {page}" if page.is_file() else f"no report at {page}", highlight=False)
    console.print("runs, curves and models: make ui", highlight=False)


def means(path: Path) -> pd.DataFrame:
    """Mean, standard deviation and number of seeds of the metrics shown, on test.

    Args:
        path: of a `results.csv`.

    Returns:
        Columns dataset, protocol, variant, metric, mean, std (NaN of one seed) and count.
    """
    rows = pd.read_csv(path).dropna(subset="value")
    rows = rows[(rows["subset"] == "test") & rows["metric"].isin(METRICS)]
    groups = rows.groupby(["dataset", "protocol", "variant", "metric"], sort=False)["value"]
    return groups.agg(["mean", "std", "count"]).reset_index()


def _table(title: str, scores: pd.DataFrame, baselines: Mapping[str, float]) -> Table:
    """One line a variant, mean ± standard deviation over seeds, and one line a baseline."""
    metrics = [metric for metric in METRICS if (scores["metric"] == metric).any()]
    table = Table(title=title, title_justify="left")
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for metric in metrics:
        table.add_column(f"{metric} %", justify="right")
    for name, rows in scores.groupby("variant", sort=False):
        by_metric = rows.set_index("metric").reindex(metrics)
        words = map(_mean, by_metric["mean"], by_metric["std"])
        table.add_row(str(name), str(rows["count"].max()), *words)
    table.add_section()
    for name, label in BASELINE_NAMES.items():
        if name in baselines:
            accuracy = f"{100 * baselines[name]:.1f}"
            columns = (accuracy if metric == "accuracy" else "–" for metric in metrics)
            table.add_row(f"baseline: {label}", "", *columns, style="dim")
    return table


def _mean(mean: float, std: float) -> str:
    if math.isnan(mean):
        return "–"
    return f"{100 * mean:.1f}" + ("" if math.isnan(std) else f" ± {100 * std:.1f}")


def environment_warning(folder: Path) -> str | None:
    """What differs between the machines of these runs and of the published ones, if anything.

    A precision, a processor or a number of devices of another kind gives other numbers.

    Args:
        folder: `reports/<study>`; the published report is that of the last commit.
    """
    published = _committed(folder / "summary.json").get("environments")
    ours = read_json(folder / "summary.json") if (folder / "summary.json").is_file() else {}
    here = ours.get("environments")
    if not published or not here or published == here:
        return None
    return (
        f"these runs: {_environment_words(here)}; the published ones: "
        f"{_environment_words(published)}: numbers may differ"
    )


def _environment_words(environments: list[dict[str, str]]) -> str:
    return " and ".join(
        ", ".join(filter(None, (e["precision"], e["devices"], e["gpus"] or e["cpu"])))
        for e in environments
    )


def _committed(path: Path) -> dict[str, Any]:
    """A JSON file as the last commit has it; empty if there is none."""
    command = ["git", "show", f"HEAD:./{path.as_posix()}"]
    try:
        run = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(run.stdout))
    except (OSError, subprocess.CalledProcessError, ValueError):
        return {}
