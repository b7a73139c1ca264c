"""How fast, and how many at once, one upstream is called; knows no vendor.

While nothing is advertised there is no limit. Advertised headers slow us down near their end; a 429 halves the pace,
and every second without one adds a little back (additive increase, multiplicative decrease).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bridge.errors import Throttled

T = TypeVar("T")

MAX_WAIT = 5.0
"""Longer than this we do not hold a caller: its queue waits better than a coroutine does."""
SLOWEST, FASTEST = 0.2, 50.0
"""Calls per second: never slower than the first after a 429; beyond the second the limit is forgotten."""
GAIN = 1.0
"""Calls per second regained per second without a 429."""
LOW = 0.1
"""The share of an advertised limit below which we slow down (reference, section 2.4)."""


class Pace:
    """The pace of one account. Ask `turn` before a call, tell `went` or `refused` after it."""

    def __init__(
        self,
        component: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`clock` may be any that only goes forward."""
        self._component = component
        self._clock = clock
        self._sleep = sleep
        self._rate: float | None = None  # our own limit, learnt from 429s
        self._told_gap = 0.0  # seconds between calls, from headers
        self._next = 0.0
        self._calm_until = 0.0
        self._recent: deque[float] = deque(maxlen=32)

    @property
    def gap(self) -> float:
        """Seconds between two calls now; 0 while there is no limit."""
        return max(self._told_gap, 1 / self._rate if self._rate else 0.0)

    async def turn(self) -> None:
        """Wait for the next free slot; Throttled at once if that is too far away."""
        now = self._clock()
        slot = max(now, self._next)
        if slot - now > MAX_WAIT:
            raise Throttled("our own pace", code=f"{self._component}_pace", component=self._component, after=slot - now)
        self._next = slot + self.gap
        self._recent.append(slot)
        if slot > now:
            await self._sleep(slot - now)

    def went(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        """Take note of an answer that was not a 429, with what its headers advertise."""
        if self._rate is not None:
            rate = self._rate + GAIN / self._rate
            self._rate = rate if rate < FASTEST else None
        low = limit is not None and remaining is not None and remaining <= limit * LOW
        if not low or not reset_in or reset_in <= 0:
            self._told_gap = 0.0
        else:
            self._told_gap = min(reset_in / ((remaining or 0.0) + 1), MAX_WAIT)
            self._next = max(self._next, self._clock() + self._told_gap)

    def refused(self, after: float | None) -> None:
        """Take note of a 429. Calls that were under way together are one refusal, not many."""
        now = self._clock()
        if now >= self._calm_until:
            self._rate = max((self._rate or self._observed()) / 2, SLOWEST)
        wait = after if after is not None else self.gap
        self._next = max(self._next, now + wait)
        self._calm_until = max(self._calm_until, now + max(wait, 1.0))

    def _observed(self) -> float:
        seconds = self._recent[-1] - self._recent[0] if len(self._recent) > 1 else 0.0
        return min((len(self._recent) - 1) / seconds, FASTEST) if seconds > 0 else FASTEST


class Once(Generic[T]):
    """Shares one running call between all who want the same; nothing is kept when it is done."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[T]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Join the call under way for `key`, or make it. Who gives up waiting does not stop the others."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.ensure_future(self._run(make))
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    @staticmethod
    async def _run(make: Callable[[], Awaitable[T]]) -> T:
        return await make()

    def _ended(self, key: Hashable, task: asyncio.Task[T]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, even if everybody who waited has gone
