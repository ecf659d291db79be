"""The one number of a network's answer that is explained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ferbench.data.loaders import SceneDataset
from ferbench.evaluation.matching import match_scene
from ferbench.evaluation.views import Face, View
from ferbench.models.boxes import MAX_BOXES, kept_boxes

__all__ = ["Scored", "score_of"]

_SATURATED = 1e-6  # nearer to 0 and 1 float32 has no logit worth a gradient


class Scored(nn.Module):
    """A network that answers with the score of one class alone.

    Args:
        network: the whole one.
        cls: index of the class.
        place: of the detector's box that answers for the face; None for a classifier.

    Shape:
        (1, C, H, W) -> (1,), the logit; a detector's is that of the box's score, whose own
        gradient vanishes where the score is near 0 or 1
    """

    def __init__(self, network: nn.Module, cls: int, place: int | None) -> None:
        super().__init__()
        self.network, self.cls, self.place = network, cls, place

    def forward(self, x: Tensor) -> Tensor:
        """The logit."""
        said = self.network(x)
        if self.place is None:
            return said[:, self.cls].float()
        return torch.logit(said[0][:, 4 + self.cls, self.place].float(), eps=_SATURATED)


def score_of(view: View, face: Face) -> Scored:
    """The score of the class that the network answered a face with.

    A detector's is that of the box which answers for the face.
    """
    place = _place(view, face, view.dataset) if isinstance(view.dataset, SceneDataset) else None
    return Scored(view.trained.network, face.cls, place)


def _place(view: View, face: Face, dataset: SceneDataset) -> int:
    """The place, among all that a detector decodes, whose box answers for a face."""
    rows = view.units.frame
    row = rows.loc[rows["unit_id"] == face.unit_id].iloc[0]
    scene = rows[rows["image_id"] == row["image_id"]]
    with torch.no_grad():
        decoded = view.trained.network(view.input(face))[0].float().cpu()
    classes = len(view.trained.classes)
    boxes = kept_boxes(decoded, classes, MAX_BOXES)[0]
    corners = dataset.to_fractions(boxes.xyxy.double().numpy(), str(row["image_id"]))
    match = match_scene(boxes.score.double().numpy(), corners, scene)
    own = np.flatnonzero(match.chosen == list(scene["unit_id"]).index(face.unit_id))
    if not own.size:  # a box at the threshold of its overlap, on another device
        return int(decoded[0, 4 + face.cls].argmax())
    return int(boxes.place[own[0]])
