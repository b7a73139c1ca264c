"""Retirement: the doors take nothing more, what is queued is delivered, and everybody is told so.

One mark in the thread map for the whole bridge, whatever its tenants. Each process looks for it at its start and then
every few seconds (`BRIDGE_RETIREMENT_SECONDS`); one that cannot read keeps what it knew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from bridge.errors import BridgeError, StoreFull
from bridge.ports import ThreadMap
from bridge.telemetry import Telemetry

BRIDGE, MARK = "bridge", "retired"
"""Where the mark is among the facts: beside the tenants, whose ids are GUIDs."""

READ_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Retired:
    """Since when (epoch seconds), by whom and why."""

    since: float
    by: str
    reason: str


async def read_retirement(threads: ThreadMap) -> Retired | None:
    """Read the mark; None while the bridge is in service. Raises as the store does."""
    fact = await threads.fact(BRIDGE, "retirement", MARK)
    return Retired(float(fact["since"]), fact["by"], fact["reason"]) if fact else None


async def retire(threads: ThreadMap, retired: Retired) -> None:
    """Write the mark for good. Raises as the store does."""
    mark = {"since": repr(retired.since), "by": retired.by, "reason": retired.reason}
    await threads.learn(BRIDGE, "retirement", MARK, mark, None)


async def reinstate(threads: ThreadMap) -> None:
    """Take the mark back: the doors open again. Raises as the store does."""
    await threads.learn(BRIDGE, "retirement", MARK, {}, None)


class Retirement:
    """What one process knows of the mark; `retired` costs nothing to ask."""

    def __init__(self, threads: ThreadMap, telemetry: Telemetry, seconds: float) -> None:
        self._threads, self._telemetry, self._seconds = threads, telemetry, seconds
        self.retired = False

    async def look(self) -> None:
        """Look once; what cannot be read now changes nothing."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                retired = await read_retirement(self._threads) is not None
        except (BridgeError, StoreFull, TimeoutError):
            self._telemetry.count("retirement_unknown")
            return
        if retired != self.retired:
            self.retired = retired
            self._telemetry.warning("retired" if retired else "reinstated")

    async def context(self, _app: object) -> AsyncIterator[None]:
        """Look before the doors open, and then as long as the application runs."""
        await self.look()
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(stop), name="look for the retirement")
        yield
        stop.set()
        await task

    async def _run(self, stop: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._seconds)
            if stop.is_set():
                return
            await self.look()
