"""The `python` of stages that `ferbench repro` runs: hands a stage to the warm process.

DVC starts every stage as `python pipeline/<stage>.py`, and importing torch, Lightning and MLflow
takes longer than most stages do. `ferbench.cli.warm` imports them once; this client asks it to run
the script in a fork of itself, passes signals on, and ends as the script does. Without a warm
process, or for a script that it declines, the client becomes the real interpreter.

It is run by path, with the standard library alone, so that it starts in a few milliseconds.
"""

import contextlib
import json
import os
import signal
import socket
import sys

ADDRESS, PYTHON = "FERBENCH_WARM", "FERBENCH_PYTHON"  # environment variables


def main() -> None:
    """Run the script in the warm process, or else by the real interpreter."""
    address, words = os.environ.get(ADDRESS), sys.argv[1:]
    if address and words and words[0].startswith("pipeline/"):
        _ask(address, words)
    python = os.environ[PYTHON]
    os.execv(python, [python, *words])


def _ask(address: str, words: list[str]) -> None:
    """End as the script did; return if the warm process does not run it."""
    request = {
        "argv": words,
        "cwd": os.path.realpath("."),
        "env": dict(os.environ),
        "pid": os.getpid(),
    }
    content = json.dumps(request).encode()
    signals = _Signals()
    with socket.socket(socket.AF_UNIX) as warm:
        try:
            warm.connect(address)
            socket.send_fds(warm, [len(content).to_bytes(8, "big")], [0, 1, 2])
            warm.sendall(content)
            answers = warm.makefile("r", encoding="ascii")
            first = answers.readline().split()
        except OSError:  # it has ended
            first = []
        if first[:1] != ["pid"]:
            signals.restore()
            return
        signals.pass_to(int(first[1]))
        last = answers.readline().split()
    if last[:1] != ["status"]:
        sys.exit("the process that ran this stage was killed")
    status = int(last[1])
    if status < 0:  # ended by a signal: end by it too
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


class _Signals:
    """Passes signals on to the script, also those that come before it is known."""

    def __init__(self) -> None:
        self._child = 0
        self._early: list[int] = []
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        self._before = {number: signal.signal(number, self._receive) for number in numbers}

    def _receive(self, number: int, frame: object) -> None:
        if self._child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, number)
        else:
            self._early.append(number)

    def pass_to(self, child: int) -> None:
        """The process of the script."""
        self._child = child
        for number in self._early:
            self._receive(number, None)

    def restore(self) -> None:
        """Undo it, for another program."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for early in self._early:
            os.kill(os.getpid(), early)


if __name__ == "__main__":
    main()
