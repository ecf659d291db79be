"""What holds for every answer: headers, counts, and no waiting for a client that does not read."""

from __future__ import annotations

import asyncio
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferbench.serving.service.metrics import ServiceMetrics

__all__ = ["SECURITY_HEADERS", "HttpGuard"]

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_DISCARD_S = 1.0


class HttpGuard:
    """Middleware around everything else.

    Args:
        app: what is guarded.
        metrics: that requests are counted in.
        most_bytes: of an unread body that are read and thrown away before an answer. The connection
            of a longer one is closed, and a client that is still sending may miss the answer.
        send_s: longest time until a client has taken a part of an answer.
    """

    def __init__(
        self, app: ASGIApp, metrics: ServiceMetrics, most_bytes: int, send_s: float
    ) -> None:
        self._app, self._metrics = app, metrics
        self._most_bytes, self._send_s = most_bytes, send_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        exchange = _Exchange(self, scope, receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except _ClientStalledError:
            return  # the server closes the connection of an incomplete answer
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(route, str(exchange.status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - start)

    async def _discard(self, receive: Receive) -> bool:
        """Read the rest of a body; whether it ended within the bounds."""
        left = self._most_bytes
        try:
            async with asyncio.timeout(_DISCARD_S):
                while left > 0:
                    message = await receive()
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return True
                    left -= len(message.get("body", b""))
        except TimeoutError:
            pass
        return False


class _ClientStalledError(Exception):
    """The client does not read its answer."""


class _Exchange:
    """A request and its answer."""

    def __init__(self, guard: HttpGuard, scope: Scope, receive: Receive, send: Send) -> None:
        self.status = 500  # unless there is an answer
        self._guard, self._receive, self._send = guard, receive, send
        headers = Headers(scope=scope)
        has_length = headers.get("content-length", "0") != "0"
        self._unread = has_length or "transfer-encoding" in headers
        # Such a client sends its body when the first part is asked for, not before.
        self._held_back = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        self._held_back = False
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._start(message)
        try:
            async with asyncio.timeout(self._guard._send_s):
                await self._send(message)
        except TimeoutError as error:
            raise _ClientStalledError from error

    async def _start(self, message: Message) -> None:
        headers = MutableHeaders(raw=message["headers"])
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value
        if self._unread and (self._held_back or not await self._guard._discard(self._receive)):
            headers["Connection"] = "close"
