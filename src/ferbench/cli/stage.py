"""How a command ends when something outside the program goes wrong: one message, no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from ferbench.cli.lifeline import end_stage_with_dvc
from ferbench.cli.stage_times import recorded
from ferbench.errors import InputError
from ferbench.files import disk_full

__all__ = ["inference_device", "run_stage", "stage_words", "status_of"]

INTERRUPTED = 130  # 128 + SIGINT, as shells count it


def status_of(main: Callable[[], int | None]) -> int:
    """The exit status of `main`; bad input, Ctrl-C and a full disk are one message."""
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to resume", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        full = disk_full(error)
        if full is None:
            raise
        place = f" while writing {full.filename}" if full.filename else ""
        print(
            f"error: disk full{place}\n"
            "  remedy: free some space, then start the same command again; nothing half-written "
            "is left\n  `dvc gc --workspace` drops cached results that no study in place needs",
            file=sys.stderr,
        )
        return 2


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage script's `main` and end the process with its status.

    Bad input (`InputError`) and a full disk end with status 2, Ctrl-C with 130, anything else with
    Python's own traceback and status 1. It ends with the DVC process that runs it. What it took is
    added to `.cache/stage_times.csv`.
    """
    end_stage_with_dvc()
    with recorded() as row:
        row.status = status_of(main)
    sys.exit(row.status)


def inference_device(accelerator: str) -> str:
    """`cuda` if there is a GPU that `train.accelerator` does not rule out, otherwise `cpu`."""
    import torch  # not at the top: most stages need none

    return "cuda" if torch.cuda.is_available() and accelerator != "cpu" else "cpu"


def stage_words() -> list[str]:
    """The arguments of a stage script: keys of `params.yaml`, and a seed.

    DVC calls it with the name of its stage, such as `train@ivsa-synthetic-0`, whose part behind the
    `@` are the words; a user may write them one by one. In `dvc.yaml` no value of `params.yaml` is
    part of a command, since DVC hands commands to a shell as they are. The name of the stage comes
    from the environment (`"$DVC_STAGE"`), which the shell does not read as code.
    """
    match sys.argv[1:]:
        case [stage] if "@" in stage:
            return stage.rpartition("@")[2].split("-")
        case words:
            return words
