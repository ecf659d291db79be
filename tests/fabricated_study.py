"""A small study as `evaluate` would leave it: two classifiers and two detectors, made of chance.

Its numbers mean nothing; they only let scoring, comparison and reporting run without a network.
"""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from tests.example_study import example_params, example_tree
from tests.run_records import naive_baselines, run_record, split_summary

from ferbench.artifacts.datasets import write_baselines, write_split
from ferbench.artifacts.index import write_index
from ferbench.artifacts.paths import DatasetPaths
from ferbench.artifacts.predictions import no_boxes, write_boxes, write_predictions
from ferbench.config.params import Dataset, Params, load_params

CLASSES = ["neutral", "happiness", "anger"]
SKILL = {"vgg_improved": 1.1, "ivsa": 2.2, "yolov5s": 1.5, "yolov5s_osam": 1.4}
PROBES = {
    "canvas": {"kind": "canvas", "options": {}},
    "degraded": {"kind": "degraded", "options": {}},
}
HISTORY = "epoch,train_loss,val_loss,val_score,lr,seconds\n"


def fabricate(
    root: Path, seeds: tuple[int, ...] = (0, 1), faces: int = 90, *, probes: bool = False
) -> Params:
    """Write `params.yaml`, `runs/` and what the audit left under `root`; the study is `demo`.

    Every fifth test image is leaked, by a near copy or its person. With `probes`, detectors were
    shown two canvases and every network degraded images.
    """
    params = _params(root, seeds, PROBES if probes else {})
    for key, row in params.datasets.items():
        write_audit(root, key, faces)
        for number, variant in enumerate(params.variants):
            for seed in seeds:
                folder = root / "runs" / "demo" / variant / key / str(seed)
                rng = np.random.default_rng([number, seed])
                detects = variant.startswith("yolo")
                write_answers(folder, rng, _names("", faces), SKILL[variant], detects)
                val = _names("v", faces // 2)
                write_answers(folder / "val", rng, val, SKILL[variant], detects)
                history = [
                    f"{e},{1 / e:.4f},{1.2 / e:.4f},{1 - 1 / e:.4f},0.01,2.5" for e in range(1, 9)
                ]
                (folder / "history.csv").write_text(HISTORY + "\n".join(history) + "\n")
                run = _run(variant, key, row, seed, detects)
                (folder / "run.json").write_text(json.dumps(run))
                if probes:
                    write_probes(folder / "robustness", _names("", faces), SKILL[variant], detects)
    return params


def write_audit(root: Path, key: str, faces: int) -> None:
    """Write a data set's split and index, and the audit's leaks."""
    sides = {"train": _names("t", 20), "val": _names("v", faces // 2), "test": _names("", faces)}
    rows = [(name, side) for side, names in sides.items() for name in names]
    table = pd.DataFrame(rows, columns=["image_id", "split"])
    number = np.arange(len(table))
    person = pd.Series([f"p{n // 3}" for n in number]).mask(number % 10 == 0)
    split = table.assign(emotion=CLASSES[0], person=person)
    tested = table["split"].eq("test")
    near, shared = tested & (number % 10 == 0), tested & (number % 10 == 5)
    write_split(DatasetPaths(key, root), split, split_summary())
    # Every fourth image is of a sequence, so that some without a person are.
    names = dict(enumerate(table["image_id"]))
    sequence = {n: f"s{n // 40}" if n % 4 == 0 else None for n in names}
    listed = [{"image_id": i, "path": i, "sequence": sequence[n]} for n, i in names.items()]
    write_index(DatasetPaths(key, root).index, listed)
    leaks = table.assign(exact=False, near=near, person=shared, sequence=False, flat=False)
    for path, frame in (
        (root / "data" / "audit" / key / "leaks.parquet", leaks.assign(leaked=near | shared)),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(path, index=False)


def write_probes(folder: Path, names: list[str], skill: float, detects: bool) -> None:
    """Write what two probes would leave of one cell."""
    rng = np.random.default_rng(len(names))
    about = {"kind": "canvas", "options": {}, "seed": 0, "faces": len(names)}
    conditions = {"canvas": ["48", "640"] if detects else [], "degraded": ["medium"]}
    for probe, shown in conditions.items():
        skipped = {} if shown else {"skipped": "a classifier has no boxes"}
        _write(
            folder / probe / "robustness.json",
            {**about, "kind": probe, "conditions": shown, **skipped},
        )
        for condition in shown:
            write_answers(folder / probe / condition, rng, names, skill / 2, detects)


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:04d}" for number in range(count)]


def fabricate_reports(root: Path, params: Params) -> None:
    """Write what the stages beside training leave for the report: facts, floors, descriptions."""
    emotions = {"neutral": 150, "happiness": 170, "anger": 115}
    facts = {
        "title": "Faces made of chance",
        "citation": "Nobody, 1900.",
        "licence": "Free of licence.",
        "version": "1",
        "faults": "None known.",
        "images": 450,
        "unique": 435,
        "duplicate_groups": 10,
        "redundant_copies": 15,
        "conflict_groups": 0,
        "conflict_images": 0,
        "quarantined": 2,
        "emotions": emotions,
        "expectations": [
            {"expectation": "every image has an emotion", "holds": True, "observed": "all"}
        ],
        "passed": True,
    }
    for key in params.datasets:
        _write(root / "reports" / "data" / f"{key}.json", facts)
        write_baselines(DatasetPaths(key, root), naive_baselines())
    for number, variant in enumerate(params.variants, 1):
        about = {
            "variant": variant,
            "paper": "p1",
            "task": "detect" if variant.startswith("yolo") else "classify",
            "params_train": 7_790_011 - 900_000 * number,
            "params_deployed": 7_786_167 - 900_000 * number,
            "gflops": 0.66 * number,
            "input_px": 40,
        }
        _write(root / "reports" / "demo" / "variants" / f"{variant}.json", about)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def write_answers(
    folder: Path, rng: np.random.Generator, names: list[str], skill: float, detects: bool
) -> None:
    """Write predictions and boxes of one-face images."""
    faces = len(names)
    # Labels are the data set's: the same whichever model is asked.
    target = np.random.default_rng(faces).integers(len(CLASSES), size=faces)
    logits = rng.normal(size=(faces, len(CLASSES)))
    logits[np.arange(faces), target] += skill
    prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if detects:
        prob[0] = 0  # a face without any box
    words = [CLASSES[t] for t in target]
    predictions = pd.DataFrame({"image_id": names, "face": 0, "target": words})
    predictions[CLASSES] = prob
    write_predictions(folder / "predictions.parquet", predictions)
    boxes = _boxes(names, words, prob) if detects else no_boxes(CLASSES)
    write_boxes(folder / "boxes.parquet", boxes)


def _boxes(names: list[str], words: list[str], prob: np.ndarray) -> pd.DataFrame:
    whole = {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    rows = []
    for name, word, row in zip(names, words, prob, strict=True):
        truth = {"truth": True, "face": 0, "iou": 1.0, "emotion": word, "score": 1.0}
        truth["picture"] = 0
        rows.append({"image_id": name, **truth, **whole, **{c: float(c == word) for c in CLASSES}})
        if row.any():
            score = float(row.max())
            answer = {"truth": False, "picture": 0, "face": 0, "iou": 0.9, "score": score}
            classes = dict(zip(CLASSES, row.tolist(), strict=True))
            emotion = CLASSES[int(row.argmax())]
            place = {**whole, "bottom": 0.9, "emotion": emotion}
            rows.append({"image_id": name, **answer, **place, **classes})
    return pd.DataFrame(rows)[list(no_boxes(CLASSES).columns)]


def _run(variant: str, key: str, row: Dataset, seed: int, detects: bool) -> dict[str, object]:
    return run_record(
        variant=variant,
        dataset=key,
        name=row.name,
        protocol=row.protocol,
        seed=seed,
        task="detect" if detects else "classify",
        classes=CLASSES,
        run_key=f"{variant}-{key}-{seed}",
        select="map50" if detects else "accuracy",
        train_seconds=20.0 + seed,
    ).model_dump()


def _params(root: Path, seeds: tuple[int, ...], probes: dict[str, object]) -> Params:
    root.mkdir(parents=True, exist_ok=True)
    tree, shipped = example_tree(), example_params()
    tree["study"] = {
        "name": "demo",
        "title": "A fabricated study",
        "control": "vgg_improved",
        "controls": {},
        "paper_tables": [],
    }
    tree["seeds"] = list(seeds)
    recipe = dataclasses.asdict(next(iter(shipped.recipes.values())))
    # The paper's own settings, so that nothing deviates.
    stated = {key: value for key, value in recipe.items() if key != "paper"}
    recipe["paper"] = {"name": "p1", "weights": "none", **stated}
    tree["recipes"] = {"made_up": recipe}
    head = {"paper": "p1", "conv": "native", "attention": "none", "location": "none"}
    tail = {"head": "pooled", "loss": "cross_entropy", "recipe": "made_up"}
    tail |= {"options": {}, "weights": "none"}
    tree["variants"] = {name: {**head, "backbone": "vgg_improved", **tail} for name in SKILL}
    row = dataclasses.asdict(next(iter(shipped.datasets.values())))
    tree["datasets"] = {"synthetic": {**row, "name": "synthetic", "protocol": "person_70_10_20"}}
    tree["robustness"] = probes
    path = root / "params.yaml"
    path.write_text(
        yaml.dump(_plain(tree), Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8"
    )
    return load_params(path)


def _plain(value: object) -> object:
    """`value` with lists for tuples, as YAML has them."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
