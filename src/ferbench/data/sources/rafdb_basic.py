"""RAF-DB, single-label subset: seven basic emotions, aligned crops of 100x100.

Source: Li, Deng, Du, CVPR 2017; Li, Deng, IEEE TIP 2019. 12,271 train and 3,068 test images.
"""

from __future__ import annotations

from ferbench.data.ingest.rafdb_form import RafDB
from ferbench.data.ingest.source import Metadata

__all__ = ["RafDBBasic"]


class RafDBBasic(RafDB):
    """RAF-DB basic."""

    SUBSET = "basic"
    LABELS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
    METADATA = Metadata(
        title="Real-world Affective Faces Database, basic emotions (RAF-DB)",
        citation="S. Li, W. Deng, J. Du, Reliable Crowdsourcing and Deep Locality-Preserving "
        "Learning for Expression Recognition in the Wild, CVPR 2017",
        licence="Non-commercial research only, on request from its owners; no redistribution.",
        version="single-label subset, aligned images",
        images=15_339,
        emotions=("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"),
        faults="Imbalanced 17 : 1 (happiness : fear). No persons are given.",
        archives=("rafdb_basic.zip",),
        alternatives={
            "rafdb_basic.zip": ("basic.zip", "rafdb.zip", "basic", "rafdb_basic", "RAF-DB")
        },
        steps="1. ask for RAF-DB at http://www.whdeng.cn/RAF/model1.html and accept its terms; 2. "
        "unpack it with the password you are sent; 3. set the row's `archive:` to the folder with "
        "EmoLabel/ and Image/, or put it as rafdb_basic.zip into FERBENCH_DATA",
    )
