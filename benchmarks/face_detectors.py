"""Share of labelled faces that each face detector finds in the ExpW sample, and its CPU time.

    FERBENCH_DATA=/folder/of/archives python benchmarks/face_detectors.py

A labelled face is found if a box overlaps its label by an IoU of at least 0.5. Not every face of a
picture is labelled, so other boxes are counted but not called wrong. Intervals are Wilson's over
faces. One thread; the detectors take turns picture by picture.

Writes benchmarks/results/face_detectors.json: two minutes.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from zipfile import ZipFile

os.environ["OMP_NUM_THREADS"] = "1"  # before the detectors' libraries start

import cv2
import numpy as np
import torch
from conditions import conditions
from statsmodels.stats.proportion import proportion_confint

from ferbench.detection.matching import MIN_IOU, overlaps
from ferbench.files import write_json
from ferbench.serving.face_detectors import MTCNN_NAME, YUNET_NAME, face_detector
from ferbench.serving.images import read_image

RESULT = Path(__file__).parent / "results" / "face_detectors.json"
ARCHIVE, LIST, IMAGES = "expw_sample.zip", "label/label.lst", "image/origin/"


def labelled_faces(archive: ZipFile) -> dict[str, list[list[float]]]:
    """Boxes xyxy in pixels of each picture; the list has name, face, top, left, right, bottom."""
    faces = defaultdict(list)
    for line in archive.read(LIST).decode().splitlines():
        name, _, top, left, right, bottom = line.split()[:6]
        faces[name].append([float(left), float(top), float(right), float(bottom)])
    return faces


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detectors = [face_detector(name) for name in (YUNET_NAME, MTCNN_NAME)]
    found: dict[str, list[bool]] = defaultdict(list)
    boxes: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    with ZipFile(Path(os.environ["FERBENCH_DATA"], ARCHIVE)) as archive:
        labels = labelled_faces(archive)
        names = sorted(name for name in labels if IMAGES + name in archive.namelist())
        for name in names[: args.pictures]:
            picture = read_image(archive.read(IMAGES + name))
            height, width = picture.shape[:2]
            for detector in detectors:
                start = time.process_time()
                faces = detector(picture)
                seconds[detector.name] += time.process_time() - start
                own = faces.xyxy * [width, height, width, height]
                boxes[detector.name] += len(own)
                for label in np.array(labels[name]):
                    hit = len(own) > 0 and overlaps(label, own).max() >= MIN_IOU
                    found[detector.name].append(bool(hit))
    result: dict[str, Any] = {"pictures": len(names[: args.pictures])}
    for name, hits in found.items():
        low, high = proportion_confint(sum(hits), len(hits), method="wilson")
        result[name] = {
            "labelled_faces": len(hits),
            "found": round(float(np.mean(hits)), 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "boxes": boxes[name],
            "cpu_ms_a_picture": round(1000 * seconds[name] / result["pictures"], 1),
        }
        print(name, result[name])
    write_json(args.out, result | conditions())


if __name__ == "__main__":
    main()
