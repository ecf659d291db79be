"""Servers of the tests: in a thread of this process, or as the command."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from ferbench.serving.service.app import Service, create_app
from ferbench.serving.service.server import listen, server_of

__all__ = ["command", "in_thread"]

_COMMAND = "import sys; from ferbench.cli.main import main; sys.exit(main())"


@contextmanager
def in_thread(service: Service, api_key: str | None = None) -> Iterator[tuple[str, uvicorn.Server]]:
    """Serve on a free port of the loopback interface; the address, and the server."""
    with listen("127.0.0.1", 0) as sock:
        server = server_of(create_app(service, api_key), drain_s=10)
        thread = threading.Thread(target=server.run, args=([sock],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server ended"
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{sock.getsockname()[1]}", server
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def command(*words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`ferbench serve` as a process, with its address; killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", _COMMAND, "serve", "--port", "0", *words],
        env={**os.environ, **variables, "PYTHONPATH": str(Path(__file__).parents[3] / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " at http://" in line, process.communicate()[1]
        yield process, line.split(" at ")[1].split()[0]
    finally:
        process.kill()
        process.communicate()
