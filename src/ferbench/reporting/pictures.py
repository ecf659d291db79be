"""Pictures that the report shows or leads to: samples of the data and explanations.

Pictures of drawn faces are part of the report. Those of people, cut from a data set whose licence
forbids passing images on, go into a folder of their own that git ignores; the page
only leads there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ferbench.config.params import Params
from ferbench.files import fresh_folder, read_json

__all__ = ["Picture", "explained", "sampled", "write_pictures"]

# The one source whose faces are drawn, and so nobody's.
_DRAWN = "synthetic"
_README = """Copies of pictures of drawn faces that index.html shows; made by stage `report`.
Those of people stand in ../people, where the study was run.
"""


@dataclass(frozen=True)
class Picture:
    """A PNG that a stage left.

    Args:
        path: where it is.
        name: of its copy.
        key: data set row.
        variant: whose explanation it is; empty for a sample of the data.
        title: in a few words.
        caption: what is seen.
        drawn: it shows nobody.
        width: in pixels.
        height: in pixels.
    """

    path: Path
    name: str
    key: str
    variant: str
    title: str
    caption: str
    drawn: bool
    width: int
    height: int

    @property
    def alt(self) -> str:
        """What is read aloud in its place."""
        whose = f" of {self.variant}" if self.variant else ""
        return f"{self.title}{whose} on {self.key}"


def sampled(params: Params, root: Path) -> Iterator[Picture]:
    """A grid of sample images of every data set row that the audit drew one of."""
    caption = "Images of train as the study keeps them, after dedup; every row is a class."
    for key in params.datasets:
        path = root / "data" / "audit" / key / "samples.png"
        if path.is_file():
            yield _picture(params, path, (key, ""), f"samples_{key}.png", ("Samples", caption))


def explained(params: Params, root: Path) -> Iterator[Picture]:
    """The figures of every row of `explain`, in the order of the study's tables."""
    folder = root / "runs" / params.study.name / "_explain"
    for name in params.explain:
        for variant in params.variants:
            for key in params.datasets:
                index = folder / name / variant / key / "index.json"
                for figure in read_json(index)["figures"] if index.is_file() else ():
                    path = index.parent / str(figure["file"])
                    stored = f"{name}_{variant}_{key}_{path.name}"
                    words = (str(figure["title"]), str(figure["caption"]))
                    yield _picture(params, path, (key, variant), stored, words)


def _picture(
    params: Params, path: Path, of: tuple[str, str], name: str, words: tuple[str, str]
) -> Picture:
    key, variant = of
    with Image.open(path) as image:
        width, height = image.size
    drawn = params.datasets[key].source == _DRAWN
    return Picture(path, name, key, variant, *words, drawn, width, height)


def write_pictures(pictures: Sequence[Picture], folder: Path, people_page: str) -> None:
    """Write folder `pictures` and, only if there are pictures of people, folder `people`.

    Args:
        pictures: all of the study.
        folder: of the report.
        people_page: `index.html` of the second folder.
    """
    with fresh_folder(folder / "pictures") as target:
        (target / "README.md").write_text(_README, encoding="utf-8")
        for picture in pictures:
            if picture.drawn:
                shutil.copyfile(picture.path, target / picture.name)
    people = [picture for picture in pictures if not picture.drawn]
    if not people:
        shutil.rmtree(folder / "people", ignore_errors=True)
        return
    with fresh_folder(folder / "people") as target:
        (target / "index.html").write_text(people_page, encoding="utf-8")
        for picture in people:
            shutil.copyfile(picture.path, target / picture.name)
