"""A model as an HTTP service: pictures in, faces out, and a page to try it.

Every request is bounded: its body while it arrives, the pixels before they are decoded, the faces,
the number of requests that wait, and the time. One thread runs the network; pictures are decoded in
processes of their own (`ferbench.serving.images`). Nothing that a client sends is stored or logged.
"""

from __future__ import annotations

import asyncio
import hmac
import math
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect

from ferbench.artifacts.pack import Pixels
from ferbench.errors import InputError
from ferbench.serving.face_detectors import FaceDetector, FoundFaces, face_detector
from ferbench.serving.images import ImageLimits, read_image
from ferbench.serving.predictor import Face, Predictor
from ferbench.serving.service.answers import (
    ErrorAnswer,
    FaceAnswer,
    HealthAnswer,
    ModelAnswer,
    PredictAnswer,
    PredictOptions,
    PromotionAnswer,
)
from ferbench.serving.service.guard import HttpGuard
from ferbench.serving.service.metrics import ServiceMetrics
from ferbench.serving.service.network_thread import NetworkThread
from ferbench.serving.service.saliency import Saliency, SaliencyMap
from ferbench.serving.service.uploads import MEDIA_TYPES, RefusedError, check_media_type, read_body

__all__ = ["BoundedFaces", "Service", "ServiceLimits", "create_app"]

_DECODERS = 2
_KEY_HEADER = "X-API-Key"
_PAGE = {
    "/": ("index.html", "text/html"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


@dataclass(frozen=True)
class ServiceLimits:
    """Bounds of the service.

    Args:
        max_body_bytes: of a request.
        max_pixels: width times height of a picture.
        max_faces: of a picture; the best are kept.
        max_saliency_faces: that saliency is computed for; the others have none.
        uploads: bodies that arrive at once; more get 503.
        queue: requests that wait or are being predicted; more get 429.
        batch: pictures that the network is given at once; twice as many are decoded ahead.
        upload_s: longest time of a body, and of sending an answer.
        predict_s: longest time from the whole body to the answer; later ones get 503.
    """

    max_body_bytes: int = 10 * 2**20
    max_pixels: int = 25_000_000
    max_faces: int = 100
    max_saliency_faces: int = 8
    uploads: int = 64
    queue: int = 32
    batch: int = 8
    upload_s: float = 10.0
    predict_s: float = 30.0


class BoundedFaces:
    """The best faces that a face detector finds.

    Args:
        choice: of `ferbench.serving.face_detectors.face_detector`, which is called when it is
            needed: a one-stage detector needs none.
        most: number of faces.
    """

    def __init__(self, choice: str | None, most: int) -> None:
        self._choice, self._most = choice, most
        self._inner: FaceDetector | None = None

    @property
    def name(self) -> str:
        """Of the face detector."""
        return self._detector().name

    def __call__(self, image: Pixels) -> FoundFaces:
        """The best faces of a picture (H, W, C)."""
        found = self._detector()(image)
        return FoundFaces(found.xyxy[: self._most], found.score[: self._most])

    def _detector(self) -> FaceDetector:
        if self._inner is None:
            self._inner = face_detector(self._choice)
        return self._inner


@dataclass(frozen=True)
class _Job:
    image: Pixels
    crop: bool
    saliency: bool


_Found = tuple[list[Face], list[SaliencyMap | None]]


class Service:
    """Predicts pictures of many clients by one predictor.

    Args:
        predictor: with a face detector that finds at most one face more than the limit.
        saliency: of the same model; None for no maps.
        limits: bounds.
        promotion: what the promotion gates decided.
    """

    def __init__(
        self,
        predictor: Predictor,
        saliency: Saliency | None = None,
        limits: ServiceLimits | None = None,
        promotion: PromotionAnswer | None = None,
    ) -> None:
        self.limits = limits or ServiceLimits()
        self.metrics = ServiceMetrics(predictor.record)
        self.waiting = 0
        self._predictor, self._saliency, self._promotion = predictor, saliency, promotion
        self._uploads = 0
        self._pixels = ImageLimits(self.limits.max_body_bytes, self.limits.max_pixels)
        self._decoders: ThreadPoolExecutor
        self._network: NetworkThread[_Job, _Found]
        self._decoded: asyncio.Semaphore
        self.model_answer = self._model_answer()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Predict a black picture, so that no client waits for what is loaded late; then serve.

        Requests that wait are completed at the end.
        """
        self._decoded = asyncio.Semaphore(2 * self.limits.batch)
        batches = self.metrics.batches.observe
        self._network = NetworkThread(self._run, self.limits.batch, batches)
        self._decoders = ThreadPoolExecutor(_DECODERS, thread_name_prefix="decoder")
        try:
            black = np.zeros((64, 64, 3), np.uint8)
            for crop in (False, True):
                await asyncio.wrap_future(self._network.submit(_Job(black, crop, saliency=crop)))
            yield
        finally:
            await asyncio.to_thread(self._network.close)
            self._decoders.shutdown(cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Whether the network can run."""
        return self._network.alive

    async def upload(self, request: Request) -> bytes:
        """The body of a request.

        Raises:
            RefusedError: 503 too many arrive at once, 408, 413 or 415.
        """
        check_media_type(request.headers)
        if self._uploads >= self.limits.uploads:
            raise RefusedError(503, "too many uploads at once", "try again", retry_after_s=1)
        self._uploads += 1
        try:
            limits = self.limits
            return await read_body(
                request.stream(), request.headers, limits.max_body_bytes, limits.upload_s
            )
        finally:
            self._uploads -= 1

    async def predict(self, content: bytes, options: PredictOptions) -> PredictAnswer:
        """The faces of a picture file.

        Raises:
            InputError: it is no picture, or outside the bounds.
            RefusedError: 429 too many requests wait, 503 it was not predicted in time.
        """
        if self.waiting >= self.limits.queue:
            raise RefusedError(
                429, "too many requests wait", "try again", retry_after_s=self._wait_s()
            )
        self.waiting += 1
        self.metrics.waiting.set(self.waiting)
        try:
            async with asyncio.timeout(self.limits.predict_s), self._decoded:
                image = await asyncio.get_running_loop().run_in_executor(
                    self._decoders, lambda: read_image(content, self._pixels)
                )
                job = _Job(image, options.crop, options.saliency)
                found, maps = await asyncio.wrap_future(self._network.submit(job))
        except TimeoutError as error:
            what = f"not predicted within {self.limits.predict_s:g} s"
            raise RefusedError(503, what, "try again", retry_after_s=self._wait_s()) from error
        finally:
            self.waiting -= 1
            self.metrics.waiting.set(self.waiting)
        return self._answer(image, found, maps)

    def _answer(
        self, image: Pixels, found: Sequence[Face], maps: Sequence[SaliencyMap | None]
    ) -> PredictAnswer:
        kept = found[: self.limits.max_faces]
        for face in kept:
            self.metrics.faces.labels(face.emotion).inc()
        padded = [*maps, *[None] * (len(kept) - len(maps))]
        return PredictAnswer(
            width=image.shape[1],
            height=image.shape[0],
            faces=[FaceAnswer.of(face, own) for face, own in zip(kept, padded, strict=True)],
            truncated=len(found) > len(kept),
            model=self._predictor.record.digest,
        )

    def _wait_s(self) -> int:
        """When a place may be free: after half the queue at the mean time of a picture so far."""
        return min(60, max(1, math.ceil(self.waiting / 2 * self.metrics.mean_picture_s)))

    def _run(self, jobs: Sequence[_Job]) -> list[_Found]:
        """The faces of pictures; runs in the thread of the network."""
        with self.metrics.network_time(len(jobs)):
            by_way = defaultdict(list)
            for number, job in enumerate(jobs):
                by_way[job.crop].append(number)
            faces: list[list[Face]] = [[] for _ in jobs]
            for crop, numbers in by_way.items():
                way = self._predictor.predict_crops if crop else self._predictor.predict
                for number, found in zip(
                    numbers, way([jobs[n].image for n in numbers]), strict=True
                ):
                    faces[number] = found
            return [(own, self._maps(job, own)) for job, own in zip(jobs, faces, strict=True)]

    def _maps(self, job: _Job, faces: Sequence[Face]) -> list[SaliencyMap | None]:
        if self._saliency is None or not job.saliency:
            return []
        most = min(self.limits.max_faces, self.limits.max_saliency_faces)
        return self._saliency(job.image, faces[:most], crop=job.crop)

    def _model_answer(self) -> ModelAnswer:
        record, detector = self._predictor.record, self._predictor.detector
        names = ("name", "task", "classes", "source", "metrics", "digest", "version")
        return ModelAnswer(
            **record.model_dump(include=set(names)),
            face_detector=None if detector is None else detector.name,
            has_saliency=self._saliency is not None,
            card=self._predictor.card,
            card_html=_as_html(self._predictor.card),
            promotion=self._promotion,
        )


def _as_html(card: str) -> str:
    """A card's Markdown as HTML; a card may come from anywhere, so HTML in it is shown as text."""
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(card)
    for token in tokens:
        # Cells are aligned by a style, which the page's security policy forbids.
        style = str(token.attrs.pop("style", ""))
        if style:
            token.attrs["class"] = style.removeprefix("text-align:")
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def create_app(
    service: Service, api_key: str | None = None, hosts: Sequence[str] = ("*",)
) -> FastAPI:
    """The ASGI application.

    Args:
        service: that predicts.
        api_key: that clients have to send in the header X-API-Key; None for no key. The page, its
            files, `/health` and `/openapi.json` need none.
        hosts: names that clients may call the server by; others get 400. A server on the loopback
            interface answers to its own names alone, so that no website can reach it by a name of
            its own.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        async with service.running():
            yield

    app = FastAPI(
        title="ferbench",
        description="Facial expressions in pictures. Nothing that is sent is stored.",
        version=service.model_answer.version,
        lifespan=lifespan,
        # The pages of FastAPI load scripts from other servers.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service, app.state.api_key = service, api_key
    app.include_router(_router)
    for path, (name, kind) in _PAGE.items():
        app.add_api_route(path, _sender(name, kind), include_in_schema=False)
    for error, handler in _HANDLERS.items():
        app.add_exception_handler(error, handler)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    # The outermost: it also counts and bounds what the others answer.
    limits = service.limits
    app.add_middleware(
        HttpGuard,
        metrics=service.metrics,
        most_bytes=4 * limits.max_body_bytes,
        send_s=limits.upload_s,
    )
    return app


def _sender(name: str, kind: str) -> Any:
    """The handler that sends a file of the page."""
    content = (files("ferbench.serving.service") / "page" / name).read_bytes()

    async def send() -> Response:
        return Response(content, media_type=kind)

    return send


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _check_key(
    request: Request,
    given: Annotated[str | None, Security(APIKeyHeader(name=_KEY_HEADER, auto_error=False))],
) -> None:
    expected: str | None = request.app.state.api_key
    if expected is not None and not hmac.compare_digest((given or "").encode(), expected.encode()):
        what = "the API key is missing" if given is None else "the API key is wrong"
        raise RefusedError(401, what, f"send it in the header {_KEY_HEADER}")


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer} for status in statuses}


_router = APIRouter()
_ServiceOf = Annotated[Service, Depends(_service)]
_PICTURE = {"schema": {"type": "string", "format": "binary"}}


@_router.post(
    "/predict",
    dependencies=[Depends(_check_key)],
    responses=_errors(401, 408, 413, 415, 422, 429, 503),
    openapi_extra={
        "requestBody": {"required": True, "content": {kind: _PICTURE for kind in MEDIA_TYPES}}
    },
)
async def predict(
    request: Request, service: _ServiceOf, options: Annotated[PredictOptions, Query()]
) -> PredictAnswer:
    """The faces in a picture, with the probability of every emotion.

    The body is the file itself.
    """
    return await service.predict(await service.upload(request), options)


@_router.get("/model", dependencies=[Depends(_check_key)], responses=_errors(401))
async def model(service: _ServiceOf) -> ModelAnswer:
    """The model, its card, and the evidence that it was promoted on."""
    return service.model_answer


@_router.get("/health", responses={503: {"model": HealthAnswer}})
async def health(service: _ServiceOf, response: Response) -> HealthAnswer:
    """Whether the service works."""
    if not service.alive:
        response.status_code = 503
    return HealthAnswer(status="ok" if service.alive else "failed", waiting=service.waiting)


@_router.get(
    "/metrics",
    dependencies=[Depends(_check_key)],
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **_errors(401)},
)
async def metrics(service: _ServiceOf) -> Response:
    """Counts and times for Prometheus."""
    return Response(service.metrics.text(), media_type=service.metrics.media_type)


def _error(
    status: int, what: str, remedy: str = "", headers: dict[str, str] | None = None
) -> JSONResponse:
    answer = ErrorAnswer(error=what, remedy=remedy)
    return JSONResponse(answer.model_dump(), status, headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RefusedError)
    after = error.retry_after_s
    headers = None if after is None else {"Retry-After": str(after)}
    return _error(error.status, error.what, error.remedy, headers)


async def _bad_picture(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, InputError)
    return _error(422, error.what, error.remedy)


async def _bad_options(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    return _error(422, f"{name}: {first['msg']}", "see /openapi.json")


async def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return _error(error.status_code, str(error.detail), headers=dict(error.headers or {}))


async def _gone(request: Request, error: Exception) -> Response:
    """An answer that nobody reads; it is counted."""
    del request, error
    return _error(499, "the client has closed the connection")


async def _fault(request: Request, error: Exception) -> Response:
    """A bug; the server logs it."""
    del request, error
    return _error(500, "internal error", "report it, with the server's log")


_HANDLERS: dict[type[Exception], Any] = {
    Exception: _fault,
    RefusedError: _refused,
    InputError: _bad_picture,
    RequestValidationError: _bad_options,
    HTTPException: _http_error,
    ClientDisconnect: _gone,
}
