"""Accuracy of the installed models, which learnt from FER2013, on faces of CK+ and ExpW.

    FERBENCH_DATA=/folder/of/archives python benchmarks/across_data_sets.py

CK+48: every picture of the archive is a face and is shown as it is; contempt, which FER2013 does
not have, is left out, and neutral, which CK+48 does not have, stays an answer and is wrong. ExpW
sample: every labelled face, cut out by its label's box as a face detector's would be; its seven
classes are FER2013's. Nothing is fitted to either data set. Intervals are of a bootstrap over
persons (CK+48) and over pictures (ExpW, whose persons are unknown).

Writes benchmarks/results/across_data_sets.csv: half a minute.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from conditions import conditions
from numpy.typing import NDArray
from scipy.stats import bootstrap

from ferbench.artifacts.pack import Pixels
from ferbench.data.ingest.fetch import fetch
from ferbench.data.ingest.source import Source
from ferbench.data.sources.ckplus import CKPlus
from ferbench.data.sources.expw import ExpW
from ferbench.data.sources.fer2013 import Fer2013
from ferbench.serving.box import boxed_model
from ferbench.serving.images import read_image
from ferbench.serving.predictor import Predictor, square_crops

RESULT = Path(__file__).parent / "results" / "across_data_sets.csv"
SOURCES: dict[str, tuple[Source, str]] = {
    "ckplus": (CKPlus(), "ckplus48.zip"),
    "expw": (ExpW(), "expw_sample.zip"),
}
MODELS = ("fer2013", "fer2013_fast")


@dataclass(frozen=True)
class Labelled:
    """Labelled faces of one picture."""

    cluster: str  # the person, or the picture
    image: Pixels
    boxes: NDArray[np.float64]  # (F, 4), xyxy fractions
    emotions: list[str]


def labelled_faces(dataset: str) -> Iterator[Labelled]:
    """The pictures of a data set with the faces whose emotion FER2013 has."""
    source, archive = SOURCES[dataset]
    with TemporaryDirectory() as folder:
        root = Path(folder, dataset)
        fetch(source, dataset, archive, root)
        for record in source.read(root).records:
            if record.emotion not in Fer2013.METADATA.emotions:
                continue
            image = read_image((root / record.path).read_bytes())
            boxes, emotions = np.array([[0.0, 0.0, 1.0, 1.0]]), [record.emotion]
            if record.faces:
                size = np.array([image.shape[1], image.shape[0]] * 2, float)
                corners = [(b.left, b.top, b.right, b.bottom) for b in record.faces]
                boxes = square_crops(np.array(corners) / size, image)
                emotions = [box.emotion for box in record.faces]
            yield Labelled(record.person or record.path, image, boxes, emotions)


def hits_of(predictor: Predictor, faces: list[Labelled]) -> dict[str, list[bool]]:
    """Which faces are named rightly, by cluster."""
    found = predictor.classify([f.image for f in faces], [f.boxes for f in faces])
    hits: dict[str, list[bool]] = defaultdict(list)
    for own, prob in zip(faces, found, strict=True):
        answers = [predictor.classes[k] for k in prob.argmax(axis=1)]
        hits[own.cluster] += [a == b for a, b in zip(answers, own.emotions, strict=True)]
    return hits


def row_of(hits: dict[str, list[bool]]) -> dict[str, float]:
    """Accuracy with its interval over clusters, and the numbers of faces and clusters."""
    right = np.array([sum(own) for own in hits.values()])
    count = np.array([len(own) for own in hits.values()])

    def accuracy(r: NDArray[np.int64], n: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        return r.sum(axis=axis) / n.sum(axis=axis)

    interval = bootstrap(
        (right, count), accuracy, paired=True, n_resamples=9999, method="percentile", rng=0
    ).confidence_interval
    return {
        "accuracy": round(float(accuracy(right, count)), 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
        "faces": int(count.sum()),
        "clusters": len(count),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    rows = []
    for dataset in SOURCES:
        faces = list(labelled_faces(dataset))
        counts = Counter(emotion for own in faces for emotion in own.emotions)
        largest = round(max(counts.values()) / counts.total(), 4)
        for model in MODELS:
            for flip in (False, True):
                predictor = Predictor.load(boxed_model(model), flip=flip)
                found = row_of(hits_of(predictor, faces))
                rows.append({"model": model, "flip": flip, "dataset": dataset, **found})
                cluster = "person" if dataset == "ckplus" else "picture"
                rows[-1] |= {"cluster": cluster, "largest_class": largest}
                print(rows[-1])
    facts = conditions()
    frame = pd.DataFrame(rows).assign(
        commit=facts["commit"], cpu=facts["hardware"]["cpu"], torch=facts["versions"]["torch"]
    )
    frame.to_csv(args.out, index=False)


if __name__ == "__main__":
    main()
