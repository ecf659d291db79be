"""RAF-DB, two-tab subset: eleven compound emotions, aligned crops of 100x100.

Source: Li, Deng, Du, CVPR 2017; Li, Deng, IEEE TIP 2019. 3,162 train and 792 test images.
"""

from __future__ import annotations

from ferbench.data.ingest.rafdb_form import RafDB
from ferbench.data.ingest.source import Metadata
from ferbench.emotions import COMPOUND

__all__ = ["RafDBCompound"]


class RafDBCompound(RafDB):
    """RAF-DB compound."""

    SUBSET = "compound"
    LABELS = COMPOUND
    METADATA = Metadata(
        title="Real-world Affective Faces Database, compound emotions (RAF-DB)",
        citation="S. Li, W. Deng, J. Du, Reliable Crowdsourcing and Deep Locality-Preserving "
        "Learning for Expression Recognition in the Wild, CVPR 2017",
        licence="Non-commercial research only, on request from its owners; no redistribution.",
        version="two-tab subset, aligned images",
        images=3_954,
        emotions=COMPOUND,
        faults="Eleven classes of very unequal size. No persons are given.",
        archives=("rafdb_compound.zip",),
        alternatives={
            "rafdb_compound.zip": ("compound.zip", "compound", "rafdb_compound", "RAF-DB")
        },
        steps="1. ask for RAF-DB at http://www.whdeng.cn/RAF/model1.html and accept its terms; 2. "
        "unpack it with the password you are sent; 3. set the row's `archive:` to the folder with "
        "EmoLabel/ and Image/, or put it as rafdb_compound.zip into FERBENCH_DATA",
    )
