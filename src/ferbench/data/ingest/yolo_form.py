"""Data sets in YOLO form: a `data.yaml` with class names, and a label file beside every image.

Layouts: `{train,valid,test}/{images,labels}` (Roboflow) and `{images,labels}/{train,val,test}`
(ultralytics). A label row is `class cx cy w h` or a polygon `class x1 y1 x2 y2 ...`, in fractions;
polygons become their bounding boxes. The paths in `data.yaml` are not used: in exports they are
relative to folders that do not exist.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from ferbench.data.ingest.layout import (
    emotion_of,
    files_below,
    find_folder,
    image_ids,
    images,
    read_lines,
)
from ferbench.data.ingest.source import Box, Fault, Reading, Record, Source
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
    would be trained as background. An image without faces is excluded.
    """

    OPTIONS: ClassVar[dict[str, Any]] = {"rename": {}}

    def read(self, root: Path) -> Reading:
        """Records with boxes as fractions."""
        top, description = _description(root)
        classes = [
            emotion_of(word, description, self.options["rename"]) for word in _names(description)
        ]
        reading = Reading(emotions=tuple(in_order(classes)), counts={"label_files": 0})
        pairs = [
            (path, label, split)
            for pictures, labels, split in _parts(top)
            for path, label in _pairs(pictures, labels, root, reading)
        ]
        if not pairs and not reading.faults:
            raise InputError(
                "no {train,valid,test}/images", where=top, remedy="check the row's `archive:`"
            )
        paths = [path.relative_to(root).as_posix() for path, _, _ in pairs]
        ids = image_ids([f"{split}_{path.stem}" for path, _, split in pairs], paths)
        for (_, label, split), path, image_id in zip(pairs, paths, ids, strict=True):
            faces, polygons, faults = _read_labels(path, label, root, classes)
            reading.faults += faults
            if faces and not faults:
                record = Record(
                    image_id,
                    path,
                    emotion=faces[0].emotion,
                    source_split=split,
                    faces=tuple(faces),
                    normalised=True,
                    polygons=polygons,
                )
                reading.records.append(record)
            elif not faults:
                reading.excluded.append(Fault(path, "no face is annotated"))
        return reading


class _PlainYAML(yaml.SafeLoader):
    """YAML of bounded depth, without aliases and duplicate keys.

    A few lines of aliases expand to billions of values, and deep nesting exhausts the stack.
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
    # Invalid numbers and dates raise errors of Python's own types.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(
            f"not valid YAML: {error}", where=description, remedy="mend the line named"
        ) from error
    names = tree.get("names") if isinstance(tree, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise InputError(
            "`names` is not a list of class words",
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


def _pairs(pictures: Path, labels: Path, root: Path, reading: Reading) -> list[tuple[Path, Path]]:
    """Images with their label files; one without the other becomes a fault."""
    pairs = [
        (path, (labels / path.relative_to(pictures)).with_suffix(".txt"))
        for path in images(pictures)
    ]
    wanted = {label for _, label in pairs}
    texts = sorted(files_below(labels)) if labels.is_dir() else []
    found = [path for path in texts if path.suffix == ".txt" and path.name != "classes.txt"]
    reading.counts["label_files"] += len(found)
    reading.faults += [
        Fault(path.relative_to(root).as_posix(), "no label file")
        for path, label in pairs
        if not label.is_file()
    ]
    reading.faults += [
        Fault(label.relative_to(root).as_posix(), "label file without an image")
        for label in found
        if label not in wanted
    ]
    return [pair for pair in pairs if pair[1].is_file()]


def _read_labels(
    path: str, label: Path, root: Path, classes: list[str]
) -> tuple[list[Box], int, list[Fault]]:
    """Faces of an image, how many of them are polygons, and the faults of its label file."""
    name = label.relative_to(root).as_posix()
    faces: list[Box] = []
    faults: list[Fault] = []
    polygons = 0
    try:
        lines = read_lines(label)
    except InputError as error:
        return [], 0, [Fault(path, f"{name}: {error.what}")]
    for number, line in enumerate(lines, 1):
        columns = line.split()
        try:
            faces += [_box(columns, classes)] if columns else []
        except ValueError as error:
            faults.append(Fault(path, f"{name}, row {number}: {error}"))
        polygons += len(columns) > 5
    return faces, polygons, faults


def _box(columns: list[str], classes: list[str]) -> Box:
    """The box of a label row.

    Raises:
        ValueError: the row is neither a box nor a polygon.
    """
    if len(columns) != 5 and (len(columns) < 7 or len(columns) % 2 == 0):
        raise ValueError(f"{len(columns)} columns, neither a box (5) nor a polygon (7, 9, ...)")
    try:
        number, values = int(columns[0]), [float(value) for value in columns[1:]]
    except ValueError:
        raise ValueError("a column is not a number") from None
    if not all(math.isfinite(value) for value in values):
        raise ValueError("a column is not finite")
    if not 0 <= number < len(classes):
        raise ValueError(f"class {number} is none of 0 to {len(classes) - 1}")
    if len(values) == 4:
        x, y, w, h = values
        return Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2, classes[number])
    xs, ys = values[0::2], values[1::2]
    return Box(min(xs), min(ys), max(xs), max(ys), classes[number])
