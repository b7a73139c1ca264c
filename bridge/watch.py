"""Looks at the queue every few seconds: shows its depth, and raises the alarm about dead letters once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bridge.errors import BridgeError, StoreFull
from bridge.ports import DIRECTIONS, RECENT, Queue
from bridge.telemetry import Telemetry

EVERY = 5.0
ALARM = 5
"""So many dead letters within `RECENT` seconds are more than single bad messages."""


class Watch:
    """Watches one queue for as long as `run` runs."""

    def __init__(self, queue: Queue, telemetry: Telemetry, *, every: float = EVERY) -> None:
        """`every` is in seconds."""
        self._queue, self._telemetry, self._every = queue, telemetry, every
        self._alarmed = False

    async def context(self, _app: object) -> AsyncIterator[None]:
        """Watch for as long as a server serves."""
        task = asyncio.create_task(self.run(), name="watch the queue")
        yield
        task.cancel()
        await asyncio.wait({task})

    async def run(self) -> None:
        """Look until cancelled, whatever happens; who works on the queue says that its store is away."""
        while True:
            try:
                await self.look()
            except (BridgeError, StoreFull):
                pass
            except Exception as error:
                self._telemetry.error("watch_failed", error=type(error).__name__)
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Look once. Raises what the queue raises."""
        recent = 0
        for direction in DIRECTIONS:
            depth = await self._queue.depth(direction)
            self._telemetry.depth(direction, depth)
            recent += depth.dead_recently
        if recent >= ALARM and not self._alarmed:
            self._telemetry.error("dead_letters_alert", recent=recent, minutes=round(RECENT / 60))
        self._alarmed = recent >= ALARM
