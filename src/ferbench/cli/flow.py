"""What DVC knows of the pipeline: which stage needs which, and which are out of date."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from ferbench.cli.lifeline import DVC_CHILD
from ferbench.errors import InputError

__all__ = ["Flow", "dvc", "read_flow", "stale_stages"]

_NODE = re.compile(r'^"?([^"\s]+?)"?;$')
_EDGE = re.compile(r'^"?([^"\s]+?)"? -> "?([^"\s]+?)"?;$')


@dataclass(frozen=True)
class Flow:
    """The graph of stages.

    Args:
        needs: of every stage, those it needs directly.
    """

    needs: dict[str, frozenset[str]]

    def before(self, stages: Iterable[str]) -> set[str]:
        """All that `stages` need, directly or not, without themselves."""
        wanted = set(stages)
        found: set[str] = set()
        open_ends = list(wanted)
        while open_ends:
            new = self.needs[open_ends.pop()] - found
            found |= new
            open_ends += new
        return found - wanted


def dvc(*words: str) -> list[str]:
    """The command line of this environment's own DVC, which ends when this process does."""
    return [sys.executable, "-m", DVC_CHILD, str(os.getpid()), *words]


def read_flow() -> Flow:
    """The pipeline's graph, asked of DVC.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    needs: dict[str, set[str]] = {}
    for line in _answer("dag", "--dot").splitlines():
        if edge := _EDGE.match(line.strip()):
            needs.setdefault(edge[2], set()).add(edge[1])
        elif node := _NODE.match(line.strip()):
            needs.setdefault(node[1], set())
    return Flow({stage: frozenset(others) for stage, others in needs.items()})


def stale_stages() -> set[str]:
    """Stages whose inputs, parameters or outputs are not what DVC has recorded.

    What only follows on such a stage is not among them until that stage has run.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    return set(json.loads(_answer("status", "--json")))


def _answer(*words: str) -> str:
    result = subprocess.run(
        dvc("--wait-for-lock", *words), capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise InputError(
            f"DVC cannot read the pipeline:\n{result.stderr.strip()}",
            where="dvc.yaml",
            remedy="mend what it names; `ferbench doctor` checks the rest",
        )
    return result.stdout
