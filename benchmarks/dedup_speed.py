"""How long does finding duplicates take beside hashing the same files?

Stage `dedup` hashes every file, and decodes it completely besides, because an image that cannot be
decoded must be found before training. CPU seconds, in turns, over the same files:

- `md5sum`: the program;
- `dedup`: `ferbench.data.dedup`, from the reading of the folder to the index;
- `decode`: Pillow decoding every file in one process, and nothing else, which is the part of
  `dedup` that `md5sum` lacks.

    python benchmarks/dedup_speed.py --folder some/images

Without a folder, pictures are drawn: noise of 48 px and of 640 px, as the small crops and the large
photographs of the data sets. Writes benchmarks/results/dedup_speed.json: two minutes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import psutil
from conditions import conditions
from PIL import Image

from ferbench.data.dedup import deduplicate
from ferbench.data.ingest.layout import images
from ferbench.data.ingest.source import Reading, Record
from ferbench.files import write_json

RESULT = Path(__file__).parent / "results" / "dedup_speed.json"
Act = Callable[[list[Path]], None]
# Name of a form: side in pixels, suffix and number of files.
FORMS = {"48 px, PNG": (48, "png", 6000), "640 px, JPEG": (640, "jpg", 600)}


def draw(folder: Path, side: int, suffix: str, number: int) -> list[Path]:
    """Grey pictures of smooth noise; every tenth is a copy of the one before."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    paths: list[Path] = []
    for index in range(number):
        path = folder / f"{index:05d}.{suffix}"
        if index % 10 == 9:
            path.write_bytes(paths[-1].read_bytes())
        else:
            noise = rng.integers(0, 256, (side // 8, side // 8), dtype=np.uint8)
            cv2.imwrite(str(path), cv2.resize(noise, (side, side)))
        paths.append(path)
    return paths


def md5sum(paths: list[Path]) -> None:
    """Hash all files by the program."""
    names = b"\0".join(os.fsencode(path) for path in paths)
    command = ["xargs", "-0", "md5sum"]
    subprocess.run(command, input=names, stdout=subprocess.DEVNULL, check=True)


def dedup(paths: list[Path]) -> None:
    """Open, hash and compare all files."""
    root = Path(os.path.commonpath([path.parent for path in paths]))
    names = [path.relative_to(root).as_posix() for path in paths]
    records = [Record(str(number), name, "neutral") for number, name in enumerate(names)]
    deduplicate(Reading(records), root, "pictures", "drop_all", 16)


def decode(paths: list[Path]) -> None:
    """Decode all files."""
    for path in paths:
        with Image.open(path) as image:
            image.load()


def cpu_seconds() -> float:
    """CPU seconds of this process and of those it has started, decoders that wait included."""
    alive = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return sum(os.times()[:4]) + sum(times.user + times.system for times in alive)


def in_turns(acts: Mapping[str, Act], paths: list[Path], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of acts that take turns; the first round warms up and does not count."""
    spent: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(repeats + 1):
        for name, act in acts.items():
            before = cpu_seconds()
            act(paths)
            if number:
                spent[name].append(round(cpu_seconds() - before, 3))
    return spent


def compared(paths: list[Path], repeats: int) -> dict[str, Any]:
    """Times of the acts over some files, and the ratios of their medians."""
    spent = in_turns({"md5sum": md5sum, "dedup": dedup, "decode": decode}, paths, repeats)
    median = {name: statistics.median(times) for name, times in spent.items()}
    return {
        "files": len(paths),
        "mib": round(sum(path.stat().st_size for path in paths) / 2**20, 1),
        "cpu_seconds": spent,
        "dedup_to_md5sum": round(median["dedup"] / median["md5sum"], 2),
        "dedup_to_md5sum_and_decode": round(
            median["dedup"] / (median["md5sum"] + median["decode"]), 2
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="with pictures of one's own; nothing is stored")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    found = {}
    with TemporaryDirectory() as folder:
        if args.folder:
            sets = {str(args.folder): list(images(args.folder))}
        else:
            sets = {name: draw(Path(folder, name), *form) for name, form in FORMS.items()}
        for name, paths in sets.items():
            found[name] = compared(paths, args.repeats)
            print(name, found[name])
    if args.folder:
        return
    about = conditions()
    write_json(RESULT, {"forms": found} | about)
    print(f"-> {RESULT}")


if __name__ == "__main__":
    main()
