"""When each webhook key was last used, and how often, where commands and other processes can read it.

Counted in memory on the request path, written by a task: soon after the first use, then once a minute per key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass

from bridge.errors import BridgeError, StoreFull
from bridge.ports import ThreadMap
from bridge.telemetry import Telemetry

LOOK_SECONDS = 5.0
WRITE_SECONDS = 60.0
WRITE_TIMEOUT = 10.0
KEPT_SECONDS = 400 * 86400.0


@dataclass(frozen=True, slots=True)
class Use:
    """How often a key verified a body, and when last (epoch seconds)."""

    count: int = 0
    used_at: float = 0.0


async def last_use(threads: ThreadMap, tenant: str, key_id: str) -> Use:
    """Read what all doors wrote. Where several write the same key, `count` may miss some; `used_at` is right."""
    fact = await threads.fact(tenant, "key", key_id)
    return Use(int(fact["count"]), float(fact["used_at"])) if fact else Use()


class KeyUse:
    """Counts for one process. Holds one row per live key."""

    def __init__(self, threads: ThreadMap, telemetry: Telemetry, clock: Callable[[], float]) -> None:
        self._threads, self._telemetry, self._clock = threads, telemetry, clock
        self._unwritten: dict[tuple[str, str], Use] = {}
        self._written_at: dict[tuple[str, str], float] = {}

    def note(self, tenant: str, key_id: str) -> None:
        """Count one use now, here and in the metrics."""
        self._telemetry.key_used(tenant, key_id)
        before = self._unwritten.get((tenant, key_id), Use())
        self._unwritten[tenant, key_id] = Use(before.count + 1, self._clock())

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is due; what cannot be written now is kept and written later."""
        due = self._clock() - WRITE_SECONDS
        for key in [k for k in self._unwritten if everything or self._written_at.get(k, 0.0) <= due]:
            use = self._unwritten.pop(key)
            try:
                async with asyncio.timeout(WRITE_TIMEOUT):
                    await self._write(*key, use)
            except (BridgeError, StoreFull, TimeoutError):
                self._give_back(key, use)
                self._telemetry.count("key_use_not_written")
                return
            self._written_at[key] = self._clock()

    async def context(self, _app: object) -> AsyncIterator[None]:
        """Write as long as the application runs, and the rest at its end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(stop), name="write key use")
        yield
        stop.set()
        await task
        await self.flush(everything=True)

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
            await self.flush()

    async def _write(self, tenant: str, key_id: str, use: Use) -> None:
        known = await last_use(self._threads, tenant, key_id)
        value = {"count": str(known.count + use.count), "used_at": repr(max(known.used_at, use.used_at))}
        await self._threads.learn(tenant, "key", key_id, value, KEPT_SECONDS)

    def _give_back(self, key: tuple[str, str], use: Use) -> None:
        since = self._unwritten.get(key, Use())
        self._unwritten[key] = Use(use.count + since.count, max(use.used_at, since.used_at))
