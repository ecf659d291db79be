"""Child processes that end with the block that started them, with all that they have started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ferbench.cli.lifeline import GRACE_S

__all__ = ["Children"]


class Children:
    """Processes started together; leaving the block stops those that still run.

    Each child leads a session of its own, so a signal reaches all that it has started (DVC runs a
    stage in a shell), and Ctrl-C reaches it through `stop` only, once.

    Args:
        variables: of their environment, besides our own.
        folder: in which they work; None for our own working folder.
    """

    def __init__(
        self, variables: Mapping[str, str] | None = None, folder: Path | None = None
    ) -> None:
        # This Python's folder first: stages say `python`, in an activated shell or not.
        folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
        self._environment = {**os.environ, "PATH": os.pathsep.join(folders), **(variables or {})}
        self._folder = folder
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, command: Sequence[str], log: Path | None = None) -> int:
        """Run a command to its end; its output goes to `log`, or where ours goes.

        Returns:
            Its exit status; 130 if `stop` was called before it could start.
        """
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            with self._guard:
                if self._stopped:
                    return 130
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT if output else None,
                    start_new_session=True,
                    cwd=self._folder,
                    env=self._environment,
                )
                self._running.add(child)
            status = child.wait()
            with self._guard:
                self._running.discard(child)
            return status

    def stop(self) -> None:
        """Interrupt every child with all it has started, then kill what does not end."""
        with self._guard:
            self._stopped = True
            running = list(self._running)
        for child in running:
            _signal(child, signal.SIGINT)
            # DVC itself takes a stage's interrupt for a failure, and could go on to the next.
            child.terminate()
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C: wait no longer
            deadline = time.monotonic() + GRACE_S
            while any(map(_has_members, running)) and time.monotonic() < deadline:
                time.sleep(0.05)
        for child in running:
            _signal(child, signal.SIGKILL)
            child.wait()


def _has_members(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child, or anything that it has started, still runs."""
    child.poll()  # what has ended and is not waited for would count
    return _signal(child, 0)


def _signal(child: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a child's whole session; whether any process was left to get it."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return False
    return True
