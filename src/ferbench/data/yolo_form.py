"""Data sets in YOLO form: a `data.yaml` with class names, and a label file beside every image.

Read are `{train,valid,test}/{images,labels}` (Roboflow) and `{images,labels}/{train,val,test}`
(ultralytics). A label row is `class cx cy w h` or a polygon `class x1 y1 x2 y2 ...`, in fractions;
of a polygon the bounding box is taken. The paths in `data.yaml` are not used: exports spell them
relative to folders that do not exist.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ferbench.data.layout import emotion_of, files_below, find_folder, image_ids, images, read_lines
from ferbench.data.source import Box, Fault, Reading, Record, Source
from ferbench.emotions import in_order
from ferbench.errors import InputError

__all__ = ["YoloForm"]

_DESCRIPTIONS = ("data.yaml", "dataset.yaml", "data.yml")
_LARGEST_DESCRIPTION = 1 << 18  # bytes; a thousand class names take some 20,000
_DEEPEST = 8
_SPLITS = {"train": "train", "valid": "val", "val": "val", "test": "test"}


class YoloForm(Source):
    """A data set in YOLO form; a base for sources, `METADATA` is theirs.

    An image whose label file has an unreadable row is not used at all: a face without its box
    would be taught as background. An image without faces is excluded.
    """

    OPTIONS: ClassVar[dict[str, Any]] = {"rename": {}}

    def read(self, root: Path) -> Reading:
        """Records with boxes as fractions."""
        top, description = _description(root)
        classes = [
            emotion_of(word, description, self.options["rename"]) for word in _names(description)
        ]
        reading = Reading(emotions=tuple(in_order(classes)), counts={"label_files": 0})
        listed: list[tuple[Path, Path, str]] = []
        for pictures, labels, split in _parts(top):
            listed += _pairs(pictures, labels, split, root, reading)
        if not listed and not reading.faults:
            raise InputError(
                "no {train,valid,test}/images", where=top, remedy="check the row's `archive:`"
            )
        paths = [path.relative_to(root).as_posix() for path, _, _ in listed]
        ids = image_ids([f"{split}_{path.stem}" for path, _, split in listed], paths)
        for (_, label, split), path, image_id in zip(listed, paths, ids, strict=True):
            _read_image((path, image_id, split), label, root, classes, reading)
        return reading


class _PlainYAML(yaml.SafeLoader):
    """YAML of bounded depth, without aliases and without a key that is given twice.

    A few lines of aliases stand for billions of values, and deep nesting ends Python's stack.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias", mark)
        if self._depth == _DEEPEST:
            raise yaml.composer.ComposerError(None, None, "too deep", mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := [key for key, times in keys.items() if times > 1]:
            raise yaml.constructor.ConstructorError(
                None, None, f"key {twice[0]!r} is given twice", node.start_mark
            )
        return super().construct_mapping(node, deep=deep)


def _description(root: Path) -> tuple[Path, Path]:
    for name in _DESCRIPTIONS:
        if top := find_folder(root, [name]):
            return top, top / name
    raise InputError(
        f"no {' or '.join(_DESCRIPTIONS)}", where=root, remedy="export the data set in YOLO format"
    )


def _names(description: Path) -> list[str]:
    """Class words by number."""
    if description.is_file() and description.stat().st_size > _LARGEST_DESCRIPTION:
        raise InputError(
            f"has more than {_LARGEST_DESCRIPTION} bytes",
            where=description,
            remedy="leave only the class names in it, as `names: [happy, sad]`",
        )
    try:
        tree = yaml.load("\n".join(read_lines(description)), Loader=_PlainYAML)
    # Numbers and dates that are none are errors of Python's own types.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(
            f"no valid YAML: {error}", where=description, remedy="mend the line named"
        ) from error
    names = tree.get("names") if isinstance(tree, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(
            "`names` is no list of class words",
            where=description,
            remedy="write it as `names: [happy, sad]`, in the order of the class numbers",
        )
    return [str(name) for name in names]


def _parts(top: Path) -> Iterator[tuple[Path, Path, str]]:
    """Folder of images, folder of labels, split."""
    for word, split in _SPLITS.items():
        for pictures, labels in (
            (top / word / "images", top / word / "labels"),
            (top / "images" / word, top / "labels" / word),
        ):
            if pictures.is_dir():
                yield pictures, labels, split


def _pairs(
    pictures: Path, labels: Path, split: str, root: Path, reading: Reading
) -> list[tuple[Path, Path, str]]:
    """Images with their label files; what lacks its partner becomes a fault."""
    pairs = [
        (path, (labels / path.relative_to(pictures)).with_suffix(".txt"), split)
        for path in images(pictures)
    ]
    taken = {label for _, label, _ in pairs}
    texts = sorted(files_below(labels)) if labels.is_dir() else []
    found = [path for path in texts if path.suffix == ".txt" and path.name != "classes.txt"]
    reading.counts["label_files"] += len(found)
    reading.faults += [
        Fault(path.relative_to(root).as_posix(), "no label file")
        for path, label, _ in pairs
        if not label.is_file()
    ]
    reading.faults += [
        Fault(label.relative_to(root).as_posix(), "label file without an image")
        for label in found
        if label not in taken
    ]
    return [pair for pair in pairs if pair[1].is_file()]


def _read_image(
    image: tuple[str, str, str], label: Path, root: Path, classes: list[str], reading: Reading
) -> None:
    """Append the image's record, or say why there is none."""
    path, image_id, split = image
    try:
        rows = [(number, line.split()) for number, line in enumerate(read_lines(label), 1)]
    except InputError as error:
        name = label.relative_to(root).as_posix()
        reading.faults.append(Fault(path, f"{name}: {error.what}"))
        return
    faces: list[Box] = []
    faults: list[Fault] = []
    for number, cells in rows:
        try:
            faces += [_box(cells, classes)] if cells else []
        except ValueError as error:
            where = f"{label.relative_to(root).as_posix()}, row {number}"
            faults.append(Fault(path, f"{where}: {error}"))
    if faults:
        reading.faults += faults
    elif not faces:
        reading.excluded.append(Fault(path, "no face is annotated"))
    else:
        reading.records.append(
            Record(
                image_id=image_id,
                path=path,
                emotion=faces[0].emotion,
                source_split=split,
                faces=tuple(faces),
                normalised=True,
                polygons=sum(len(cells) > 5 for _, cells in rows),
            )
        )


def _box(cells: list[str], classes: list[str]) -> Box:
    """The box of a label row.

    Raises:
        ValueError: the row is neither a box nor a polygon.
    """
    if len(cells) != 5 and (len(cells) < 7 or len(cells) % 2 == 0):
        raise ValueError(f"{len(cells)} columns, neither a box (5) nor a polygon (7, 9, ...)")
    try:
        number, values = int(cells[0]), [float(cell) for cell in cells[1:]]
    except ValueError:
        raise ValueError("a column is no number") from None
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a column is not finite")
    if not 0 <= number < len(classes):
        raise ValueError(f"class {number} is none of 0 to {len(classes) - 1}")
    if len(values) == 4:
        x, y, w, h = values
        return Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2, classes[number])
    xs, ys = values[0::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys), classes[number])
