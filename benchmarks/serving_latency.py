"""Milliseconds per aligned face and per 640x480 frame on one thread, beside PyPI's `fer`.

    python -m venv /elsewhere/fer && /elsewhere/fer/bin/pip install fer
    python benchmarks/serving_latency.py --fer-python /elsewhere/fer/bin/python

`--model` names other model folders than the installed ones; the first also gets the frames.
`fer` has an environment of its own, because it needs other versions of our libraries; without
`--fer-python` it is left out. Both get the same pixels, one picture a call, from the array to the
probabilities: a 48 px face, and a rendered scene of one face with the face detectors that each
offers (and OpenCV's YuNet if FERBENCH_YUNET names its file). The sides take turns, each in a
process of its own. Values are medians over turns of the mean CPU time of a call, which other load
changes less than wall-clock time; of that, the shortest turn is given too.

Writes benchmarks/results/serving_latency.json: some two minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

RESULT = Path(__file__).parent / "results" / "serving_latency.json"
FRAME_PX, CROP_PX = (640, 480), 48
TURNS, TURN_S, WARM = 5, 1.5, 3
ONE_THREAD = {
    name: "1" for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
} | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}

Times = dict[str, tuple[float, float]]


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Mean CPU and wall-clock milliseconds of a call."""
    for _ in range(WARM):
        call()
    start, cpu, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - start < TURN_S:
        call()
        count += 1
    wall = time.perf_counter() - start
    return 1000 * (time.process_time() - cpu) / count, 1000 * wall / count


def time_ours(folders: Sequence[str], crop: Any, frame: Any) -> Times:
    """The engines of each model folder, and the face detectors."""
    import cv2
    import torch

    from ferbench.serving.face_detectors import (
        MTCNN_NAME,
        YUNET_NAME,
        YUNET_VARIABLE,
        face_detector,
    )
    from ferbench.serving.model_folder import INT8, ONNX, open_folder
    from ferbench.serving.predictor import Predictor

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found: Times = {}
    for folder in folders:
        _, record = open_folder(Path(folder))
        engines = ["torch", *(["onnx"] if ONNX in record.files else [])]
        engines += ["int8"] if INT8 in record.files else []
        for engine in engines:
            predictor = Predictor.load(folder, engine=engine)  # type: ignore[arg-type]
            name = f"ferbench {Path(folder).name} {engine}: crop"
            found[name] = timed(partial(predictor.predict_crops, [crop]))
    first = Predictor.load(folders[0])
    if first.record.task == "detect":
        found["ferbench one stage: frame"] = timed(partial(first.predict, [frame]))
        return found
    yunet_file = os.environ.get(YUNET_VARIABLE)
    choices = {YUNET_NAME: YUNET_NAME, MTCNN_NAME: MTCNN_NAME}
    choices |= {"opencv yunet": yunet_file} if yunet_file else {}
    for name, choice in choices.items():
        predictor = Predictor.load(folders[0], detector=face_detector(choice))
        assert predictor.predict([frame])[0], f"{name} finds no face"
        found[f"ferbench {name}: frame"] = timed(partial(predictor.predict, [frame]))
    return found


def time_fer(crop: Any, frame: Any) -> Times:
    """`fer` with its own model, in its own environment."""
    import cv2
    import numpy as np
    from fer import fer  # type: ignore[import-not-found]

    cv2.setNumThreads(1)
    colour = np.ascontiguousarray(np.repeat(crop, 3, axis=2))
    bgr = np.ascontiguousarray(frame[:, :, ::-1])
    whole = [(0, 0, *colour.shape[1::-1])]
    found: Times = {}
    for name, mtcnn in (("haar", False), ("mtcnn", True)):
        model: Any = fer.FER(mtcnn=mtcnn)
        if not mtcnn:
            call = partial(model.detect_emotions, colour, face_rectangles=whole)
            assert call()
            found["fer tflite: crop"] = timed(call)
        if not model.detect_emotions(bgr):
            print(f"fer's {name} finds no face in the frame", file=sys.stderr)
        found[f"fer {name}: frame"] = timed(partial(model.detect_emotions, bgr))
    return found


def pictures() -> tuple[Any, Any]:
    """An aligned face (48, 48, 1) and a frame (480, 640, 3) with one face."""
    import cv2

    from ferbench.serving.images import read_image
    from synthfaces.dataset import plan_images, render

    options = {"persons": 8, "images_per_person": 4, "seed": 0, "min_intensity": 1.0}
    options |= {"variation": 0.1, "contempt": False}
    plans = plan_images(options)
    crop = read_image(render(plans[0], {**options, "form": "crops"}).content)
    scenes = (render(plan, {**options, "form": "scenes"}) for plan in plans)
    alone = next(scene for scene in scenes if len(scene.faces) == 1)
    frame = cv2.resize(read_image(alone.content), FRAME_PX, interpolation=cv2.INTER_CUBIC)
    return cv2.resize(crop, (CROP_PX, CROP_PX))[:, :, None], frame


def turn(python: str, side: str, folder: Path, models: Sequence[str]) -> Times:
    """The times of one side in a process of its own."""
    words = [python, __file__, "--side", side, "--pictures", str(folder), "--model", *models]
    ended = subprocess.run(
        words, env=os.environ | ONE_THREAD, stdout=subprocess.PIPE, text=True, check=True
    )
    times: Times = json.loads(ended.stdout.splitlines()[-1])
    return times


def compare(models: Sequence[str], fer_python: str | None) -> dict[str, Any]:
    """All times by what was measured."""
    import numpy as np

    turns: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with TemporaryDirectory() as place:
        crop, frame = pictures()
        np.savez(Path(place, "pictures.npz"), crop=crop, frame=frame)
        for _ in range(TURNS):
            sides = [(sys.executable, "ours")] + ([(fer_python, "fer")] if fer_python else [])
            for python, side in sides:
                for name, pair in turn(python, side, Path(place), models).items():
                    turns[name].append(pair)
    return {
        name: {
            "cpu_ms": round(statistics.median(cpu for cpu, _ in pairs), 3),
            "cpu_ms_least": round(min(cpu for cpu, _ in pairs), 3),
            "wall_ms_least": round(min(wall for _, wall in pairs), 3),
        }
        for name, pairs in turns.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", nargs="+", help="model folders (default: the installed ones)")
    parser.add_argument("--fer-python", help="the interpreter of an environment that has `fer`")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--side", choices=("ours", "fer"), help=argparse.SUPPRESS)
    parser.add_argument("--pictures", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side:
        import numpy as np

        with np.load(args.pictures / "pictures.npz") as stored:
            crop, frame = stored["crop"], stored["frame"]
        ours = args.side == "ours"
        times = time_ours(args.model, crop, frame) if ours else time_fer(crop, frame)
        print(json.dumps(times))
        return
    from conditions import conditions

    from ferbench.files import write_json
    from ferbench.serving.box import boxed_models
    from ferbench.serving.model_folder import open_folder

    if not args.fer_python:
        print("fer is left out: --fer-python names the interpreter of an environment that has it")
    models = args.model or [str(folder) for folder in boxed_models().values()]
    found: dict[str, Any] = {"times": compare(models, args.fer_python)}
    found["digests"] = {Path(m).name: open_folder(Path(m))[1].digest for m in models}
    found |= {"threads": 1, "turns": TURNS}
    found |= conditions()
    found["load_of_the_machine"] = [round(value, 1) for value in os.getloadavg()]
    write_json(args.out, found)
    for name, values in found["times"].items():
        print(f"{name:28}", values)


if __name__ == "__main__":
    main()
