"""The pipeline's graph, and what of it is out of date, as one DVC process reports them."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ferbench.cli.lifeline import dvc
from ferbench.errors import InputError
from ferbench.files import read_json

__all__ = ["Flow", "State", "read_state"]


@dataclass(frozen=True)
class Flow:
    """The graph of stages.

    Args:
        needs: of every stage, those it needs directly.
        inputs: of every stage, the paths it reads that other stages have written: by which, and
            whether DVC caches them.
    """

    needs: dict[str, frozenset[str]]
    inputs: Mapping[str, Mapping[str, tuple[str, bool]]] = field(default_factory=dict)

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

    def inputs_of(self, stages: Sequence[str]) -> dict[str, bool]:
        """Paths that stages read and others than these have written; whether DVC caches them."""
        return {
            path: cached
            for stage in stages
            for path, (source, cached) in self.inputs.get(stage, {}).items()
            if source not in stages
        }


@dataclass(frozen=True)
class State:
    """The pipeline at one time.

    Args:
        flow: its graph.
        stale: stages whose inputs, parameters or outputs are not what DVC has recorded. What only
            follows on such a stage is not among them until that stage has run.
    """

    flow: Flow
    stale: frozenset[str]


def read_state() -> State:
    """The pipeline's graph and what is out of date, in one DVC process.

    Raises:
        InputError: DVC cannot read the pipeline.
    """
    with tempfile.TemporaryDirectory(prefix="ferbench-") as folder:
        path = Path(folder) / "state.json"
        command = dvc("state", str(path))
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            told = (result.stdout + result.stderr).strip()
            raise InputError(
                f"DVC cannot read the pipeline:\n{told}",
                where="dvc.yaml",
                remedy="mend what it names; `ferbench doctor` checks the rest",
            )
        content = read_json(path)
    needs = {stage: frozenset(others) for stage, others in content["needs"].items()}
    inputs = {
        stage: {path: (source, cached) for path, source, cached in read}
        for stage, read in content["inputs"].items()
    }
    return State(Flow(needs, inputs), frozenset(content["stale"]))
