"""`ferbench serve`: a model as an HTTP service with a page to try it."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ferbench.cli.arguments import (
    REGISTERED,
    add_model_options,
    model_folder,
    whole_number,
)
from ferbench.errors import InputError

if TYPE_CHECKING:
    from ferbench.serving.service.app import Service, ServiceLimits

__all__ = ["add_serve"]

_KEY_VARIABLE = "FERBENCH_API_KEY"
_SHORTEST_KEY = 16
_MIB = 2**20
_DRAIN_S = 5.0  # to send what was predicted in time


def add_serve(commands: Any) -> None:
    """Add `serve` to the commands."""
    parser = commands.add_parser(
        "serve",
        help="serve a model over HTTP, with a page to try it",
        description="Serve a model: POST /predict (a picture's file as the body), /model, /health, "
        "/metrics, /openapi.json, and a page at /. Nothing that is sent is stored. If the "
        f"environment variable {_KEY_VARIABLE} is set, clients send it in the header X-API-Key.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="interface (default: this machine's)")
    parser.add_argument(
        "--port", type=whole_number(0, 2**16 - 1), default=8000, help="0 takes a free one"
    )
    add_model_options(parser)
    amount = whole_number(1)
    bounds = parser.add_argument_group("bounds")
    bounds.add_argument("--body", type=amount, default=10, metavar="MIB", help="of a picture")
    bounds.add_argument("--pixels", type=amount, default=25_000_000, help="of a picture")
    bounds.add_argument("--faces", type=amount, default=100, help="of a picture; the best")
    bounds.add_argument("--uploads", type=amount, default=64, help="that arrive at once")
    bounds.add_argument("--queue", type=amount, default=32, help="requests that wait")
    bounds.add_argument("--batch", type=amount, default=8, help="pictures the network is given")
    bounds.add_argument("--seconds", type=amount, default=30, help="of a request once uploaded")
    bounds.add_argument("--upload-seconds", type=amount, default=10, help="of an upload")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from ferbench.serving.service.app import create_app
    from ferbench.serving.service.server import is_loopback, listen, server_of

    key = _api_key()
    with listen(args.host, args.port) as sock:  # before a model is loaded for nothing
        service = _service(args)
        local = is_loopback(args.host)
        hosts = ("localhost", "127.0.0.1", "::1", "[::1]", args.host) if local else ("*",)
        app = create_app(service, key, hosts)
        server = server_of(app, service.limits.predict_s + service.limits.upload_s + _DRAIN_S)
        port = sock.getsockname()[1]
        name = service.model_answer.name
        host = f"[{args.host}]" if ":" in args.host else args.host
        print(f"serving {name} at http://{host}:{port} (Ctrl-C ends)", flush=True)
        if not local and key is None:
            print(
                f"warning: other machines can reach it without a key; {_KEY_VARIABLE} sets one",
                file=sys.stderr,
            )
        with suppress(KeyboardInterrupt):  # raised after requests that had begun were answered
            server.run([sock])
    return 0 if server.started else 1


def _api_key() -> str | None:
    key = os.environ.get(_KEY_VARIABLE)
    if key is None:
        return None
    if len(key) < _SHORTEST_KEY or not key.isascii() or not key.isprintable():
        raise InputError(
            f"an API key has at least {_SHORTEST_KEY} printable ASCII characters",
            where=_KEY_VARIABLE,
            remedy="make one: `python -c 'import secrets; print(secrets.token_urlsafe())'`",
        )
    return key


def _service(args: argparse.Namespace) -> Service:
    from ferbench.serving.predictor import Predictor
    from ferbench.serving.service.app import BoundedFaces, Service
    from ferbench.serving.service.saliency import Saliency

    limits = _limits(args)
    folder = model_folder(args.model)
    detector = BoundedFaces(args.face_detector, limits.max_faces + 1)
    predictor = Predictor.load(folder, args.device, engine=args.engine, detector=detector)
    return Service(predictor, Saliency.load(folder), limits, _promotion(args.model))


def _limits(args: argparse.Namespace) -> ServiceLimits:
    from ferbench.serving.service.app import ServiceLimits

    return ServiceLimits(
        max_body_bytes=args.body * _MIB,
        max_pixels=args.pixels,
        max_faces=args.faces,
        uploads=args.uploads,
        queue=args.queue,
        batch=args.batch,
        upload_s=args.upload_seconds,
        predict_s=args.seconds,
    )


def _promotion(model: str | None) -> Any:
    """What the promotion gates decided about a registered model; None for any other."""
    if model is None or not model.startswith(REGISTERED):
        return None
    from ferbench.serving.service.answers import PromotionAnswer
    from ferbench.tracking.decisions import promotion_of

    found = promotion_of(model)
    return None if found is None else PromotionAnswer.model_validate(found)
