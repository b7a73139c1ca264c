"""What the page reads, as JSON: how it goes now, recent deliveries, webhook keys. Nothing in it is personal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from aiohttp import web

from adapters.ops.guard import problem
from adapters.ops.rates import Rates
from bridge import ids
from bridge.errors import BridgeError, StoreFull
from bridge.ports import DIRECTIONS, Link, Queue, Step, ThreadMap
from bridge.story import stories, told

DEPTH_SECONDS, HEALTH_SECONDS, LIST_SECONDS = 1.0, 10.0, 10.0
"""How old an answer may be that several people share: depth, pings (which write), counts of links and keys."""
DAY = 86400.0
MOST_LINKS = 1000
MOST_TENANTS = 20
"""With more tenants than this, links are not counted: it takes a query for each."""
PAGE = 100
RECENT = 200
"""Journal rows that the list of recent deliveries is made of."""
SEARCHED_LETTERS = 1000

T = TypeVar("T")
Keys = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
"""Lists webhook keys: `tenant`, `id`, `state`, `count`, `used_at` (epoch seconds; None: never). Raises BridgeError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the page reads: the stores, what `/readyz` looks at, and the tenants held per direction."""

    queue: Queue
    threads: ThreadMap
    tenants: Sequence[str]
    rates: Rates
    health: Callable[[], Awaitable[Mapping[str, str | None]]]
    held: Callable[[], Mapping[str, list[str]]]
    keys: Keys


class Views:
    """The routes that only read."""

    def __init__(self, sources: Sources, clock: Callable[[], float]) -> None:
        self._sources, self._clock = sources, clock
        self._depths = _Shared(self._read_depths, DEPTH_SECONDS)
        self._health = _Shared(sources.health, HEALTH_SECONDS)
        self._links = _Shared(self._count_links, LIST_SECONDS)
        self._keys = _Shared(sources.keys, LIST_SECONDS)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.get("/state", self.state),
            web.get("/recent", self.recent),
            web.get("/trace", self.trace),
            web.get("/keys", self.keys),
        ]

    async def state(self, _request: web.Request) -> web.Response:
        """Tell how it goes now; what a store cannot tell is null, and `problem` says so."""
        depths, links = await _or_none(self._depths), await _or_none(self._links)
        return web.json_response(
            {
                "problem": "unavailable" if depths is None else None,
                "rates": self._sources.rates.shown(),
                "depths": depths,
                "held": self._sources.held(),
                "health": await self._health.get(),
                "links": links,
            }
        )

    async def recent(self, _request: web.Request) -> web.Response:
        """List the newest deliveries with an outside call."""
        steps = await self._sources.threads.steps("", limit=RECENT)
        return web.json_response({"deliveries": deliveries(steps)})

    async def trace(self, request: web.Request) -> web.Response:
        """Tell what became of one message, as `bridgectl trace` does."""
        try:
            trace = ids.parse_reference(request.query.get("ref", ""))
        except ValueError:
            return problem(400, "bad_reference")
        sources = self._sources
        found = await stories(sources.queue, sources.threads, trace, most=SEARCHED_LETTERS)
        return web.json_response({"stories": [told(story) for story in found]})

    async def keys(self, _request: web.Request) -> web.Response:
        """List the webhook keys and when each was last used."""
        return web.json_response({"keys": list(await self._keys.get())})

    async def _read_depths(self) -> dict[str, Any]:
        return {direction: asdict(await self._sources.queue.depth(direction)) for direction in DIRECTIONS}

    async def _count_links(self) -> dict[str, Any] | None:
        """Count links active within a day, up to a bound."""
        if len(self._sources.tenants) > MOST_TENANTS:
            return None
        found: list[Link] = []
        for tenant in self._sources.tenants:
            after: Link | None = None
            while len(found) < MOST_LINKS:
                page = await self._sources.threads.links(tenant, self._clock() - DAY, after=after, limit=PAGE)
                found += page
                if len(page) < PAGE:
                    break
                after = page[-1]
        opened = sum(link.status == "open" for link in found)
        return {"active": len(found), "open": opened, "more": len(found) >= MOST_LINKS}


def deliveries(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Group journal rows into deliveries, newest first. A row's note stays inside: it may quote what was said."""
    grouped: dict[tuple[str, str], list[Step]] = {}
    for step in steps:
        grouped.setdefault((step.trace, ids.parse_step_key(step.key)[0]), []).append(step)
    return [_delivery(trace, key, rows) for (trace, key), rows in grouped.items()]


def _delivery(trace: str, key: str, rows: Sequence[Step]) -> dict[str, Any]:
    about, done = ids.about(key), all(row.done_at is not None for row in rows)
    question = about.startswith("teams:")
    return {
        "reference": ids.reference(trace) if trace else "",
        "direction": "to-freshchat" if question == (key == about) else "to-teams",
        "tenant": rows[0].tenant,
        "at": min(row.started_at for row in rows),
        "outcome": "open" if not done else "delivered" if key == about else "notice",
        "steps": [ids.parse_step_key(row.key)[1] for row in reversed(rows)],
    }


class _Shared(Generic[T]):
    """An answer that all who ask within `seconds` share; one of them asks for it."""

    def __init__(self, ask: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = asyncio.Lock()
        self._until = float("-inf")
        self._kept: T | None = None

    async def get(self) -> T:
        """Give the answer; raises what asking raises, which is not kept."""
        async with self._lock:
            if self._kept is None or time.monotonic() >= self._until:
                self._kept = await self._ask()
                self._until = time.monotonic() + self._seconds
            return self._kept


async def _or_none(shared: _Shared[T]) -> T | None:
    try:
        return await shared.get()
    except (BridgeError, StoreFull):
        return None
