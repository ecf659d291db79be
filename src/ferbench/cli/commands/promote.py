"""`ferbench promote`: check the promotion gates of the alias `champion`, or roll it back."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ferbench.cli import lock
from ferbench.config.params import Params, load_params
from ferbench.errors import unknown

__all__ = ["add_promote"]


def add_promote(commands: Any) -> None:
    """Add `promote` to the commands."""
    parser = commands.add_parser("promote", help="promote the registered model past its gates")
    parser.add_argument(
        "--rollback", action="store_true", help="give the alias back to the previous champion"
    )
    parser.add_argument("--dataset", metavar="KEY", help="only this data set (default: all)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    with lock.exclusive():
        params = _only(load_params(), args.dataset)
        if args.rollback:
            return _roll_back(params.datasets)
        from ferbench.tracking.promotion import promote_study

        outcomes = promote_study(params).values()
    return max([_show(outcome) for outcome in outcomes], default=0)


def _only(params: Params, dataset: str | None) -> Params:
    """The study with one of its data sets, or with all for None."""
    if dataset is None:
        return params
    if dataset not in params.datasets:
        raise unknown("data set", dataset, params.datasets, where="params.yaml")
    return dataclasses.replace(params, datasets={dataset: params.datasets[dataset]})


def _roll_back(datasets: Iterable[str]) -> int:
    from ferbench.tracking.registry import model_name, roll_back

    for dataset in datasets:
        lost, got = roll_back(model_name(dataset))
        print(f"{model_name(dataset)}: version {got} is champion again, version {lost} no longer")
    return 0


def _show(outcome: Mapping[str, Any]) -> int:
    """Print one model's gates; 0 if it is the champion now, else 1."""
    from rich.console import Console
    from rich.table import Table

    name, version, champion = (outcome[key] for key in ("model", "version", "champion"))
    title = f"{name} version {version}: {outcome['variant']}"
    table = Table("gate", "passed", "reason", title=title, title_justify="left")
    for gate in outcome["gates"]:
        table.add_row(gate["gate"], "yes" if gate["passed"] else "no", gate["reason"])
    console = Console(highlight=False)
    console.print(table)
    if champion == version:
        console.print(f"version {version} is champion")
        return 0
    stays = "there is no champion" if champion is None else f"version {champion} stays champion"
    console.print(f"version {version} is not promoted; {stays}")
    return 1
