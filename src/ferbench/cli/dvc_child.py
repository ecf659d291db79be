"""DVC as a child of ferbench: it ends when ferbench is gone, and is safe to kill.

Command: python -m ferbench.cli.dvc_child <pid of ferbench> <words of dvc>...
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import NoReturn

from ferbench.cli.lifeline import GRACE_S, watch
from ferbench.cli.lock import write_whole_files


def main() -> int:
    """Run DVC; the exit status is DVC's."""
    from dvc.cli import main as dvc

    parent, *words = sys.argv[1:]
    # As an exception, so that DVC releases what it has locked.
    signal.signal(signal.SIGTERM, _exit)
    watch(int(parent), _end)
    write_whole_files()
    return int(dvc(words))


def _exit(number: int, frame: object) -> NoReturn:
    del frame
    sys.exit(128 + number)


def _end() -> None:
    """End DVC, and the stage that it runs."""
    if os.getpgrp() == os.getpid():
        # DVC does not heed an interrupt while a stage runs; the stage does.
        os.killpg(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
