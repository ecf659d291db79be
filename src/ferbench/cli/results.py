"""The result table of `ferbench repro`: means over seeds on test, beside naive baselines."""

from __future__ import annotations

import csv
import json
import statistics
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ferbench.config.params import Params
from ferbench.files import read_json

__all__ = ["METRICS", "environment_warning", "means", "show"]

METRICS = ("accuracy", "f1_macro", "map50")
# Naive baselines, of `reports/data/<dataset>.baselines.json`: accuracies.
BASELINES = {
    "nearest_neighbour": "naive baseline: nearest neighbour in pixels",
    "majority_class": "naive baseline: commonest class",
}

# (dataset, protocol) -> variant -> metric -> one value a seed
Values = dict[tuple[str, str], dict[str, dict[str, list[float]]]]


def show(params: Params) -> None:
    """Print the study's results on test, and where the rest is."""
    folder = Path("reports", params.study.name)
    console = Console()
    if (folder / "results.csv").is_file():
        values = means(folder / "results.csv")
        for key, row in params.datasets.items():
            if variants := values.get((row.name, row.protocol)):
                baselines = _baselines(Path("reports", "data", f"{key}.baselines.json"))
                console.print(_table(f"{row.name}, {row.protocol}, on test", variants, baselines))
    if warning := environment_warning(folder):
        console.print(warning, style="yellow", highlight=False)
    page = folder / "index.html"
    console.print(f"report: {page}" if page.is_file() else f"no report at {page}", highlight=False)
    console.print("runs, curves and models: make ui", highlight=False)


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


def means(path: Path) -> Values:
    """The values of a `results.csv` on test, one list over seeds for each metric shown."""
    values: Values = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["subset"] == "test" and row["metric"] in METRICS and row["value"]:
                place = values[row["dataset"], row["protocol"]][row["variant"]]
                place[row["metric"]].append(float(row["value"]))
    return values


def _table(
    title: str, variants: Mapping[str, Mapping[str, list[float]]], baselines: Mapping[str, float]
) -> Table:
    """One line a variant, mean ± standard deviation over seeds, and one line a baseline."""
    metrics = [m for m in METRICS if any(m in row for row in variants.values())]
    table = Table(title=title, title_justify="left")
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for metric in metrics:
        table.add_column(f"{metric} %", justify="right")
    for name, row in variants.items():
        seeds = max(len(values) for values in row.values())
        table.add_row(name, str(seeds), *(_cell(row.get(metric, [])) for metric in metrics))
    table.add_section()
    for name, accuracy in baselines.items():
        cells = (_cell([accuracy] if metric == "accuracy" else []) for metric in metrics)
        table.add_row(BASELINES[name], "", *cells, style="dim")
    return table


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    mean = f"{100 * statistics.fmean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _baselines(path: Path) -> dict[str, float]:
    """Accuracies on test by naive baseline; empty if not measured yet."""
    accuracies = read_json(path)["split"] if path.is_file() else {}
    return {name: accuracies[name] for name in BASELINES if name in accuracies}
