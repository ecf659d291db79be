"""What the service does under load, on malformed bodies, and when it is killed.

    ferbench export runs/<study>/<variant>/<dataset>/<seed> model
    python benchmarks/service_load.py --model model

Starts `ferbench serve` on the loopback interface, then

- `load`: 64 clients send rendered scenes and crops for 60 s, one request after the other, and wait
  as long as Retry-After says: counts by status, latency of status 200, memory before and after;
- `malformed`: 2,000 bodies that are no pictures, pictures with changed bytes, wrong headers, and no
  HTTP at all: counts by status;
- `killed`: the process is killed (SIGKILL) and started again while 16 clients retry: whether all of
  them get every answer, and how long none did.

Writes benchmarks/results/service_load.json: some three minutes. Clients and server share the
machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
from conditions import conditions

from ferbench.files import write_json
from synthfaces.dataset import plan_images, render

RESULT = Path(__file__).parent / "results" / "service_load.json"
COMMAND = "import sys; from ferbench.cli.main import main; sys.exit(main())"
OPTIONS = {"persons": 8, "images_per_person": 4, "seed": 0, "min_intensity": 1.0}
OPTIONS |= {"variation": 0.1, "contempt": False}
PNG = {"Content-Type": "image/png"}
REFUSED = (429, 503)
CLIENTS, SECONDS, MALFORMED, RETRYING, ANSWERS = 64, 60.0, 2000, 16, 20
AT_ONCE = 32

Requests = list[tuple[str, bytes]]


class Served:
    """`ferbench serve` as a process on a port that stays the same."""

    def __init__(self, words: list[str]) -> None:
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._words = [*words, "--port", str(self.port)]
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", *self._words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("serving"):
            raise SystemExit("the service did not start; see its error above")
        return process

    def restart(self) -> None:
        """Start it again after its end."""
        self.process.wait()
        self.process = self._start()

    def memory_mib(self) -> float:
        """Resident memory of the process and its decoders."""
        own = psutil.Process(self.process.pid)
        return round(sum(p.memory_info().rss for p in [own, *own.children(True)]) / 2**20, 1)


def pictures() -> Requests:
    """Paths and bodies: scenes of one to five faces, and crops."""
    found: Requests = []
    for form, path in (("scenes", "/predict"), ("crops", "/predict?crop=true")):
        options = {**OPTIONS, "form": form}
        found += [(path, render(plan, options).content) for plan in plan_images(options)]
    return found


async def load(session: aiohttp.ClientSession, requests: Requests) -> dict[str, Any]:
    """Many clients at once."""
    statuses: Counter[str] = Counter()
    latencies: list[float] = []
    end = time.perf_counter() + SECONDS

    async def client(number: int) -> None:
        turn = number
        while time.perf_counter() < end:
            path, body = requests[turn % len(requests)]
            turn += 1
            start = time.perf_counter()
            async with session.post(path, data=body, headers=PNG) as response:
                await response.read()
            statuses[str(response.status)] += 1
            if response.status == 200:
                latencies.append(time.perf_counter() - start)
            elif response.status in REFUSED:
                await asyncio.sleep(float(response.headers["Retry-After"]))

    await asyncio.gather(*map(client, range(CLIENTS)))
    middle, late = np.percentile(latencies, [50, 99]).tolist()
    return {
        "clients": CLIENTS,
        "seconds": SECONDS,
        "statuses": dict(sorted(statuses.items())),
        "answers_per_s": round(statuses["200"] / SECONDS, 1),
        "p50_ms": round(1000 * middle, 1),
        "p99_ms": round(1000 * late, 1),
    }


def malformed_request(body: bytes, rng: np.random.Generator) -> tuple[bytes, dict[str, str]]:
    """A body and headers with something wrong."""
    match int(rng.integers(5)):
        case 0:
            return rng.bytes(int(rng.integers(2000))), PNG
        case 1:
            return body[: int(rng.integers(len(body)))], PNG
        case 2:
            changed = np.frombuffer(body, np.uint8).copy()
            changed[rng.integers(0, len(changed), 20)] = rng.integers(0, 256, 20)
            return changed.tobytes(), PNG
        case 3:
            return body, {
                "Content-Type": str(rng.choice(["", "text/html", "multipart/x", "image"]))
            }
        case _:
            return body[:8] + rng.bytes(300), {"Content-Type": "application/octet-stream"}


async def no_http(port: int, content: bytes) -> str:
    """The status that bytes get that are no request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(content)
        writer.write_eof()
        line = await reader.readline()
        return line.split()[1].decode() if line else "closed"
    except ConnectionError:
        return "closed"
    finally:
        writer.close()


async def malformed(
    session: aiohttp.ClientSession, port: int, requests: Requests
) -> dict[str, Any]:
    """Bodies that are not as they should be."""
    statuses: Counter[str] = Counter()
    rng = np.random.default_rng(0)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        path, body = requests[number % len(requests)]
        async with places:
            if number % 10 == 0:
                statuses[await no_http(port, rng.bytes(200))] += 1
                return
            content, headers = malformed_request(body, rng)
            while True:
                async with session.post(path, data=content, headers=headers) as response:
                    await response.read()
                statuses[str(response.status)] += 1
                if response.status not in REFUSED:
                    return
                await asyncio.sleep(float(response.headers["Retry-After"]))

    await asyncio.gather(*map(one, range(MALFORMED)))
    return {"bodies": MALFORMED, "statuses": dict(sorted(statuses.items()))}


async def killed(
    session: aiohttp.ClientSession, served: Served, requests: Requests
) -> dict[str, Any]:
    """Kill the service and start it again while clients want answers."""
    statuses: Counter[str] = Counter()
    answered: list[float] = []

    async def client(number: int) -> int:
        got = 0
        while got < ANSWERS:
            path, body = requests[(number + got) % len(requests)]
            try:
                async with session.post(path, data=body, headers=PNG) as response:
                    await response.read()
            except aiohttp.ClientError:
                statuses["no connection"] += 1
                await asyncio.sleep(0.5)
                continue
            statuses[str(response.status)] += 1
            if response.status == 200:
                got += 1
                answered.append(time.perf_counter())
            else:
                await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
        return got

    clients = [asyncio.create_task(client(number)) for number in range(RETRYING)]
    while len(answered) < RETRYING:
        await asyncio.sleep(0.05)
    decoders = psutil.Process(served.process.pid).children(True)
    served.process.kill()
    await asyncio.to_thread(served.restart)
    got = await asyncio.gather(*clients)
    left = [process for process in decoders if process.is_running()]
    return {
        "clients": RETRYING,
        "answers_wanted": RETRYING * ANSWERS,
        "answers_got": sum(got),
        "statuses": dict(sorted(statuses.items())),
        "longest_gap_s": round(np.diff(sorted(answered)).max().item(), 1),
        "decoders_left_by_the_killed_process": len(left),
    }


async def measure(served: Served) -> dict[str, Any]:
    """All parts, one after the other."""
    requests = pictures()
    timeout = aiohttp.ClientTimeout(total=120)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(served.address, timeout=timeout, connector=connector) as own:
        for path, body in requests[:: len(requests) // 4]:
            async with own.post(path, data=body, headers=PNG) as response:
                response.raise_for_status()
        before = served.memory_mib()
        found: dict[str, Any] = {"load": await load(own, requests)}
        after = served.memory_mib()
        found["load"] |= {"memory_before_mib": before, "memory_after_mib": after}
        found["malformed"] = await malformed(own, served.port, requests)
        found["malformed"]["memory_after_mib"] = served.memory_mib()
        found["killed"] = await killed(own, served, requests)
        async with own.get("/model") as response:
            about = await response.json()
    found["model"] = {name: about[name] for name in ("name", "task", "digest", "face_detector")}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", help="folder; default: the installed model")
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    served = Served(["--model", args.model] if args.model else [])
    try:
        found = asyncio.run(measure(served))
    finally:
        served.process.terminate()
        served.process.wait(60)
    found |= conditions()
    found["load_of_the_machine"] = [round(value, 1) for value in os.getloadavg()]
    write_json(args.out, found)
    for part in ("load", "malformed", "killed"):
        print(part, found[part])


if __name__ == "__main__":
    main()
