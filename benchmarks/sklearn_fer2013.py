"""Predictions of models that ferbench never saw: scikit-learn on FER2013's pixels.

    python benchmarks/sklearn_fer2013.py fer2013.zip OUT [SEED...]
    ferbench judge OUT/*.csv --dataset fer2013 --data fer2013.zip

Reads the folder form of FER2013 (`train/<class>/*.jpg`, `test/<class>/*.jpg`) from the archive,
trains a small neural network and a logistic regression on principal components of all training
images, duplicates included, as somebody would who does not know of them, and writes
`OUT/<model>_seed<seed>.csv` with a row per test image. Two minutes a seed on two cores.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline

COMPONENTS = 120


def read_part(archive: Path, part: str) -> tuple[list[str], NDArray[np.float32], list[str]]:
    """Paths, pixels (images, 2304) and class words of a part of the archive."""
    paths, rows = [], []
    with zipfile.ZipFile(archive) as file:
        for name in sorted(file.namelist()):
            if f"/{part}/" in f"/{name}" and name.endswith(".jpg"):
                image = Image.open(io.BytesIO(file.read(name))).convert("L")
                pixels = np.asarray(image, np.float32).ravel()
                rows.append((pixels - pixels.mean()) / max(float(pixels.std()), 1e-6))
                paths.append(name)
    return paths, np.stack(rows), [Path(path).parent.name for path in paths]


def models(seed: int) -> dict[str, Pipeline]:
    """The two models, untrained."""
    network = MLPClassifier((128,), alpha=1e-2, early_stopping=True, random_state=seed)
    regression = LogisticRegression(C=0.01, max_iter=200)
    return {
        name: make_pipeline(PCA(COMPONENTS, whiten=True, random_state=seed), classifier)
        for name, classifier in (("mlp", network), ("logistic", regression))
    }


def main() -> None:
    archive, out, *words = sys.argv[1:]
    train, test = (read_part(Path(archive), part) for part in ("train", "test"))
    Path(out).mkdir(parents=True, exist_ok=True)
    for seed in [int(word) for word in words] or [0]:
        for name, model in models(seed).items():
            model.fit(train[1], train[2])
            table = pd.DataFrame(model.predict_proba(test[1]), columns=model.classes_)
            table.insert(0, "path", test[0])
            path = Path(out) / f"{name}_seed{seed}.csv"
            table.to_csv(path, index=False, float_format="%.6f")
            print(f"{path}: accuracy {model.score(test[1], test[2]):.4f} of {len(test[0])} images")


if __name__ == "__main__":
    main()
