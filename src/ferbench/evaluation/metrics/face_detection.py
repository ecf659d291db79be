"""Share of faces that a box finds, whatever emotion it says.

faces with at least one box of any class that scores at least the study's threshold and overlaps
the face by at least a half / N, in [0, 1], higher is better; 0 if nothing is annotated. Unlike
coverage, which takes the highest box of an image with one face wherever it is, this asks where.
Classes do not matter.
"""

from __future__ import annotations

from ferbench.detection.metrics import Detections

__all__ = ["face_detection"]

HIGHER_IS_BETTER = True
INPUT = "boxes"
BOUNDS = (0.0, 1.0)


def face_detection(detections: Detections) -> float:
    """Faces with a sure box upon them over all faces.

    Args:
        detections: annotated and predicted boxes.

    >>> import pandas as pd
    >>> place = {"image_id": "a", "left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    >>> row = {**place, "emotion": "fear", "score": 1.0}
    >>> boxes = pd.DataFrame([{**row, "truth": True}, {**row, "truth": False, "right": 0.6}])
    >>> round(face_detection(Detections(boxes, ["anger", "fear"], threshold=0.5)), 4)
    1.0
    """
    return detections.found() / max(len(detections.truth), 1)
