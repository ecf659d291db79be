"""`ferbench worker`: let this machine compute runs of a study that another one reproduces."""

from __future__ import annotations

import argparse
import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.cli.lifeline import GRACE_S
from ferbench.cli.session import QUIET
from ferbench.errors import InputError

if TYPE_CHECKING:
    from distributed import Nanny

__all__ = ["add_worker"]


def add_worker(commands: Any) -> None:
    """Add `worker` to the commands."""
    parser = commands.add_parser(
        "worker", help="compute runs for `ferbench repro --cluster` on another machine"
    )
    parser.add_argument("address", metavar="ADDRESS", help="of the scheduler, tcp://HOST:PORT")
    parser.add_argument(
        "--resource",
        metavar="NAME=N",
        action="append",
        type=_resource,
        default=[],
        help="what this machine has of a resource that runs take, such as GPU=1",
    )
    parser.set_defaults(run=_run)


def _resource(word: str) -> tuple[str, float]:
    name, _, number = word.partition("=")
    try:
        if name and float(number) > 0:
            return name, float(number)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"a name and a number, such as GPU=1; not {word!r}")


def _run(args: argparse.Namespace) -> int:
    if "://" not in args.address:
        raise InputError(
            f"{args.address!r} is no address",
            where="ADDRESS",
            remedy="write it as in tcp://127.0.0.1:8786",
        )
    asyncio.run(_serve(args.address, dict(args.resource)))
    return 0


async def _serve(address: str, resources: dict[str, float]) -> None:
    """Serve until the scheduler is gone, or until Ctrl-C or SIGTERM.

    Raises:
        InputError: the scheduler does not answer.
    """
    import dask
    from distributed import Nanny
    from distributed.comm import get_address_host_port
    from distributed.utils import get_ip

    dask.config.set(QUIET)
    # The one interface that leads to the scheduler, instead of all of them.
    host = get_ip(*get_address_host_port(address, strict=True))
    nanny = Nanny(
        address,
        nthreads=1,
        host=host,
        memory_limit=None,
        resources=resources,
        dashboard=False,
        death_timeout=60,
    )
    try:
        await nanny
    except (OSError, RuntimeError) as error:  # Dask wraps what has happened
        raise InputError(
            f"the scheduler does not answer: {error.__cause__ or error}",
            where=address,
            remedy="start it first: `dask scheduler --host HOST`",
        ) from error
    try:
        print(f"worker {nanny.worker_address} of {address} in {Path.cwd()}", flush=True)
        await _ended_or_asked_to(nanny)
    finally:
        await nanny.close(timeout=GRACE_S + 5)


async def _ended_or_asked_to(nanny: Nanny) -> None:
    """Wait for the end of a worker, or for a signal to end it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for word in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(word, stop.set)
    waits = [asyncio.ensure_future(nanny.finished()), asyncio.ensure_future(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
