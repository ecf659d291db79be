"""`ferbench predict`: the expressions in pictures, videos and the picture of a camera."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.cli.arguments import add_model_options, model_folder, whole_number
from ferbench.errors import InputError

if TYPE_CHECKING:
    from ferbench.serving.drawing import VideoFile
    from ferbench.serving.persons import SeenFace
    from ferbench.serving.pictures import PredictedPicture
    from ferbench.serving.predictor import Face, Predictor
    from ferbench.serving.sources import Frame, Video

__all__ = ["add_predict"]

_DECIMALS = 6  # of numbers in JSON and CSV
_PLACE = ("face", "left", "top", "right", "bottom")  # columns of CSV


def add_predict(commands: Any) -> None:
    """Add `predict` to the commands."""
    parser = commands.add_parser(
        "predict",
        help="predict the expressions in pictures, videos or a camera's picture",
        description="Predict the expression of every face. Works in any folder, offline.",
    )
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a picture, a video, a folder, a quoted pattern, or webcam[:NUMBER]",
    )
    parser.add_argument("--crop", action="store_true", help="each picture is one aligned face")
    parser.add_argument(
        "--flip",
        action="store_true",
        help="average each face with its mirror image: slower, a little more accurate",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="a line of JSON per picture")
    form.add_argument(
        "--csv",
        action="store_true",
        help="a row of CSV per face; with --crop the form that `ferbench judge` reads",
    )
    parser.add_argument(
        "--save", metavar="FOLDER", type=Path, help="save annotated pictures; overwrites none"
    )
    computation = add_model_options(parser)
    computation.add_argument(
        "--batch", type=whole_number(1), default=16, metavar="N", help="pictures a call"
    )
    video = parser.add_argument_group("videos and cameras")
    video.add_argument(
        "--every", type=whole_number(1), default=1, metavar="N", help="only every Nth picture"
    )
    video.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
    video.add_argument(
        "--smoothing",
        type=_seconds,
        default=0.5,
        metavar="S",
        help="time constant of the mean over a person's pictures; 0 for none (default: 0.5)",
    )
    parser.set_defaults(run=_run)


def _seconds(text: str) -> float:
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _run(args: argparse.Namespace) -> int:
    from ferbench.serving.face_detectors import face_detector
    from ferbench.serving.predictor import Predictor
    from ferbench.serving.sources import find_sources, is_video

    sources = find_sources(args.paths)
    detector = face_detector(args.face_detector) if args.face_detector else None
    predictor = Predictor.load(
        model_folder(args.model),
        args.device,
        engine=args.engine,
        detector=detector,
        flip=args.flip,
    )
    pictures = [source for source in sources if not is_video(source)]
    if args.csv and len(pictures) < len(sources):
        raise InputError("--csv takes pictures, not videos or cameras", remedy="use --json")
    output: _Output = _Table()
    if args.json:
        output = _JsonLines()
    elif args.csv:
        output = _CsvRows(predictor.classes, crop=args.crop)
    faults = _predict_pictures(predictor, pictures, args, output)
    for source in sources:
        if is_video(source):
            _predict_video(predictor, source, args, output)
    output.close()
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 2 if faults else 0


def _predict_pictures(
    predictor: Predictor, paths: Sequence[str], args: argparse.Namespace, output: _Output
) -> list[InputError]:
    """Predict picture files; those that could not be read."""
    from tqdm import tqdm

    from ferbench.serving.drawing import annotated, save_picture
    from ferbench.serving.pictures import predict_pictures

    faults = []
    results = predict_pictures(predictor, paths, crop=args.crop, batch=args.batch)
    # On the standard error, and only on a terminal.
    for result in tqdm(results, "predict", len(paths), unit=" pictures", leave=False, disable=None):
        output.picture(result)
        if result.error is not None:
            faults.append(result.error)
        elif args.save is not None and result.image is not None:
            drawn = annotated(result.image, result.faces)
            output.saved(save_picture(drawn, args.save, result.path))
    return faults


def _predict_video(
    predictor: Predictor, source: str, args: argparse.Namespace, output: _Output
) -> None:
    """Predict a video or a camera's pictures; Ctrl-C ends a camera's."""
    from contextlib import nullcontext

    from ferbench.serving.drawing import VideoFile
    from ferbench.serving.sources import open_video

    with open_video(source, args.every, args.seconds) as video:
        save = args.save is not None
        opened = VideoFile(args.save, source, video.rate / args.every) if save else nullcontext()
        with opened as file:
            try:
                _predict_frames(predictor, video, file, args, output)
            except KeyboardInterrupt:
                if not video.live:
                    raise
    output.end_of_video(source)
    if file is not None:
        output.saved(file.path)


def _predict_frames(
    predictor: Predictor,
    video: Video,
    file: VideoFile | None,
    args: argparse.Namespace,
    output: _Output,
) -> None:
    """Print, and save to a file, the pictures of a video."""
    from tqdm import tqdm

    from ferbench.serving.drawing import annotated
    from ferbench.serving.persons import PersonTracker
    from ferbench.serving.pictures import predict_video

    tracker = PersonTracker(args.smoothing)
    results = predict_video(predictor, video, tracker, crop=args.crop, batch=args.batch)
    bar = tqdm(results, video.source, video.frames, unit=" pictures", leave=False, disable=None)
    for frame, faces in bar:
        output.frame(video.source, frame, faces)
        if file is not None:
            names = [str(face.person) for face in faces]
            file.add(annotated(frame.image, [seen.face for seen in faces], names))


class _JsonLines:
    """A line of JSON per picture."""

    def picture(self, result: PredictedPicture) -> None:
        row: dict[str, Any] = {"path": result.path, "faces": list(map(_plain, result.faces))}
        if result.error is not None:
            row["error"] = str(result.error)
        self._print(row)

    def frame(self, source: str, frame: Frame, faces: Sequence[SeenFace]) -> None:
        rows = [{**_plain(seen.face), "person": seen.person} for seen in faces]
        place = {"path": source, "frame": frame.number, "time_s": round(frame.time_s, 3)}
        self._print({**place, "faces": rows})

    def end_of_video(self, source: str) -> None:
        """Nothing: every picture has its line."""

    def saved(self, path: Path) -> None:
        print(f"saved {path}", file=sys.stderr)

    def close(self) -> None:
        """Nothing is left to print."""

    @staticmethod
    def _print(row: dict[str, Any]) -> None:
        print(json.dumps(row, ensure_ascii=False), flush=True)


class _CsvRows:
    """A row of CSV per face of a picture.

    With `crop`, a row per picture without number and box; zeros where a detector finds no face.
    """

    def __init__(self, classes: Sequence[str], *, crop: bool) -> None:
        self._classes, self._crop = classes, crop
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(["path", *([] if crop else _PLACE), *classes])

    def picture(self, result: PredictedPicture) -> None:
        if result.error is not None:
            return
        if self._crop and not result.faces:
            self._writer.writerow([result.path, *[0] * len(self._classes)])
        for number, face in enumerate(result.faces):
            plain = _plain(face)
            place = [] if self._crop else [number, *plain["box"]]
            values = [plain["probabilities"][name] for name in self._classes]
            self._writer.writerow([result.path, *place, *values])

    def frame(self, source: str, frame: Frame, faces: Sequence[SeenFace]) -> None:
        raise AssertionError("videos are refused")

    def end_of_video(self, source: str) -> None:
        raise AssertionError("videos are refused")

    def saved(self, path: Path) -> None:
        print(f"saved {path}", file=sys.stderr)

    def close(self) -> None:
        """Nothing is left to print."""


class _Table:
    """A table of pictures and their faces, and of videos and their persons."""

    def __init__(self) -> None:
        from rich import box
        from rich.table import Table

        self._table = Table("path", "face", "emotion", "probability", "next", box=box.SIMPLE)
        self._saved: list[Path] = []
        # Number of pictures by person and emotion.
        self._seen: dict[int, Counter[str]] = {}

    def picture(self, result: PredictedPicture) -> None:
        if result.error is not None:
            self._table.add_row(result.path, "", "error", "", result.error.what)
        elif not result.faces:
            self._table.add_row(result.path, "", "no face", "", "")
        for number, face in enumerate(result.faces):
            first, second, *_ = [*_ranked(face.probabilities), ("", 0.0)]
            following = f"{second[0]} {100 * second[1]:.0f} %" if second[0] else ""
            place = result.path if number == 0 else ""
            share = f"{100 * first[1]:.0f} %"
            self._table.add_row(place, str(number), first[0], share, following)

    def frame(self, source: str, frame: Frame, faces: Sequence[SeenFace]) -> None:
        del source, frame
        for seen in faces:
            self._seen.setdefault(seen.person, Counter())[seen.face.emotion] += 1

    def end_of_video(self, source: str) -> None:
        if not self._seen:
            self._table.add_row(source, "", "no face", "", "")
        for number, (person, counts) in enumerate(sorted(self._seen.items())):
            total = counts.total()
            (emotion, count), *others = counts.most_common(2)
            share = f"{100 * count / total:.0f} % of {total} pictures"
            following = f"{others[0][0]} {100 * others[0][1] / total:.0f} %" if others else ""
            self._table.add_row(
                source if number == 0 else "", str(person), emotion, share, following
            )
        self._seen = {}

    def saved(self, path: Path) -> None:
        self._saved.append(path)

    def close(self) -> None:
        from rich.console import Console

        console = Console(highlight=False)
        console.print(self._table)
        for path in self._saved:
            console.print(f"saved {path}")


_Output = _JsonLines | _CsvRows | _Table


def _ranked(probabilities: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(probabilities.items(), key=lambda item: -item[1])


def _plain(face: Face) -> dict[str, Any]:
    """A face as JSON, numbers rounded."""
    return {
        "box": [round(value, _DECIMALS) for value in face.box],
        "emotion": face.emotion,
        "probabilities": {k: round(v, _DECIMALS) for k, v in face.probabilities.items()},
        "face_score": round(face.face_score, _DECIMALS),
    }
