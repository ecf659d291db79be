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
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before the detectors' libraries start

import cv2
import numpy as np
import torch
from conditions import conditions
from statsmodels.stats.proportion import proportion_confint

from ferbench.data.ingest.fetch import fetch
from ferbench.data.sources.expw import ExpW
from ferbench.detection.matching import MIN_IOU, overlaps
from ferbench.files import write_json
from ferbench.serving.face_detectors import MTCNN_NAME, YUNET_NAME, face_detector
from ferbench.serving.images import read_image

RESULT = Path(__file__).parent / "results" / "face_detectors.json"
ARCHIVE = "expw_sample.zip"


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
    with TemporaryDirectory() as folder:
        root, source = Path(folder, "expw"), ExpW()
        fetch(source, "expw", ARCHIVE, root)
        records = source.read(root).records[: args.pictures]
        for record in records:
            picture = read_image((root / record.path).read_bytes())
            height, width = picture.shape[:2]
            labels = np.array([(b.left, b.top, b.right, b.bottom) for b in record.faces])
            for detector in detectors:
                start = time.process_time()
                faces = detector(picture)
                seconds[detector.name] += time.process_time() - start
                own = faces.xyxy * [width, height, width, height]
                boxes[detector.name] += len(own)
                for label in labels:
                    hit = len(own) > 0 and overlaps(label, own).max() >= MIN_IOU
                    found[detector.name].append(bool(hit))
    result: dict[str, Any] = {"pictures": len(records)}
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
