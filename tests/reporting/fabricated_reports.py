"""What the stages beside scoring leave of a fabricated study: random, like its predictions."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw
from tests.claim_rows import claim_row
from tests.fabricated_study import fabricate, fabricate_reports
from tests.run_records import naive_baselines

from ferbench.artifacts.claims import write_claims
from ferbench.artifacts.datasets import write_baselines
from ferbench.artifacts.paths import DatasetPaths
from ferbench.config.params import Explain, Latency, Params
from ferbench.evaluation.scoreboard import score_study, write_scoreboard
from ferbench.stats.evidence import read_evidence
from ferbench.stats.study import compare_study, write_tables

HOW = Latency(batch=1, precision="float32", threads=2, warm_up=5, iterations=10, repeats=3)


def fabricate_all(root: Path, seeds: tuple[int, ...] = (0, 1), faces: int = 40) -> Params:
    """A study with all files that the report reads."""
    params = with_extras(fabricate(root, seeds, faces=faces, probes=True))
    fabricate_reports(root, params)
    board, folder = score_study(params, root), root / "reports" / "demo"
    write_scoreboard(board, folder)
    write_tables(
        compare_study(read_evidence(params, root), params.compare, [*params.variants]), folder
    )
    write_audits(root, params)
    rows = [claim_row(source="", dataset="synthetic", printed=math.nan, size="not printed")]
    write_claims(root / "reports" / "demo" / "claims.csv", rows)
    write_latency(root, params)
    write_explanations(root, params)
    return params


def with_extras(params: Params) -> Params:
    """The parameters with tests over all variants, and a row of `latency` and of `explain`."""
    compare = replace(
        params.compare, tests=("primary", "welch", "mcnemar"), omnibus=("friedman", "nemenyi")
    )
    return replace(
        params,
        compare=compare,
        explain={"maps": Explain(("grad_cam",), 4)},
        latency={"cpu": HOW},
    )


def write_audits(root: Path, params: Params) -> None:
    """Write `<key>.audit.json`, `<key>.baselines.json` and the sample pictures."""
    for key, row in params.datasets.items():
        _write(root / "reports" / "data" / f"{key}.audit.json", audit(row.protocol))
        write_baselines(DatasetPaths(key, root), naive_baselines())
        draw(root / "data" / "audit" / key / "samples.png", (480, 160))


def audit(protocol: str) -> dict[str, object]:
    """An audit of a data set with known persons and unknown sequences."""
    unknown = {"test_images": None, "share": None}
    return {
        "protocol": protocol,
        "rules": {"near_bits": 4, "flat_deviation": 4.0},
        "images": {"train": 20, "val": 20, "test": 40},
        "leaks": {
            "exact": {"test_images": 0, "share": 0.0},
            "near": {"test_images": 4, "share": 0.1},
            "person": {"test_images": 4, "share": 0.1},
            "sequence": unknown,
        },
        "leaked_test_images": 8,
        "clean_test_images": 32,
        "flat_images": 1,
        "not_faces": 2,
        "as_released": [
            {
                "left": "Training",
                "right": "PublicTest",
                "shared_pictures": 7,
                "images_left": 7,
                "images_right": 8,
                "label_disagreements": 3,
            }
        ],
        "without_dedup": {"test_images_with_copy_in_train": 6, "share": 0.15},
        "sizes": [
            {"width": 48, "height": 48, "images": 70},
            {"width": 9, "height": 8, "images": 10},
        ],
        "channels": {"grey": 78, "colour": 2},
    }


def write_latency(root: Path, params: Params) -> None:
    """Write what stage `latency` writes; the last variant was not timed."""
    about = {"how": "cpu", "batch": 1, "precision": "float32", "threads": 2, "device": "cpu"}
    about |= {"protocol": "median of 3 repeats", "hardware": {"name": "Imaginary", "cores": 2}}
    for number, variant in enumerate(params.variants, 1):
        times = {
            "forward_ms": 1.5 * number,
            "forward_ms_low": 1.4 * number,
            "forward_ms_high": 1.7 * number,
            "end_to_end_ms": 2.0 * number,
            "fps_forward": 1000 / (1.5 * number),
            "fps_end_to_end": 500 / number,
        }
        if number == len(params.variants):
            times = {"skipped": "no float32 here"}
        path = root / "runs" / "demo" / "_latency" / "cpu" / f"{variant}.json"
        _write(path, {"variant": variant, **about, **times})


def write_explanations(root: Path, params: Params) -> None:
    """Write what stage `explain` writes for every variant."""
    for variant, key in itertools.product(params.variants, params.datasets):
        folder = root / "runs" / "demo" / "_explain" / "maps" / variant / key
        figure = {
            "method": "grad_cam",
            "title": "Grad-CAM",
            "file": "grad_cam.png",
            "caption": "What the prediction rests on.",
            "images": ["0001"],
        }
        about = {"variant": variant, "dataset": key, "seed": 0, "figures": [figure], "skipped": {}}
        _write(folder / "index.json", about)
        draw(folder / "grad_cam.png", (640, 200))


def draw(path: Path, size: tuple[int, int]) -> None:
    """Write a grid of circles with two eyes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("L", size, 255)
    pen, side = ImageDraw.Draw(image), size[1] // 2
    for left, top in itertools.product(range(0, size[0], side), range(0, size[1], side)):
        pen.ellipse((left + 4, top + 4, left + side - 4, top + side - 4), fill=170)
        for eye in (0.35, 0.65):
            x, y = left + eye * side, top + 0.4 * side
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=30)
    image.save(path)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
