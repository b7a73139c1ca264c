"""What a platform asks a process: is it alive, can it work, how does it do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from bridge.errors import BridgeError, StoreFull
from bridge.ports import DIRECTIONS, Queue
from bridge.telemetry import Telemetry

Ping = Callable[[], Awaitable[None]]
PING_SECONDS = 5.0


class Probes:
    """`GET /healthz`, `/readyz` and `/metrics`. They tell nothing about anybody, so they need no login."""

    def __init__(
        self, queue: Queue, telemetry: Telemetry, pings: Mapping[str, Ping], held: Callable[[], Mapping[str, list[str]]]
    ) -> None:
        """`held` tells the tenants whose deliveries are held, per direction."""
        self._queue, self._telemetry, self._pings, self._held = queue, telemetry, pings, held

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer as long as the event loop turns."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 if every store can be used, else 503 with the reasons. A held upstream is told, not a failure."""
        found = await asyncio.gather(*(_problem(ping) for ping in self._pings.values()))
        problems = {name: problem for name, problem in zip(self._pings, found, strict=True) if problem}
        body = {"status": "not ready" if problems else "ready", "problems": problems, "held": self._held()}
        return web.json_response(body, status=503 if problems else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give all counters as Prometheus text; the queue's depth is left out while the store is away."""
        try:
            for direction in DIRECTIONS:
                depth = await self._queue.depth(direction)
                self._telemetry.depth(direction, depth.waiting, depth.dead, depth.oldest_age)
        except (BridgeError, StoreFull):
            self._telemetry.count("depth_unknown")
        return web.Response(body=self._telemetry.exposition(), content_type="text/plain", charset="utf-8")


async def _problem(ping: Ping) -> str | None:
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping()
    except (BridgeError, StoreFull, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    return None
