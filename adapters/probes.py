"""What a platform asks a process: is it alive, can it work, how does it do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

from aiohttp import web

from adapters.pings import Ping, RecentPings, problem
from bridge.errors import BridgeError, StoreFull
from bridge.ports import DIRECTIONS, Queue
from bridge.retirement import Retirement
from bridge.telemetry import Telemetry


class Probes:
    """`GET /healthz`, `/readyz` and `/metrics`. They tell nothing about anybody, so they need no login."""

    def __init__(
        self,
        queue: Queue,
        telemetry: Telemetry,
        stores: Mapping[str, Ping],
        upstreams: Mapping[str, Ping],
        held: Callable[[], Mapping[str, list[str]]],
        retirement: Retirement,
    ) -> None:
        """`held` tells the tenants whose deliveries are held, per direction."""
        self._retirement = retirement
        self._queue, self._telemetry, self._stores, self._held = queue, telemetry, stores, held
        self._upstreams = RecentPings(upstreams)
        self._names = [*stores, *upstreams]

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def context(self, _app: web.Application) -> AsyncIterator[None]:
        """Stop what is under way when the process stops."""
        yield
        await self._upstreams.close()

    async def healthz(self, _request: web.Request) -> web.Response:
        """Answer as long as the event loop turns."""
        return web.json_response({"status": "alive"})

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 503 only if a store cannot be used, with its `problems`. Upstreams that cannot be are `degraded`.

        A platform takes away what answers 503. While an upstream is away, the doors must go on storing; a `retired`
        bridge must go on answering 410, and delivering what it has.
        """
        found, degraded = await asyncio.gather(self._store_problems(), self._upstreams.problems())
        held = self._held()
        in_service = "degraded" if degraded or held else "ready"
        status = "not ready" if found else "retired" if self._retirement.retired else in_service
        body = {"status": status, "problems": found, "held": held} | ({"degraded": degraded} if degraded else {})
        return web.json_response(body, status=503 if found else 200)

    async def health(self) -> dict[str, str | None]:
        """Tell of each store and upstream why it cannot be used; None where it can."""
        found, degraded = await asyncio.gather(self._store_problems(), self._upstreams.problems())
        return {**dict.fromkeys(self._names), **found, **degraded}

    async def _store_problems(self) -> dict[str, str]:
        found = await asyncio.gather(*(problem(ping) for ping in self._stores.values()))
        return {name: text for name, text in zip(self._stores, found, strict=True) if text}

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give all counters as Prometheus text; the queue's depth is left out while the store is away."""
        try:
            for direction in DIRECTIONS:
                self._telemetry.depth(direction, await self._queue.depth(direction))
        except (BridgeError, StoreFull):
            self._telemetry.count("depth_unknown")
        return web.Response(body=self._telemetry.exposition(), content_type="text/plain", charset="utf-8")
