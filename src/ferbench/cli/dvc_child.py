"""DVC as a child of ferbench: it ends when ferbench is gone.

Command: python -m ferbench.cli.dvc_child <pid of ferbench> <words of dvc>...
"""

from __future__ import annotations

import os
import signal
import sys

from ferbench.cli.lifeline import watch


def main() -> int:
    """Run DVC; the exit status is DVC's."""
    from dvc.cli import main as dvc

    parent, *words = sys.argv[1:]
    watch(int(parent), _end)
    return int(dvc(words))


def _end() -> None:
    """End DVC, and the stage that it runs."""
    if os.getpgrp() == os.getpid():
        # DVC does not heed an interrupt while a stage runs; the stage does.
        os.killpg(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
