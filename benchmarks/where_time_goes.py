"""Where does a study's CPU time go? A fresh clone runs it, and every process is counted.

- `network`: epochs of training without their data, that is forward, backward and optimizer steps,
  and one forward pass over val an epoch;
- `data`: reading and augmenting the batches of these epochs, measured again on two epochs a run,
  as items without random draws are kept after the first;
- `training, else`: of stage `train`: building the network, checkpoints, records;
- `evaluation`, `tracking`, `other stages`: all that these stages take;
- `DVC and imports`: the rest, that is DVC, its lock file, and the process that imports for stages.

    python benchmarks/where_time_goes.py --study smoke

Writes benchmarks/results/where_time_goes_<study>.json. Takes as long as the study.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from conditions import conditions

from ferbench.artifacts.runs import RunRecord
from ferbench.cli.stage_times import FILE, StageTime, read_stage_times, shares
from ferbench.config.params import Params, load_params
from ferbench.config.runs import Run, all_runs
from ferbench.data.dataset import open_dataset
from ferbench.data.draws import EpochSampler
from ferbench.data.loaders import FaceDataset, SceneDataset, loader
from ferbench.files import write_json
from ferbench.models.build import task_of

PROJECT = Path(__file__).parents[1]
PARTS = {
    "evaluation": ("evaluate", "robustness", "explain", "latency", "score", "compare", "claims"),
    "tracking": ("track", "register", "promote"),
}


def reproduce(clone: Path, study: str, jobs: str) -> float:
    """CPU seconds of `ferbench repro` and of all processes below it."""
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(clone)], check=True)
    code = "from ferbench.cli.main import main; raise SystemExit(main())"
    paths = {"PYTHONPATH": str(clone / "src")}
    paths["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = [sys.executable, "-c", code, "repro", "--study", study, "--jobs", jobs]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=clone, env=os.environ | paths, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def data_seconds(params: Params, run: Run, epochs: int) -> float:
    """CPU seconds that the batches of a run's epochs take, by those of the first two."""
    recipe, stored = params.recipe_of(run.variant), open_dataset(run.dataset, run.seed)
    kind = SceneDataset if task_of(params.variants[run.variant]) == "detect" else FaceDataset
    seconds = [0.0, 0.0]
    for side, seed in (("train", run.seed), ("val", None)):
        faces = kind(stored.pack, stored.faces(side), recipe, run.seed)
        faces.keep_items()
        sampler = EpochSampler(len(faces), seed)
        batches = loader(faces, sampler, recipe.batch_size)
        for epoch in range(2):
            sampler.set_epoch(epoch)
            start = time.process_time()
            for _ in batches:
                pass
            seconds[epoch] += time.process_time() - start
    first, later = seconds
    return first + (epochs - 1) * later


def parts_of(params: Params, rows: list[StageTime], total: float) -> dict[str, float]:
    """CPU seconds by part; the current folder is the clone."""
    kinds = shares(rows)
    epochs = data = 0.0
    walls = {row.stage: row for row in rows if row.kind == "train"}
    for run in all_runs(params):
        record, row = RunRecord.read(run.folder / "run.json"), walls[f"train@{run.name}"]
        # Epochs are timed on the wall; beside other processes, their share of the stage holds.
        epochs += row.cpu_seconds * min(1.0, record.train_seconds / row.wall_seconds)
        data += data_seconds(params, run, record.epochs)
    known = {name: sum(kinds.get(kind, 0.0) for kind in own) for name, own in PARTS.items()}
    known |= {"network": epochs - data, "data": data, "training, else": kinds["train"] - epochs}
    known["other stages"] = sum(kinds.values()) - sum(known.values())
    return known | {"DVC and imports": total - sum(known.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="smoke")
    parser.add_argument("--jobs", default="auto")
    parser.add_argument("--clone", type=Path, help="keep the clone in this new folder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        clone = args.clone or Path(folder, "clone")
        total = reproduce(clone, args.study, args.jobs)
        os.chdir(clone)
        assert FILE.is_file(), "stages record their times"
        parts = parts_of(load_params(), read_stage_times(), total)
        stages = {row.stage: row.cpu_seconds for row in read_stage_times()}
        os.chdir(PROJECT)
    print(f"{args.study}: {total:.0f} CPU seconds")
    for name, seconds in sorted(parts.items(), key=lambda item: -item[1]):
        print(f"  {name:16} {seconds:7.1f} s {100 * seconds / total:5.1f} %")
    record = {
        "study": args.study,
        "cpu_seconds": round(total, 1),
        "parts": {name: round(seconds, 1) for name, seconds in parts.items()},
        "stages": stages,
        **conditions(),
    }
    write_json(PROJECT / "benchmarks" / "results" / f"where_time_goes_{args.study}.json", record)


if __name__ == "__main__":
    main()
