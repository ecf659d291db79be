"""Predictions of PyPI's `fer` on FER2013's test folder, to be judged beside our installed models.

    python -m venv /elsewhere/fer && /elsewhere/fer/bin/pip install fer
    /elsewhere/fer/bin/python benchmarks/fer_fer2013.py fer2013.zip fer_seed0.csv
    unzip fer2013.zip 'test/*' -d fer2013
    ferbench predict fer2013/test --crop --csv > fer2013_seed0.csv
    ferbench predict fer2013/test --crop --csv --flip > fer2013flip_seed0.csv
    ferbench predict fer2013/test --crop --csv --model fer2013_fast > fast_seed0.csv
    ferbench judge *_seed0.csv --dataset fer2013 --data fer2013.zip

Runs in an environment of `fer`, which needs other versions of our libraries. The network that `fer`
takes by default is shown each picture as a whole (`offsets=(0, 0)`): the margin of 10 px that is
its default is meant for boxes of a face detector and would shrink these faces. Its authors do not
say on which images it was trained; PublicTest may be among them.
"""

from __future__ import annotations

import csv
import sys
import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from fer import fer  # type: ignore[import-not-found]


def main() -> None:
    archive, out = sys.argv[1:]
    model: Any = fer.FER(offsets=(0, 0))
    raw: list[Any] = []  # `detect_emotions` rounds to two decimals
    classify = model._classify_emotions

    def kept(faces: Any) -> Any:
        raw.append(classify(faces))
        return raw[-1]

    model._classify_emotions = kept
    labels = [model._get_labels()[number] for number in range(7)]
    right = []
    with zipfile.ZipFile(archive) as file, Path(out).open("w", newline="") as target:
        names = sorted(n for n in file.namelist() if "/test/" in f"/{n}" and n.endswith(".jpg"))
        writer = csv.writer(target)
        writer.writerow(["path", *labels])
        for name in names:
            picture: Any = cv2.imdecode(np.frombuffer(file.read(name), np.uint8), cv2.IMREAD_COLOR)
            whole = [(0, 0, picture.shape[1], picture.shape[0])]
            model.detect_emotions(picture, face_rectangles=whole)
            (scores,) = raw[-1]
            probabilities = np.asarray(scores, np.float64) / np.sum(scores)
            writer.writerow([name, *np.round(probabilities, 6).tolist()])
            right.append(labels[int(np.argmax(scores))] == name.split("/")[-2])
            raw.clear()
    print(f"{out}: accuracy {np.mean(right):.4f} of {len(right)} images")


if __name__ == "__main__":
    main()
