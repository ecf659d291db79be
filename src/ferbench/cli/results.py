"""The result table at the end of `ferbench repro`: means over seeds on test, beside the floors."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ferbench.files import read_json
from ferbench.params import Params

__all__ = ["METRICS", "means", "show"]

METRICS = ("accuracy", "f1_macro", "map50")
# What can be had without learning, of `reports/data/<dataset>.floor.json`: accuracies.
FLOORS = {
    "nearest_neighbour": "floor: nearest neighbour in pixels",
    "majority_class": "floor: commonest class",
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
                floors = _floors(Path("reports", "data", f"{key}.floor.json"))
                console.print(_table(f"{row.name}, {row.protocol}, on test", variants, floors))
    page = folder / "index.html"
    console.print(f"report: {page}" if page.is_file() else f"no report at {page}", highlight=False)
    console.print("runs, curves and models: make ui", highlight=False)


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
    title: str, variants: Mapping[str, Mapping[str, list[float]]], floors: Mapping[str, float]
) -> Table:
    """One line a variant, mean ± standard deviation over seeds, and one line a floor."""
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
    for name, floor in floors.items():
        cells = (_cell([floor] if metric == "accuracy" else []) for metric in metrics)
        table.add_row(FLOORS[name], "", *cells, style="dim")
    return table


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    mean = f"{100 * statistics.fmean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _floors(path: Path) -> dict[str, float]:
    """Accuracies on the split's test side by kind of floor; empty if it is not measured yet."""
    accuracies = read_json(path)["split"] if path.is_file() else {}
    return {name: accuracies[name] for name in FLOORS if name in accuracies}
