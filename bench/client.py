"""The load generator: replays prepared requests over keep-alive connections, from a process of its own.

It composes nothing and parses only status and length of an answer, so that it costs a fraction of any server it
measures; `busy` in its report tells that fraction. Two ways: as fast as the answers come, or at a fixed rate.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import struct
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.processes import Child, cpu_seconds

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Run:
    """One replay: what is still to be sent, and what came back."""

    def __init__(self, requests: Sequence[bytes]) -> None:
        self.requests: Iterator[tuple[int, bytes]] = enumerate(requests)
        self.left = len(requests)
        self.statuses: Counter[int] = Counter()
        self.sent_at = [0.0] * len(requests)
        self.seconds = [0.0] * len(requests)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def answered(self, number: int, status: int) -> None:
        """Note one answer."""
        self.statuses[status] += 1
        self.seconds[number] = time.time() - self.sent_at[number]
        self.left -= 1
        if self.left == 0:
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.greedy = True
        self.number = -1
        self.idle: deque[Connection] | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, number: int, request: bytes) -> None:
        """Send one request."""
        assert self.run is not None
        self.number = number
        self.run.sent_at[number] = time.time()
        self._transport.write(request)

    def send_next(self) -> None:
        """Send the next request there is."""
        assert self.run is not None
        following = next(self.run.requests, None)
        if following is not None:
            self.send(*following)

    def data_received(self, data: bytes) -> None:
        """Take one answer, whole or in pieces."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self.run is None:
            return
        found = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + (int(found[1]) if found else 0):
            return
        status, self._received = int(self._received[9:12]), b""
        self.run.answered(self.number, status)
        if self.idle is not None:
            self.idle.append(self)
        else:
            self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the run: a server that closes connections is not measured."""
        if self.run is not None and not self.run.done.done():
            self.run.done.set_exception(RuntimeError(f"the server closed a connection ({exc})"))


async def _flood(connections: Sequence[Connection], requests: Sequence[bytes]) -> Run:
    """Replay as fast as the answers come."""
    run = Run(requests)
    for connection in connections:
        connection.run, connection.idle = run, None
        connection.send_next()
    await run.done
    return run


async def _pace(connections: Sequence[Connection], requests: Sequence[bytes], rate: float) -> Run:
    """Replay at a fixed rate, on whichever connection is idle; an answer that is late delays no other request."""
    run, idle = Run(requests), deque(connections)
    for connection in connections:
        connection.run, connection.idle = run, idle
    start = time.perf_counter()
    for number, request in run.requests:
        wait = start + number / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        while not idle:
            await asyncio.sleep(0.001)
        idle.popleft().send(number, request)
    await run.done
    return run


async def _replay(arguments: argparse.Namespace, requests: Sequence[bytes]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Connection, "127.0.0.1", arguments.port) for _ in range(arguments.connections)]
    connections = [connection for _, connection in made]
    if arguments.warm:
        await _flood(connections, requests[: arguments.warm])
    timed = requests[arguments.warm :]
    server, cpu, wall, began = _cpu(arguments.watch), time.process_time(), time.perf_counter(), time.time()
    run = await (_pace(connections, timed, arguments.rate) if arguments.rate else _flood(connections, timed))
    seconds = time.perf_counter() - wall
    for connection in connections:
        connection.run = None
    return {
        "count": len(timed),
        "seconds": seconds,
        "began": began,
        "busy": (time.process_time() - cpu) / seconds,
        "server_cpu": _cpu(arguments.watch) - server,
        "statuses": dict(run.statuses),
        "sent_at": run.sent_at if arguments.rate else [],
        "answer_seconds": sorted(run.seconds),
    }


def _cpu(pid: int) -> float:
    return (cpu_seconds(pid) if pid else None) or 0.0


def replay(
    job: Path,
    requests: Sequence[bytes],
    port: int,
    *,
    core: int | None,
    watch: int = 0,
    warm: int = 0,
    connections: int = 32,
    rate: float = 0.0,
    limit: float = 120.0,
) -> dict[str, Any]:
    """Replay requests from a client process; its report. RuntimeError if any answer was not a 2xx."""
    job.write_bytes(b"".join(struct.pack(">I", len(request)) + request for request in requests))
    options = {"port": port, "connections": connections, "watch": watch, "warm": warm, "rate": rate, "job": job}
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with Child(["-m", "bench.client", *arguments], job.with_suffix(".log"), core=core) as child:
        report: dict[str, Any] = json.loads(child.output(limit))
    bad = {status: count for status, count in report["statuses"].items() if not status.startswith("2")}
    if bad:
        raise RuntimeError(f"answers that are not 2xx: {bad}")
    return report


def _read(path: Path) -> list[bytes]:
    data, requests, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        requests.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return requests


def main() -> None:
    """Replay a file of requests and print the report."""
    parser = argparse.ArgumentParser()
    for name in ("port", "connections", "watch", "warm"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--job", type=Path, required=True)
    arguments = parser.parse_args()
    requests = _read(arguments.job)
    gc.disable()
    json.dump(asyncio.run(_replay(arguments, requests)), sys.stdout)


if __name__ == "__main__":
    main()
