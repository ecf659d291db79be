"""`ferbench repro`: the whole study, from data to report."""

from __future__ import annotations

import argparse
import datetime
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from ferbench.cli import lock, studies
from ferbench.cli.children import Children
from ferbench.cli.cluster import DaskEngine
from ferbench.cli.commands.study import show
from ferbench.cli.fan_out import reproduce_runs
from ferbench.cli.flow import read_state
from ferbench.cli.lifeline import dvc
from ferbench.cli.lock import mend_lock_file
from ferbench.cli.stage_times import read_stage_times, shares
from ferbench.cli.unchanged import nothing_has_changed
from ferbench.cli.warm import warm_python
from ferbench.config.clusters import Cluster, load_cluster
from ferbench.config.params import Params, load_params
from ferbench.config.runs import all_runs

__all__ = ["add_repro"]

_RUN_BYTES = 3 * 2**30  # a run on a CPU has been seen to take 1.5 GiB


def add_repro(commands: Any) -> None:
    """Add `repro` to the commands."""
    parser = commands.add_parser("repro", help="run what is out of date, then show the results")
    parser.add_argument("--study", metavar="NAME", help="switch to this study first")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_jobs,
        default=0,
        help="runs trained in parallel; `auto`, the default: one per core, or one with a GPU",
    )
    parser.add_argument(
        "--cluster",
        metavar="WHERE",
        help="compute runs on a Dask cluster instead: the address of its scheduler, or a YAML file",
    )
    parser.set_defaults(run=_run)


def _jobs(word: str) -> int:
    if word == "auto":
        return 0
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"a number from 1 on, or auto; not {word!r}")
    return int(word)


def _fitting_jobs(threads: int) -> int:
    """One run at a time where there is a GPU, else one per core as far as memory allows."""
    if Path("/dev/nvidia0").exists():
        return 1
    cores = (os.cpu_count() or 1) // threads
    memory = psutil.virtual_memory().total // _RUN_BYTES
    return int(max(1, min(cores, memory)))


def _run(args: argparse.Namespace) -> int:
    start, now = time.monotonic(), datetime.datetime.now(datetime.UTC)
    with lock.exclusive():
        lock.refuse_other_dvc()
        # Reading a large file takes seconds; one that DVC has found whole needs no mending.
        left = None if nothing_has_changed() else mend_lock_file()
        if left is not None:
            print(f"dvc.lock was damaged and is kept as dvc.lock.damaged; {left} stages are left")
        if args.study:
            show(args.study, studies.use(args.study))
        params = load_params()
        cluster = load_cluster(args.cluster) if args.cluster else Cluster()
        jobs = args.jobs or _fitting_jobs(params.train.threads)
        done = _reproduce(params, cluster, jobs)
    if not done:
        print("error: not all stages ran; run the same command again to resume", file=sys.stderr)
        return 1
    from ferbench.cli import results  # imports pandas

    results.show(params)
    spent = shares(read_stage_times(now.isoformat(timespec="seconds")))
    if spent:
        most = ", ".join(f"{kind} {seconds:.0f} s" for kind, seconds in list(spent.items())[:4])
        print(f"CPU time of the stages that ran: {sum(spent.values()):.0f} s ({most})")
    print(f"done in {time.monotonic() - start:.0f} s")
    return 0


def _reproduce(params: Params, cluster: Cluster, jobs: int) -> bool:
    """Bring every stage up to date; whether that went well."""
    for word in (signal.SIGTERM, signal.SIGHUP):  # end as on Ctrl-C: with the children
        signal.signal(word, signal.default_int_handler)
    # DVC would make this folder, and its parents, writable for everybody.
    Path(".cache/dvc/repo").mkdir(parents=True, exist_ok=True)
    runs = [run.name for run in all_runs(params)]
    if nothing_has_changed():
        print("all stages are up to date")
        return True
    with ExitStack() as stack:
        stack.callback(lock.forget_dead_dvc)  # after an interrupt, for DVC called by hand
        parallel = not cluster.is_local or (jobs > 1 and len(runs) > 1)
        state = read_state() if parallel else None
        if state is not None and not state.stale:
            print("all stages are up to date")
            return True
        variables = stack.enter_context(warm_python())
        children = stack.enter_context(Children(variables))
        if state is not None:
            with DaskEngine(children, cluster, jobs, variables) as engine:
                if not reproduce_runs(children, runs, engine, state):
                    return False
        return children.run(dvc("repro", "--keep-going")) == 0
