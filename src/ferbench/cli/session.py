"""`.cache/cluster.json`: the cluster that a `ferbench repro` of this checkout uses at present.

Workers that share the checkout's files recognise it by this file, and `ferbench study status` finds
the scheduler by it. It holds the key to a scheduler of this machine, so that it is readable by its
owner alone.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ferbench.files import PARTIAL
from ferbench.locks import Process

__all__ = ["FILE", "QUIET", "Session"]

FILE = Path(".cache", "cluster.json")

# Settings of Dask for schedulers and workers that ferbench starts. What they measure of themselves
# for Dask's pages takes 11 % of a core with two workers, 42 % with sixteen; without, 2 and 7 %. The
# pages would be readable by whoever reaches the port.
QUIET = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}


@dataclass(frozen=True)
class Session:
    """One `ferbench repro` that uses a cluster.

    Args:
        name: identifies it.
        address: of the scheduler.
        process: that runs it, as JSON.
        tls: what it takes to connect, as arguments of Dask's `Security`.
        group: Dask's name for its tasks.
        total: number of its tasks.
    """

    name: str
    address: str
    process: str
    tls: dict[str, str] = field(default_factory=dict, repr=False)
    group: str = ""
    total: int = 0

    @classmethod
    def read(cls, checkout: Path = Path()) -> Session | None:
        """The session of a checkout; None if there is none, or its process has ended."""
        try:
            session = cls(**json.loads((checkout / FILE).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        process = Process.from_json(session.process)
        return session if process is not None and process.is_alive() else None

    def write(self) -> None:
        """Write it for the current folder's checkout, whole or not at all."""
        FILE.parent.mkdir(parents=True, exist_ok=True)
        # Readable by its owner from the beginning, unlike what `whole_file` makes.
        handle, name = tempfile.mkstemp(prefix=PARTIAL, dir=FILE.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        Path(name).replace(FILE)
