"""A few synthetic faces as a stored data set, for tests that train on them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from tests.tiny_study import store

from ferbench.data.dataset import PackedDataset
from synthfaces.dataset import classes, plan_images, render

OPTIONS = {"form": "crops", "persons": 8, "images_per_person": 4, "seed": 0}
LOOK = {"contempt": False, "min_intensity": 0.8, "variation": 1.0}


def few_faces(root: Path, copies: int) -> PackedDataset:
    """32 posed faces of 8 persons and 7 emotions: `copies` times in train, once in val.

    Copies make an epoch of several steps, so that validation and checkpoints do not take most of
    the time. In the order of their names, the images of one copy follow those of the one before.
    """
    names = classes(LOOK)
    pictures, faces, splits = {}, {}, {}
    for number, plan in enumerate(plan_images(OPTIONS | LOOK)):
        item = render(plan, OPTIONS | LOOK)
        picture = cv2.imdecode(np.frombuffer(item.content, np.uint8), cv2.IMREAD_GRAYSCALE)
        for copy in range(copies + 1):
            name = f"copy_{copy:03d}_face_{number:02d}"
            pictures[name] = np.asarray(picture)
            faces[name] = [(names.index(item.emotion), 0.5, 0.5, 1.0, 1.0)]
            splits[name] = "val" if copy == copies else "train"
    return store(root, "few", pictures, faces, splits, names)
