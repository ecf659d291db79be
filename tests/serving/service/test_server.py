"""Sockets, slow clients and signals: the server around the service."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack, closing, suppress
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.serving.service.served import command, in_thread
from tests.serving.test_images import COLOURS, stored

from ferbench.cli.main import main
from ferbench.errors import InputError
from ferbench.serving.predictor import Predictor
from ferbench.serving.service import server
from ferbench.serving.service.app import Service
from ferbench.serving.service.server import listen

PICTURE = stored(COLOURS)
HEAD = (
    "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"
    f"Content-Length: {len(PICTURE)}\r\n\r\n"
).encode()


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 0), timeout=30)


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of one answer."""
    with closing(HTTPResponse(connection)) as response:
        response.begin()
        return response.status, response.read()


def rest_of(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


def test_connections_without_a_whole_head_are_closed_in_time(
    detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_HEADERS_S", 0.3)
    with in_thread(Service(Predictor.load(detector))) as (address, _):
        with connect(address) as silent, connect(address) as slow, connect(address) as again:
            slow.sendall(HEAD[:20])
            again.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert answer(again)[0] == 200
            again.sendall(HEAD[:20])  # the second head of the connection
            assert [rest_of(one) for one in (silent, slow, again)] == [b"", b"", b""]
        with connect(address) as whole:  # the timer ends with the head
            whole.sendall(HEAD)
            with pytest.raises(TimeoutError):
                whole.settimeout(0.6)
                whole.recv(1)
            whole.settimeout(30)
            whole.sendall(PICTURE)
            assert answer(whole)[0] == 200


def test_no_http_and_chunks_that_are_none_get_400(detector: Path) -> None:
    chunked = HEAD.replace(
        f"Content-Length: {len(PICTURE)}".encode(), b"Transfer-Encoding: chunked"
    )
    with in_thread(Service(Predictor.load(detector))) as (address, _):
        for content in (b"\x16\x03\x01\x02\x00" * 20, b"GET HTTP/1.1\r\n\r\n"):
            with connect(address) as connection:
                connection.sendall(content)
                assert answer(connection)[0] == 400
        # The connection may be reset before the answer is read, since the rest of the head is not.
        with connect(address) as connection, suppress(ConnectionError):
            connection.sendall(b"A" * 100_000)
            assert answer(connection)[0] == 400
        with connect(address) as connection:
            connection.sendall(chunked + b"zz\r\n")
            assert answer(connection)[0] == 400
        with connect(address) as connection:  # it still works
            connection.sendall(HEAD + PICTURE)
            assert answer(connection)[0] == 200


def test_end_waits_for_what_has_begun(detector: Path) -> None:
    with in_thread(Service(Predictor.load(detector))) as (address, own), ExitStack() as stack:
        begun, idle = (stack.enter_context(connect(address)) for _ in range(2))
        begun.sendall(HEAD + PICTURE[:10])
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert json.loads(answer(idle)[1])["status"] == "ok"
        own.should_exit = True
        assert rest_of(idle) == b""  # closed
        begun.sendall(PICTURE[10:])
        assert answer(begun)[0] == 200


@pytest.mark.slow
def test_sigterm_answers_what_has_begun_and_ends_with_status_0(detector: Path) -> None:
    with command("--model", str(detector)) as (process, address):
        with connect(address) as begun:
            begun.sendall(HEAD + PICTURE[:10])
            with connect(address) as idle:
                idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert json.loads(answer(idle)[1])["status"] == "ok"
                process.send_signal(signal.SIGTERM)
                assert rest_of(idle) == b""  # closed
            with pytest.raises(OSError, match="refused"):
                connect(address)
            begun.sendall(PICTURE[10:])
            head, _, body = rest_of(begun).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert json.loads(body)["faces"]
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_taken_port_and_foreign_address_are_named(
    detector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", "--model", str(detector), "--port", port]) == 2
    assert f"127.0.0.1:{port}: cannot listen there" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"192\.0\.2\.1:0: cannot listen there"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize("key", ["", "short", "a long key with a letter ß", "a long key\nof lines"])
def test_weak_api_keys_are_refused_and_not_printed(
    key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FERBENCH_API_KEY", key)
    assert main(["serve", "--model", "none"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: FERBENCH_API_KEY: an API key has at least 16")
    assert not key or key not in message
