"""Predictions of many picture files and of videos, in batches.

Files are decoded ahead, and one that cannot be read does not end the others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError
from ferbench.serving.images import ImageLimits, read_image
from ferbench.serving.persons import PersonTracker, SeenFace
from ferbench.serving.predictor import Face, Predictor
from ferbench.serving.sources import Frame, Video

__all__ = ["PredictedPicture", "predict_pictures", "predict_video"]

_DECODERS = 2


@dataclass(frozen=True)
class PredictedPicture:
    """What one file shows.

    Args:
        path: as it was given.
        image: (H, W, C); None if it could not be read.
        faces: best first.
        error: why it could not be read.
    """

    path: str
    image: Pixels | None
    faces: Sequence[Face] = ()
    error: InputError | None = None


def predict_pictures(
    predictor: Predictor,
    paths: Iterable[str],
    *,
    crop: bool = False,
    batch: int = 16,
    limits: ImageLimits | None = None,
) -> Iterator[PredictedPicture]:
    """Predict the faces of picture files, in their order.

    Args:
        predictor: of the model.
        paths: of the files.
        crop: whether each picture is one aligned face.
        batch: pictures a call; twice as many are held in memory.
        limits: of pictures.
    """
    with ThreadPoolExecutor(_DECODERS) as pool:
        names = iter(paths)
        ahead: deque[Future[PredictedPicture]] = deque()

        def fill() -> None:
            for path in islice(names, 2 * batch - len(ahead)):
                ahead.append(pool.submit(_read, path, limits))

        fill()
        while ahead:
            read = [ahead.popleft().result() for _ in range(min(batch, len(ahead)))]
            fill()
            yield from _predicted(predictor, read, crop)


def _read(path: str, limits: ImageLimits | None) -> PredictedPicture:
    try:
        return PredictedPicture(path, read_image(path, limits))
    except InputError as error:
        return PredictedPicture(path, None, error=error)


def _predicted(
    predictor: Predictor, read: Sequence[PredictedPicture], crop: bool
) -> Iterator[PredictedPicture]:
    images = [picture.image for picture in read if picture.image is not None]
    predict = predictor.predict_crops if crop else predictor.predict
    faces = iter(predict(images) if images else [])
    for picture in read:
        if picture.image is None:
            yield picture
        else:
            yield PredictedPicture(picture.path, picture.image, next(faces))


def predict_video(
    predictor: Predictor, video: Video, tracker: PersonTracker, *, crop: bool, batch: int
) -> Iterator[tuple[Frame, list[SeenFace]]]:
    """The pictures of a video with their faces.

    Args:
        predictor: of the model.
        video: whose pictures are read.
        tracker: follows its persons.
        crop: whether each picture is one aligned face.
        batch: pictures a call; a camera's are predicted one by one, at once.
    """
    predict = predictor.predict_crops if crop else predictor.predict
    frames = iter(video)
    while held := list(islice(frames, 1 if video.live else batch)):
        for frame, faces in zip(held, predict([f.image for f in held]), strict=True):
            yield frame, tracker.update(faces, frame.time_s)
