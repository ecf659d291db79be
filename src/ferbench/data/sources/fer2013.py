"""FER2013: 48x48 grey crops from web search, as a folder per class or as the original table.

Source: Goodfellow et al., ICONIP 2013, arXiv:1307.0414. Official roles: Training is train,
PublicTest val, PrivateTest test. In a copy without PrivateTest, PublicTest is the test set, because
it is the only one; scores on it are not those of the competition's final test.
"""

from __future__ import annotations

from pathlib import Path

from ferbench.data.ingest.fer2013_form import (
    EMOTIONS,
    images_from_table,
    list_images,
    rejected_rows,
)
from ferbench.data.ingest.source import Metadata, Reading, Record, Source

__all__ = ["Fer2013"]


class Fer2013(Source):
    """FER2013 with its own labels."""

    METADATA = Metadata(
        title="FER2013",
        citation="I. Goodfellow et al., Challenges in Representation Learning: A report on three "
        "machine learning contests, ICONIP 2013, arXiv:1307.0414",
        licence="The authors state none; the images come from web search and belong to their "
        "owners. Research use only, no redistribution.",
        version="2013; JPEG or PNG files, or the original table",
        images=35_887,
        emotions=EMOTIONS,
        faults="1,853 of the 35,887 files are copies, 160 with conflicting labels; 7.8 % of "
        "PublicTest and 8.7 % of PrivateTest lie in other parts too. Two file names are used "
        "twice. Some images are drawings, placeholders or one flat colour. Labels are noisy.",
        archives=("fer2013.zip",),
        alternatives={
            "fer2013.zip": (
                "fer2013.tar.gz",
                "fer2013.csv",
                "icml_face_data.csv",
                "fer2013.csv.zip",
                "fer2013",
            )
        },
        sha256={"fer2013.zip": "bbbca4245b6af1dd18c0917c6f0a3e00b90f0710b2194d2fcfb31905ecbdb847"},
        kaggle="msambare/fer2013",
        steps="1. download https://www.kaggle.com/datasets/msambare/fer2013 (or the competition's "
        "fer2013.tar.gz) with your own account; 2. put it into a folder and name that in "
        "FERBENCH_DATA, or set the row's `archive:` to the file or the unpacked folder",
    )

    def prepare(self, root: Path) -> None:
        """Make images of the original table."""
        images_from_table(root)

    def read(self, root: Path) -> Reading:
        """Records in the order of paths."""
        return Reading(
            records=[
                Record(image.image_id, image.path, image.emotion, source_split=image.split)
                for image in list_images(root)
            ],
            faults=rejected_rows(root),
        )
