"""How long does the pipeline take to find that nothing is left to do?

A clone of this project gets a study of many runs. What its stages would write is made up, some
bytes a file, and recorded as done with DVC's own `commit`, which hashes every dependency and every
output. Then a pipeline of full size is checked, in three ways that take turns:

- `ferbench repro`: what `make repro` runs; DVC looks at every file;
- `again`: the same once more, when nothing has changed since;
- `dvc repro`: DVC by hand, without what ferbench does to speed it up.

That all stages are checked is itself checked: after one output of one run has changed, exactly the
stages that made and read it are out of date.

    python benchmarks/idle_repro.py --runs 300

Writes benchmarks/results/idle_repro.json: some ten minutes, most of them for making up the study.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from conditions import conditions

from ferbench.cli import unchanged
from ferbench.cli.dvc_checks import each_path_once
from ferbench.cli.flow import read_state
from ferbench.cli.studies import use
from ferbench.config.params import load_params
from ferbench.config.runs import all_runs
from ferbench.files import write_json

PROJECT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "idle_repro.json"
STUDY = "demo"


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, whose code is the one that subprocesses import."""
    before, path = Path.cwd(), os.environ.get("PYTHONPATH")
    os.chdir(folder)
    os.environ["PYTHONPATH"] = str(folder / "src")
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.pop("PYTHONPATH") if path is None else os.environ.update(PYTHONPATH=path)


def many_seeds(runs: int) -> None:
    """Give the study of the current folder so many runs, or a few more."""
    path = Path("studies", f"{STUDY}.yaml")
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["seeds"] = list(range(-(-runs // len(tree["variants"]))))
    path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    use(STUDY)


def make_up_results() -> None:
    """Write something for every output, and record all stages as done."""
    from dvc.repo import Repo

    with Repo() as repo:
        stages = list(repo.index.stages)
        outs = {Path(out.fs_path) for stage in stages for out in stage.outs}
        read = {Path(dep.fs_path) for stage in stages for dep in stage.deps}
        for path in outs:
            inner = [p for p in read if path in p.parents]
            for file in inner or [path if path.suffix else path / "content.txt"]:
                file.parent.mkdir(parents=True, exist_ok=True)
                if not file.exists():
                    file.write_text(str(file.relative_to(Path.cwd())), encoding="utf-8")
        with each_path_once():
            repo.commit(force=True)


def timed(command: list[str]) -> dict[str, float]:
    """Wall-clock and CPU seconds of a command that succeeds."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command}:\n{done.stdout}\n{done.stderr}")
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_seconds": round(wall, 2), "cpu_seconds": round(spent, 2)}


def measure(repeats: int) -> dict[str, Any]:
    """Times of the commands, in turns, in the current folder."""
    code = (
        "from ferbench.cli import main, results; results.show = lambda params: None;"
        "raise SystemExit(main.main())"  # made-up results are no table
    )
    commands = {
        "ferbench repro": [sys.executable, "-c", code, "repro", "--jobs", "2"],
        "again": [sys.executable, "-c", code, "repro", "--jobs", "2"],
        "dvc repro": [sys.executable, "-m", "dvc", "repro"],
    }
    times: dict[str, Any] = {name: [] for name in commands}
    for _ in range(repeats):
        unchanged.FILE.unlink(missing_ok=True)
        for name, command in commands.items():
            times[name].append(timed(command))
    return times


def check_that_changes_are_seen() -> None:
    """After a change of one run's model, its readers are out of date, and nothing else is.

    Raises:
        RuntimeError: something else was found.
    """
    if found := read_state().stale:
        raise RuntimeError(f"out of date without a change: {sorted(found)[:9]}")
    run = all_runs(load_params())[-1]
    model = run.folder / "model.pt"
    content = model.read_bytes()
    model.unlink()  # a link into DVC's cache may not be written to
    model.write_bytes(b"changed")
    found = read_state().stale
    model.unlink()
    model.write_bytes(content)
    stages = {stage for stage in found if stage.endswith(run.name)}
    if not {f"train@{run.name}", f"evaluate@{run.name}"} <= stages:
        raise RuntimeError(f"a changed model of {run.name} is not seen: {sorted(found)}")
    if any("@" in stage for stage in found - stages):
        raise RuntimeError(f"other runs are out of date, too: {sorted(found)[:9]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--clone", type=Path, help="keep the clone in this folder, or use it again")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        clone = (args.clone or Path(folder, "clone")).absolute()
        new = not clone.exists()
        if new:
            subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
        with inside(clone):
            if new:
                many_seeds(args.runs)
                make_up_results()
            check_that_changes_are_seen()
            stages = len(read_state().flow.needs)
            runs, times = len(all_runs(load_params())), measure(args.repeats)
    for name, found in times.items():
        print(f"{name}: {[t['wall_seconds'] for t in found]} s, {runs} runs, {stages} stages")
    record = {
        "runs": runs,
        "stages": stages,
        "commands": times,
        "load": os.getloadavg(),
        **conditions(),
    }
    write_json(RESULT, record)
    print(f"-> {RESULT}")


if __name__ == "__main__":
    main()
