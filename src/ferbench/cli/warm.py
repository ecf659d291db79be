"""A process that has imported what stages import, and runs each of them in a fork of itself.

`ferbench repro` starts it for its own lifetime and puts `ferbench.cli.warm_client` in the place of
the `python` that stages call. The first stage of a kind makes it import what that script imports at
its top; what the stage imports later, in its functions, it imports before the next one of its kind.
DVC notices nothing: every stage is still a process of its own, with its own environment, folder,
output and exit status, that ends with the client that asked for it.

It declines a script, which then runs by an ordinary interpreter, if the script cannot be imported,
if imports have started Python threads (a fork would lose them), or if a file of the code has
changed since the process started. Native threads are those of jemalloc in pyarrow and polars, which
jemalloc starts anew in a fork. No operation of torch runs before a fork, so that no pool of its
threads is lost, and CUDA is not initialised.
"""

from __future__ import annotations

import ast
import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ferbench.cli.lifeline import CLIENT
from ferbench.cli.warm_client import ADDRESS, PYTHON

__all__ = ["warm_python"]

_CLIENT = Path(__file__).with_name("warm_client.py")
_LENGTH = 8  # bytes of the number that is before a request
_STREAMS = 3
_PR_SET_PDEATHSIG = 1  # of prctl(2)


@contextmanager
def warm_python(checkout: Path | None = None) -> Iterator[dict[str, str]]:
    """The environment in which stages run in a warm process, which ends with the block.

    Elsewhere than on Linux it is the ordinary environment.

    Args:
        checkout: whose stages it runs; None for the current folder.

    Yields:
        Variables that are added to those of DVC.
    """
    if not hasattr(os, "pidfd_open"):  # not Linux
        yield {}
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ferbench-")))
        shim, address = folder / "python", folder / "socket"
        words = shlex.join([sys.executable, "-I", "-S", str(_CLIENT)])
        shim.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        shim.chmod(0o700)
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(address))
        listening.listen()
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(os.getpid()), str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            cwd=checkout,
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        yield {
            ADDRESS: str(address),
            PYTHON: sys.executable,
            "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)]),
        }


@dataclass(frozen=True)
class _Job:
    """A stage that runs.

    Args:
        pid: of its process.
        client: connection to the client that waits for it.
        script: that it runs.
        imported: file in memory to which it writes the modules that it imports.
    """

    pid: int
    client: socket.socket
    script: str
    imported: int


def _die_with_parent() -> None:
    """Have the kernel kill this process when the warm one ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))


class _Server:
    """Serves requests one by one; stages run side by side.

    Args:
        listening: where clients connect.
        parent: process whose end ends this one, and with it all stages.
    """

    def __init__(self, listening: socket.socket, parent: int) -> None:
        self._listening = listening
        self._parent = os.pidfd_open(parent)
        self._jobs: dict[int, _Job] = {}
        self._known: dict[str, bool] = {}  # scripts, and whether they can be forked
        self._later: dict[str, list[str]] = {}  # modules that scripts import in their functions
        self._tried: set[str] = set()  # of these, as some cannot be imported by their names
        self._code = _code()
        self._selector = selectors.DefaultSelector()

    def serve(self) -> NoReturn:
        """Serve until the parent ends."""
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        signal.set_wakeup_fd(there.fileno())
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._selector.register(self._listening, selectors.EVENT_READ, None)
        self._selector.register(here, selectors.EVENT_READ, here)
        self._selector.register(self._parent, selectors.EVENT_READ, sys.exit)
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._accept()
                elif key.data is sys.exit:
                    sys.exit()
                elif key.data is here:
                    with suppress(BlockingIOError):
                        here.recv(4096)
                    self._reap()
                else:
                    self._abandon(key.data)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        try:
            request, streams = _read_request(client)
        except (OSError, ValueError):
            client.close()
            return
        if not self._can_fork(request["argv"][0]):
            client.sendall(b"cold\n")
            _close(streams)
            client.close()
            return
        script, imported = request["argv"][0], os.memfd_create("imported")
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            self._listening.close()
            for job in self._jobs.values():
                job.client.close()
                os.close(job.imported)
            client.close()
            _run(request, streams, imported)
        _close(streams)
        client.sendall(f"pid {pid}\n".encode())
        self._jobs[pid] = _Job(pid, client, script, imported)
        self._selector.register(client, selectors.EVENT_READ, self._jobs[pid])

    def _reap(self) -> None:
        """Report the stages that have ended."""
        for job in list(self._jobs.values()):
            pid, status = os.waitpid(job.pid, os.WNOHANG)
            if pid:
                with suppress(OSError):
                    job.client.sendall(f"status {os.waitstatus_to_exitcode(status)}\n".encode())
                with open(job.imported, encoding="utf-8", closefd=False) as file:
                    file.seek(0)
                    self._later[job.script] = file.read().split()
                self._forget(job)

    def _abandon(self, job: _Job) -> None:
        """A client says nothing after its request: it was killed, and its stage goes with it."""
        if job.pid in self._jobs:
            os.kill(job.pid, signal.SIGKILL)
            os.waitpid(job.pid, 0)
            self._forget(job)

    def _forget(self, job: _Job) -> None:
        self._selector.unregister(job.client)
        job.client.close()
        os.close(job.imported)
        del self._jobs[job.pid]

    def _can_fork(self, script: str) -> bool:
        if _code() != self._code:
            return False
        later = [name for name in self._later.pop(script, []) if name not in self._tried]
        if script not in self._known or later:
            if script not in self._known:
                self._known[script] = _import_what(script)
            _import_modules(later)
            self._tried.update(later)
            gc.collect()
            gc.freeze()  # so that a fork's collections touch, and copy, none of it
        return self._known[script] and threading.active_count() == 1


def _read_request(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, streams, _, _ = socket.recv_fds(client, _LENGTH, _STREAMS)
    rest = client.makefile("rb").read(int.from_bytes(head, "big"))
    return json.loads(rest), streams


def _import_what(script: str) -> bool:
    """Import the modules that a script names at its top; whether that went well."""
    try:
        tree = ast.parse(Path(script).read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                importlib.import_module(node.module)
            elif isinstance(node, ast.Import):
                for name in node.names:
                    importlib.import_module(name.name)
    except Exception:  # the real interpreter will show it
        return False
    return True


def _import_modules(names: Sequence[str]) -> None:
    """Import modules as far as that works, and make ready what every stage would make again."""
    for name in names:
        with suppress(Exception):  # such as a file that was loaded under a name of its own
            importlib.import_module(name)
    with suppress(Exception):  # MLflow's tables
        sys.modules["sqlalchemy.orm"].configure_mappers()
    with suppress(Exception):  # to check the names of parts, it reads the source of all parts
        sys.modules["ferbench.config.params"].load_params()


def _code() -> dict[Path, int]:
    """The files of this package and of `synthfaces`, and when each was changed (ns)."""
    source = Path(__file__).parents[2]
    files = [*source.glob("ferbench/**/*.py"), *source.glob("synthfaces/**/*.py")]
    return {file: _time_of(file) for file in files}


def _time_of(path: Path) -> int:
    """-1 if it is gone."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return -1


def _close(streams: list[int]) -> None:
    for stream in streams:
        os.close(stream)


def _run(request: Mapping[str, Any], streams: list[int], imported: int) -> NoReturn:
    """In the fork: become the script, and end the process with its status."""
    _die_with_parent()
    before = set(sys.modules)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    del os.environ[ADDRESS]
    os.environ[CLIENT] = str(request["pid"])
    sys.argv = list(request["argv"])
    sys.path[0] = str(Path(sys.argv[0]).parent.absolute())
    status = _status_of_script()
    new = [name for name in sys.modules if name not in before]
    with suppress(OSError):
        os.write(imported, "\n".join(new).encode())
    os._exit(status)


def _status_of_script() -> int:
    status = 0
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    # What an interpreter does at its end.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    return status


def _main() -> NoReturn:
    parent, listening = map(int, sys.argv[1:])
    _Server(socket.socket(fileno=listening), parent).serve()


if __name__ == "__main__":
    _main()
