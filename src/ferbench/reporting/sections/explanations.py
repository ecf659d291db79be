"""Explanations of the variants' predictions, and where the pictures of people are."""

from __future__ import annotations

from ferbench.reporting.blocks import Block
from ferbench.reporting.study_files import StudyFiles

__all__ = ["build"]


def build(study: StudyFiles) -> Block | None:
    """A part a variant with its explanations; None without pictures.

    Pictures of people are cut from data sets whose licences forbid passing them on: the page only
    links to the folder that git ignores.
    """
    if not study.pictures:
        return None
    shown = [one for one in study.pictures if one.synthetic and one.variant]
    people = sum(not one.synthetic for one in study.pictures)
    words, links = [], []
    parts: list[Block] = []
    if shown:
        words.append(
            "What the predictions of the first seed of every variant rest on, and its errors, on "
            "synthetic faces."
        )
    if people:
        words.append(
            f"{people} picture{'' if people == 1 else 's'} of people, samples and explanations, "
            "are on a separate page. It exists only where the study was run: the data's licence "
            "forbids passing them on, so git does not keep them."
        )
        links.append(("people/index.html", "Pictures of people"))
    if not people and not shown:
        words.append("Samples of the images are in the section on data.")
    for variant in sorted({one.variant for one in shown}):
        own = [one for one in shown if one.variant == variant]
        title = f"{variant} ({len(own)} picture{'' if len(own) == 1 else 's'})"
        parts.append(Block(title, pictures=own, folded=bool(parts)))
    card = Block(words=words, links=links, parts=parts)
    return Block("Explanations", parts=(card,))
