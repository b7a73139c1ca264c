"""What the HTTP peers have in common: a real socket, counters per operation, faults to order, a clock to move.

Every peer has control routes: `POST /_peer/faults` takes the fields of a `Fault`, `DELETE /_peer/faults` takes them
back, `GET /_peer/counts` gives the counters (`DELETE` sets them to zero), `GET /_peer/charges` what it charged,
`POST /_peer/clock {"advance": seconds}`.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from aiohttp import web

from .tls import Certificate

TokenCheck = Callable[[str, "tuple[str, ...]"], Mapping[str, Any]]
"""Gives the claims of a token that is meant for one of these audiences, or raises ValueError."""


@dataclass
class Fault:
    """What goes wrong with the next `count` requests of one kind of operation (`*`: any).

    `status` replaces the answer; `drop` cuts the connection before or after the work is done.
    """

    operation: str = "*"
    status: int = 0
    substatus: int = 0
    code: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: Literal["", "before", "after"] = ""
    count: int = 1


class HttpPeer:
    """An HTTP server on a free port of 127.0.0.1; an async context manager."""

    def __init__(
        self, *, tls: Certificate | None = None, clock: Callable[[], float] = time.time, port: int = 0
    ) -> None:
        self.tls, self.port = tls, port
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()
        self.charges: Counter[str] = Counter()
        self._clock, self._ahead = clock, 0.0
        self._runner: web.AppRunner | None = None

    # --- what a peer adds

    def operation(self, request: web.Request) -> str:
        """Name the kind of a request, for counters and faults."""
        raise NotImplementedError

    async def serve(self, request: web.Request, operation: str) -> web.StreamResponse:
        """Answer a request."""
        raise NotImplementedError

    def refusal(self, fault: Fault) -> web.Response:
        """Write the answer that a fault orders."""
        return web.json_response(
            {"error": {"code": fault.code or str(fault.status), "message": "as ordered"}},
            status=fault.status,
            headers=fault.headers,
        )

    # --- time and place

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def now(self) -> float:
        """Tell the peer's time."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Move the peer's time on."""
        self._ahead += seconds

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/_peer/{what}", self._control)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        context = self.tls.server_context() if self.tls else None
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    # --- requests

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        operation = self.operation(request)
        self.counts[operation] += 1
        fault = self._next_fault(operation)
        if fault is None:
            return await self.serve(request, operation)
        await asyncio.sleep(fault.delay)
        if fault.drop == "before":
            return _cut(request)
        if fault.status:
            await request.read()
            return self.refusal(fault)
        response = await self.serve(request, operation)
        return _cut(request) if fault.drop == "after" else response

    def _next_fault(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation in ("*", operation):
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
                return fault
        return None

    async def _control(self, request: web.Request) -> web.Response:
        match request.method, request.match_info["what"]:
            case "POST", "faults":
                self.faults.append(Fault(**await request.json()))
            case "DELETE", "faults":
                self.faults.clear()
            case "GET", "counts":
                return web.json_response(self.counts)
            case "GET", "charges":
                return web.json_response(self.charges)
            case "DELETE", "counts":
                self.counts.clear()
            case "POST", "clock":
                self.advance(float((await request.json())["advance"]))
            case _:
                return web.Response(status=404)
        return web.json_response({})


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def run(peer: HttpPeer, **told: str) -> None:
    """Run a peer as a process of its own: one JSON line says where it is, SIGTERM or SIGINT ends it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with peer:
        print(json.dumps({"ready": peer.url, **told}), flush=True)
        await stop.wait()
