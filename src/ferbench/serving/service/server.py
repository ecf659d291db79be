"""The process that serves: sockets, slow clients, signals.

SIGTERM and Ctrl-C end it in order: no new connections, requests that have begun are answered.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ferbench.errors import InputError

__all__ = ["TimedH11", "is_loopback", "listen", "server_of"]

_HEADERS_S = 10.0  # from the first byte of a request's head, or the connection, to its end
_IDLE_S = 5  # of a connection between two requests
_CONNECTIONS = 512
_BACKLOG = 128


class TimedH11(H11Protocol):
    """HTTP/1.1 that closes connections whose request does not come to an end of its head.

    uvicorn itself bounds the time between requests only.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a head, however many parts it comes in."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(_HEADERS_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: address or name of an interface.
        port: 0 takes a free one.

    Raises:
        InputError: the address is not this machine's, or the port is taken or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(_BACKLOG)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise InputError(
            f"cannot listen there: {error.strerror}",
            where=f"{host}:{port}",
            remedy="choose another --port or --host",
        ) from error
    return sock


def server_of(app: FastAPI, drain_s: float) -> uvicorn.Server:
    """The server of an application; `server.run([socket])` serves until a signal.

    Args:
        app: of `ferbench.serving.service.app.create_app`.
        drain_s: longest time that requests are completed in after a signal.
    """
    config = uvicorn.Config(
        app,
        http=TimedH11,
        ws="none",
        lifespan="on",
        log_level="error",  # anyone can cause warnings
        access_log=False,
        server_header=False,
        proxy_headers=False,  # clients' addresses are not used
        limit_concurrency=_CONNECTIONS,
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=int(drain_s),
    )
    # The server gives a signal on to the handler that was there before; it has done its work.
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    return uvicorn.Server(config)
