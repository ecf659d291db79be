"""Does a detector learn less in float32 than in bfloat16?

The demo's YOLOv5s by the demo's recipe, with the weight decay of 0.008 that the demo once had, in
float32, in bfloat16 and, where the processor has more, in float32 with AVX2 only: mAP@0.5 on val
after each epoch, by seed. With two seeds, float32 had seemed to learn half as much.

    python benchmarks/precision.py run --folder /tmp/precision --seeds 4
    python benchmarks/precision.py report --folder /tmp/precision

A run that is done is not repeated. `report` prints the last epochs and writes
benchmarks/results/precision.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from synthetic_data import make_data  # beside this script

from ferbench.config.params import load_params
from ferbench.files import write_json
from ferbench.training.fit import TrainingData, fit
from ferbench.training.modules import SelectionMetric
from ferbench.training.provenance import commit, hardware, versions

PROJECT = Path(__file__).parents[1]
DECAY = 0.008
MODES = {"float32": "32-true", "bfloat16": "bf16-mixed", "float32_avx2": "32-true"}
# Read when the process starts.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}


def run_one(args: argparse.Namespace) -> None:
    """Train one run and write its scores."""
    torch.set_num_threads(1)
    params = load_params(PROJECT / "studies" / "demo.yaml")
    options = {k: v for k, v in params.datasets["synthetic"].options.items() if k != "seed"}
    data = make_data(args.folder / "data", options)
    changes: dict[str, Any] = {"weight_decay": DECAY, "precision": MODES[args.mode]}
    recipe = dataclasses.replace(params.recipe_of("yolov5s"), **changes)
    train = dataclasses.replace(params.train, accelerator="cpu", threads=1, progress=False)
    sides = TrainingData(
        data.pack, data.faces("train"), data.faces("val"), SelectionMetric("map50", 0.5)
    )
    folder = args.folder / f"{args.mode}-{args.seed}"
    row = (params.variants["yolov5s"], recipe, args.seed)
    fitted = fit(row, sides, train, folder / "checkpoints", None)
    record = {"mode": args.mode, "seed": args.seed, "commit": commit()}
    write_json(folder / "score.json", record | {"val": [h["val_score"] for h in fitted.history]})


def run_all(args: argparse.Namespace) -> None:
    """Every run that is not finished yet."""
    for seed in range(args.seeds):
        for mode in MODES:
            if (args.folder / f"{mode}-{seed}" / "score.json").is_file():
                continue
            words = ["--folder", args.folder, "--mode", mode, "--seed", seed]
            extra = AVX2 if mode.endswith("avx2") else {}
            command = [sys.executable, __file__, "one", *map(str, words)]
            subprocess.run(command, env={**os.environ, **extra}, check=True)


def report(args: argparse.Namespace) -> None:
    """The last epoch of every run."""
    rows = [json.loads(path.read_text()) for path in sorted(args.folder.glob("*/score.json"))]
    for mode in MODES:
        last = {row["seed"]: f"{row['val'][-1]:.3f}" for row in rows if row["mode"] == mode}
        print(mode, last)
    about = {
        "hardware": hardware(),
        "versions": versions(),
        "protocol": "person_70_10_20",
        "weight_decay": DECAY,
        "n_val": 122,
    }
    write_json(PROJECT / "benchmarks" / "results" / "precision.json", about | {"runs": rows})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("do", choices=("run", "one", "report"))
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--mode", choices=tuple(MODES), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    {"run": run_all, "one": run_one, "report": report}[args.do](args)


if __name__ == "__main__":
    main()
