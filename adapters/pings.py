"""Pings whose answers are kept for a while, so that being probed costs an upstream next to nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from bridge.errors import BridgeError, StoreFull

Ping = Callable[[], Awaitable[None]]

PING_SECONDS = 5.0
FRESH_SECONDS = 30.0
PATIENCE = 0.5
"""Seconds that a probe waits for an answer before it takes the one from before: platforms give up after a second."""
AT_ONCE = 8


async def problem(ping: Ping) -> str | None:
    """Say what is wrong, within PING_SECONDS; None if nothing is."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            await ping()
    except TimeoutError:
        return f"no answer within {PING_SECONDS:.0f} s"
    except (BridgeError, StoreFull) as error:
        return f"{type(error).__name__}: {error}"
    except Exception as error:
        return type(error).__name__
    return None


class RecentPings:
    """Asks when it is asked and its answer is old; owns the tasks that ask."""

    def __init__(
        self,
        pings: Mapping[str, Ping],
        *,
        fresh: float = FRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fresh` is for how many seconds an answer is kept."""
        self._pings, self._fresh, self._clock = pings, fresh, clock
        self._found: dict[str, str | None] = {}
        self._asked_at: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def problems(self) -> dict[str, str]:
        """Tell what is wrong, by name, as far as it is known by now."""
        now = self._clock()
        for name in self._pings:
            if name not in self._asking and now - self._asked_at.get(name, -self._fresh) >= self._fresh:
                self._asked_at[name] = now
                self._asking[name] = asyncio.create_task(self._ask(name), name=f"ping {name}")
        if self._asking:
            await asyncio.wait(set(self._asking.values()), timeout=PATIENCE)
        return {name: found for name in self._pings if (found := self._found.get(name))}

    async def _ask(self, name: str) -> None:
        try:
            async with self._slots:
                self._found[name] = await problem(self._pings[name])
        finally:
            del self._asking[name]

    async def close(self) -> None:
        """Stop asking."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
