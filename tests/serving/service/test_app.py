"""The service as an ASGI application: answers, bounds, hostile requests."""

from __future__ import annotations

import asyncio
import base64
import copy
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from tests.serving.test_images import COLOURS, png_header, stored

from ferbench.artifacts.pack import Pixels
from ferbench.serving.face_detectors import FoundFaces
from ferbench.serving.images import read_image
from ferbench.serving.predictor import Face, Predictor
from ferbench.serving.service.answers import PromotionAnswer
from ferbench.serving.service.app import Service, ServiceLimits, create_app
from ferbench.serving.service.guard import SECURITY_HEADERS
from ferbench.serving.service.saliency import Saliency

PNG = {"content-type": "image/png"}
KEY = "a key of the tests, with ASCII alone"
RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 256, (60, 80, 3), dtype=np.uint8)
SMALL = ServiceLimits(max_body_bytes=20_000, max_pixels=5_000, max_faces=1)


@pytest.fixture(scope="module")
def predictor(detector: Path) -> Predictor:
    """Of a one-stage detector."""
    return Predictor.load(detector)


@pytest.fixture(scope="module")
def client(detector: Path, predictor: Predictor) -> Iterator[TestClient]:
    """A service with bounds that tests can reach."""
    service = Service(predictor, Saliency.load(detector), SMALL)
    with TestClient(create_app(service)) as client:
        yield client


@dataclass
class Answer:
    """What an application sends."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def call(
    app: FastAPI, parts: AsyncIterator[bytes], headers: dict[str, str], path: str = "/predict"
) -> Answer:
    """Post a body that comes in parts; more parts than are asked for are never made."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        async for part in parts:
            return {"type": "http.request", "body": part, "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"},
        **{"path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http"},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    start, *bodies = sent
    named = {name.decode(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], named, b"".join(message["body"] for message in bodies))


async def whole(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def chunked() -> dict[str, str]:
    return {**PNG, "transfer-encoding": "chunked"}


def check_refused(answer: Any, status: int) -> None:
    """A status, an explanation, a remedy and the headers of every answer."""
    found = answer.json() if callable(answer.json) else answer.json
    got = getattr(answer, "status_code", None) or answer.status
    assert (got, bool(found["error"]), bool(found["remedy"])) == (status, True, True)
    assert {name: answer.headers[name.lower()] for name in SECURITY_HEADERS} == SECURITY_HEADERS


# --- Answers


def largest_difference(answer: Any, faces: Sequence[Face]) -> float:
    assert len(answer["faces"]) == len(faces) > 0
    differences = [0.0]
    for got, face in zip(answer["faces"], faces, strict=True):
        assert got["emotion"] == face.emotion
        assert list(got["probabilities"]) == list(face.probabilities)
        values = [*got["probabilities"].values(), *got["box"], got["face_score"]]
        own = [*face.probabilities.values(), *face.box, face.face_score]
        differences += [abs(a - b) for a, b in zip(values, own, strict=True)]
    return max(differences)


class TwoFaces:
    """A face detector that finds the same two faces in every picture."""

    name = "two"

    def __call__(self, image: Pixels) -> FoundFaces:
        return FoundFaces(np.array([[0.1, 0.1, 0.6, 0.7], [0.5, 0.2, 1, 1]]), np.array([0.9, 0.8]))


def test_answer_over_http_is_that_of_the_predictor(predictor: Predictor, classifier: Path) -> None:
    content = stored(SCENE)
    image = read_image(content)
    for own in (predictor, Predictor.load(classifier, detector=TwoFaces())):
        with TestClient(create_app(Service(own))) as client:
            for crop in (False, True):
                (faces,) = own.predict_crops([image]) if crop else own.predict([image])
                answer = client.post(f"/predict?crop={crop}", content=content, headers=PNG)
                assert answer.status_code == 200, answer.text
                assert largest_difference(answer.json(), faces) <= 1e-4
                assert (answer.json()["width"], answer.json()["height"]) == (80, 60)
                assert answer.json()["model"] == own.record.digest


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_every_format_is_read_whatever_the_content_type_says(client: TestClient, form: str) -> None:
    answer = client.post("/predict", content=stored(COLOURS, form), headers=PNG)
    assert answer.status_code == 200
    assert answer.json()["width"] == 30


def test_more_faces_than_the_bound_are_left_out(client: TestClient, predictor: Predictor) -> None:
    assert len(predictor.predict([SCENE])[0]) > SMALL.max_faces
    answer = client.post("/predict", content=stored(SCENE), headers=PNG).json()
    assert (len(answer["faces"]), answer["truncated"]) == (SMALL.max_faces, True)


def test_saliency_is_given_on_demand(client: TestClient) -> None:
    url, content = "/predict", stored(SCENE)
    (without,) = client.post(url, content=content, headers=PNG).json()["faces"]
    (face,) = client.post(f"{url}?saliency=true", content=content, headers=PNG).json()["faces"]
    assert without["saliency"] is None
    assert face["saliency"]["box"] == [0, 0, 1, 1]
    height, width, _ = read_image(base64.b64decode(face["saliency"]["png"])).shape
    assert height / width == 60 / 80


def test_model_has_card_metrics_and_the_gates(predictor: Predictor) -> None:
    gates = [{"gate": "data", "passed": True, "reason": "the data set meets its expectations"}]
    decision = {"model": "ferbench_x", "version": "3", "promoted": True, "gates": gates}
    predictor = copy.copy(predictor)
    predictor.card = "# A card\n\n<script>alert(1)</script> [x](javascript:alert(1))\n"
    service = Service(predictor, promotion=PromotionAnswer.model_validate(decision))
    with TestClient(create_app(service)) as client:
        model = client.get("/model").json()
    assert model["promotion"] == decision
    assert model["metrics"] == {"accuracy": 0.5}
    assert (model["face_detector"], model["has_saliency"]) == (None, False)
    assert "<h1>A card</h1>" in model["card_html"]
    assert "<script" not in model["card_html"]
    assert "href" not in model["card_html"]


def test_openapi_describes_the_body_the_answers_and_the_key(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    predict = described["paths"]["/predict"]["post"]
    assert "image/jpeg" in predict["requestBody"]["content"]
    assert {"200", "401", "408", "413", "415", "422", "429", "503"} <= predict["responses"].keys()
    names = {parameter["name"] for parameter in predict["parameters"]}
    assert names == {"crop", "saliency"}
    schema = described["components"]["schemas"]["FaceAnswer"]["properties"]
    assert {"box", "emotion", "probabilities", "face_score"} <= schema.keys()
    assert described["components"]["securitySchemes"]["APIKeyHeader"]["name"] == "X-API-Key"


def test_requests_are_counted_by_route_and_status(client: TestClient) -> None:
    def count(line: str) -> float:
        found = [row for row in client.get("/metrics").text.splitlines() if row.startswith(line)]
        return float(found[0].split()[-1]) if found else 0.0

    line = 'ferbench_requests_total{route="/predict",status="415"}'
    other = 'ferbench_requests_total{route="other",status="404"}'
    before, before_other = count(line), count(other)
    client.post("/predict", content=b"x", headers={"content-type": "text/html"})
    client.get("/never-heard-of")
    assert (count(line), count(other)) == (before + 1, before_other + 1)
    assert "never-heard-of" not in client.get("/metrics").text


# --- Hostile requests

NO_PICTURES = {
    "empty": b"",
    "text": b"no picture" * 100,
    "truncated": stored(COLOURS, "JPEG")[:-300],
    "bomb": png_header(60_000, 60_000),
    "over the pixels": stored(np.zeros((80, 80, 3), np.uint8)),
    "too small": stored(np.zeros((3, 3, 3), np.uint8)),
    "compressed": gzip.compress(stored(COLOURS)),
    "header alone": png_header(20, 20),
}


@pytest.mark.parametrize("content", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_gets_422(client: TestClient, content: bytes) -> None:
    check_refused(client.post("/predict", content=content, headers=PNG), 422)


@pytest.mark.parametrize(
    "kind",
    ["", "text/html", "application/json", "multipart/form-data; boundary=x", "image/svg+xml"],
)
def test_other_content_types_get_415(client: TestClient, kind: str) -> None:
    check_refused(client.post("/predict", content=b"x", headers={"content-type": kind}), 415)


def test_compressed_bodies_get_415(client: TestClient) -> None:
    headers = {**PNG, "content-encoding": "gzip"}
    check_refused(client.post("/predict", content=b"x", headers=headers), 415)


@pytest.mark.parametrize("query", ["crop=perhaps", "crops=true", "saliency=2", "crop=%00"])
def test_wrong_options_get_422(client: TestClient, query: str) -> None:
    check_refused(client.post(f"/predict?{query}", content=stored(SCENE), headers=PNG), 422)


def test_stated_length_over_the_bound_is_refused_unread(client: TestClient) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    headers = {**PNG, "content-length": str(2**30), "expect": "100-continue"}
    answer = asyncio.run(call(client.app, unread(), headers))  # type: ignore[arg-type]
    check_refused(answer, 413)
    assert answer.headers["connection"] == "close"


def test_endless_body_without_a_length_is_cut_off(client: TestClient) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1000
            yield bytes(1000)

    answer = asyncio.run(call(client.app, endless(), chunked()))  # type: ignore[arg-type]
    check_refused(answer, 413)
    assert answer.headers["connection"] == "close"
    assert asked <= 6 * SMALL.max_body_bytes  # the bound, and what is thrown away after it


def test_body_that_lies_about_its_length_is_bounded(client: TestClient) -> None:
    headers = {**PNG, "content-length": "10"}
    answer = asyncio.run(call(client.app, whole(*[bytes(5_000)] * 5), headers))  # type: ignore[arg-type]
    check_refused(answer, 413)


def test_mutated_pictures_never_cause_an_error_of_the_server(client: TestClient) -> None:
    generator = np.random.default_rng(1)
    for form in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
        content = np.frombuffer(stored(COLOURS, form), np.uint8)
        for _ in range(8):
            changed = content.copy()
            places = generator.integers(0, len(changed), 12)
            changed[places] = generator.integers(0, 256, 12)
            end = generator.integers(len(changed) // 2, len(changed) + 1)
            answer = client.post("/predict", content=changed[:end].tobytes(), headers=PNG)
            assert answer.status_code in (200, 422), answer.text


def test_name_of_another_server_is_refused(predictor: Predictor) -> None:
    service = Service(predictor)
    with TestClient(create_app(service, hosts=("127.0.0.1", "localhost"))) as client:
        for host, status in (("evil.example", 400), ("localhost:8000", 200), ("127.0.0.1", 200)):
            assert client.get("/health", headers={"host": host}).status_code == status


def test_api_key_is_needed_for_all_but_the_page_and_health(
    predictor: Predictor, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app(Service(predictor), KEY)) as client:
        for path in ("/", "/page.js", "/page.css", "/health", "/openapi.json"):
            assert client.get(path).status_code == 200
        for given in ({}, {"X-API-Key": "wrong"}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": b"\xff"}):
            for path in ("/model", "/metrics"):
                check_refused(client.get(path, headers=given), 401)
            check_refused(
                client.post("/predict", content=stored(SCENE), headers={**PNG, **given}), 401
            )
        headers = {**PNG, "X-API-Key": KEY}
        assert client.post("/predict", content=stored(SCENE), headers=headers).status_code == 200
        assert KEY not in client.get("/metrics", headers=headers).text
    assert KEY not in "".join(capfd.readouterr()) + caplog.text


# --- Load


class Held(Predictor):
    """A predictor that waits until it is let go."""

    def __init__(self, inner: Predictor) -> None:
        self.__dict__.update(inner.__dict__)
        self.free = threading.Event()
        self.free.set()
        self.sizes: list[int] = []

    def predict(
        self, images: Sequence[Pixels], *, score_threshold: float | None = None
    ) -> list[list[Face]]:
        assert self.free.wait(30)
        self.sizes.append(len(images))
        return super().predict(images, score_threshold=score_threshold)


async def _settled(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


def load(
    predictor: Predictor, limits: ServiceLimits, play: Callable[[Held, Service, FastAPI], Any]
) -> Held:
    """Let `play` use a service whose predictor can be held."""
    held = Held(predictor)

    async def run() -> None:
        service = Service(held, limits=limits)
        app = create_app(service)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            stack.callback(held.free.set)
            held.sizes.clear()
            await play(held, service, app)

    asyncio.run(run())
    return held


def start(app: FastAPI, contents: Iterable[bytes]) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(call(app, whole(content), chunked())) for content in contents]


def test_full_queue_gets_429_and_those_that_wait_are_served_in_batches(
    predictor: Predictor,
) -> None:
    async def play(held: Held, service: Service, app: FastAPI) -> None:
        held.free.clear()
        waiting = start(app, [stored(SCENE)] * 4)
        await _settled(lambda: service.waiting == 4)
        refused = await call(app, whole(stored(SCENE)), chunked())
        check_refused(refused, 429)
        assert int(refused.headers["retry-after"]) >= 1
        held.free.set()
        assert [answer.status for answer in await asyncio.gather(*waiting)] == [200] * 4
        assert (await call(app, whole(stored(SCENE)), chunked())).status == 200

    held = load(predictor, ServiceLimits(queue=4, batch=2), play)
    assert sum(held.sizes) == 5
    assert max(held.sizes) <= 2


def test_what_is_not_predicted_in_time_gets_503(predictor: Predictor) -> None:
    async def play(held: Held, service: Service, app: FastAPI) -> None:
        held.free.clear()
        answers = await asyncio.gather(*start(app, [stored(SCENE)] * 3))
        for answer in answers:
            check_refused(answer, 503)
            assert int(answer.headers["retry-after"]) >= 1
        assert service.waiting == 0
        held.free.set()

    held = load(predictor, ServiceLimits(predict_s=0.5, batch=1), play)
    # Those that were given up before their turn are not predicted.
    assert held.sizes in ([], [1])


class Drip:
    """A body that comes byte by byte and never ends."""

    def __aiter__(self) -> Drip:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0.02)
        return b"x"


def test_slow_uploads_get_408_and_too_many_get_503(predictor: Predictor) -> None:
    async def play(held: Held, service: Service, app: FastAPI) -> None:
        slow = [asyncio.create_task(call(app, Drip(), chunked())) for _ in range(2)]
        await asyncio.sleep(0.05)
        refused = await call(app, whole(stored(SCENE)), chunked())
        check_refused(refused, 503)
        assert refused.headers["retry-after"] == "1"
        for answer in await asyncio.gather(*slow):
            check_refused(answer, 408)
            assert answer.headers["connection"] == "close"
        assert (await call(app, whole(stored(SCENE)), chunked())).status == 200

    load(predictor, ServiceLimits(uploads=2, upload_s=0.5), play)


def test_a_fault_of_the_predictor_is_a_500_without_details(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> Any:
        raise RuntimeError("a secret of the server")

    service = Service(predictor)
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        monkeypatch.setattr(Predictor, "predict", fail)
        answer = client.post("/predict", content=stored(SCENE), headers=PNG)
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert client.get("/health").json()["status"] == "ok"
        monkeypatch.undo()
        assert client.post("/predict", content=stored(SCENE), headers=PNG).status_code == 200
