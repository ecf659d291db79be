"""Who writes a run: a tag that lets another process see whether its writer is still alive."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

__all__ = ["CHECKOUT", "OWNER", "Owner", "this_checkout", "this_process"]

OWNER = "ferbench.owner"
CHECKOUT = "ferbench.checkout"
# Start times are counted from the boot, whose time is not exact after the clock was set.
_SAME_START_S = 10.0


@dataclass(frozen=True)
class Owner:
    """A process that writes a run.

    Args:
        host: name of its machine.
        space: its space of process ids, which containers of one machine do not share.
        pid: process id.
        started: when the process was started, in seconds since 1970.
        checkout: its working folder.
    """

    host: str
    space: str
    pid: int
    started: float
    checkout: str

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Owner | None:
        """The owner that a run's tags name; None if they name none."""
        try:
            return cls(**json.loads(tags[OWNER]))
        except (KeyError, TypeError, ValueError):
            return None

    def tag(self) -> str:
        """The value of the tag `OWNER`."""
        return json.dumps(asdict(self))

    def is_another(self) -> bool:
        """Whether it is not this process and may be alive.

        Of a process on another machine nothing is known, so it counts as alive: nobody else may
        write its run.
        """
        here = this_process()
        if (self.host, self.space) != (here.host, here.space):
            return True
        return self.pid != here.pid and _is_alive(self.pid, self.started)


def _is_alive(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(float(process.create_time()) - started) < _SAME_START_S
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it is there, and another user's
        return True


def this_process() -> Owner:
    """This process as an owner."""
    spaces = Path("/proc/self/ns/pid")
    return Owner(
        host=socket.gethostname(),
        space=str(spaces.readlink()) if spaces.is_symlink() else "",
        pid=os.getpid(),
        started=float(psutil.Process().create_time()),
        checkout=str(Path.cwd()),
    )


def this_checkout() -> str:
    """The value of the tag `CHECKOUT`: machine and folder."""
    return f"{socket.gethostname()}:{Path.cwd()}"
