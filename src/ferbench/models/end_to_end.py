"""The two-branch head of YOLOv10, read by its one-to-one branch.

Source: Wang et al., "YOLOv10", arXiv:2405.14458, section 3.1; ultralytics' `v10Detect` (as a
library).
Differs: the library answers with its best 300 boxes and one class each; here every place and every
class score comes out, as from all other detectors, so that the same metrics read them all.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from ultralytics.nn.modules.head import v10Detect

__all__ = ["OneToOne"]


class OneToOne(v10Detect):
    """A head whose answer is the decoded one-to-one branch.

    Shape:
        in training a dict of both branches' raw maps; in evaluation (decoded (N, 4 + K, A), raw)
    """

    @property
    def end2end(self) -> bool:
        """False: boxes come out as from any head, centre and size."""
        return False

    @end2end.setter
    def end2end(self, value: bool) -> None:
        """There is no other way to read this head."""

    def forward(self, x: list[Tensor]) -> Any:
        """Raw maps of both branches, and the decoded one-to-one branch."""
        own = [part.detach() for part in x] if self.training else x
        raw = {
            "one2many": self.forward_head(x, **self.one2many),
            "one2one": self.forward_head(own, **self.one2one),
        }
        if self.training:
            return raw
        decoded = self._inference(raw["one2one"])
        return decoded if self.export else (decoded, raw)

    def fuse(self) -> None:
        """Drop the branch that is there for training alone."""
        self.cv2 = self.cv3 = None
