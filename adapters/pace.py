"""How fast, and how many at once, one upstream is called; knows no vendor.

While nothing is advertised there is no limit. Advertised headers slow us down near their end; a 429 halves the pace.
It comes back the way TCP CUBIC does: quickly to what worked before, carefully around it, quickly again beyond.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from bridge.errors import Throttled

T = TypeVar("T")

MAX_WAIT = 1.0
"""Longer than this, or than two calls, we do not hold a caller: its queue waits better than a coroutine does."""
SPREAD = 60.0
"""Seconds over which those who are sent away are spread; not more, because the limit may be gone by then."""
LONGEST_GAP = 5.0
SLOWEST, FASTEST = 1 / LONGEST_GAP, 50.0
"""Calls per second: never slower than the first after a 429; beyond the second, and beyond what was refused, the limit
is forgotten."""
DOUBLING = 2.0
"""Seconds without a 429 in which the pace doubles, where it is far from the one that was refused."""
NEAR = (0.9, 1.2)
CAREFUL = 0.02
"""Between these shares of the pace that was refused, it grows by this share of it per second."""
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
        self._refused_at = 0.0  # the pace at which the last 429 came
        self._grown_at = 0.0
        self._told_gap = 0.0  # seconds between calls, from headers
        self._last = -LONGEST_GAP  # the slot of the last call
        self._closed_until = 0.0
        self._line = 0.0  # when the last of those who were sent away may come back
        self._calm_until = 0.0
        self._recent: deque[float] = deque(maxlen=1024)

    @property
    def gap(self) -> float:
        """Seconds between two calls now; 0 while there is no limit."""
        return max(self._told_gap, 1 / self._rate if self._rate else 0.0)

    async def turn(self) -> None:
        """Wait for the next free slot; Throttled at once if that is too far away, with a time to come back."""
        now, gap = self._clock(), self.gap
        slot = max(now, self._last + gap, self._closed_until)
        if slot - now > max(MAX_WAIT, 2 * gap):
            after, code = slot - now + self._place_in_line(slot, gap), f"{self._component}_pace"
            raise Throttled("our own pace", code=code, component=self._component, after=after, ours=True)
        self._last = slot
        self._recent.append(slot)
        if slot > now:
            await self._sleep(slot - now)

    def _place_in_line(self, slot: float, gap: float) -> float:
        """Tell each who is sent away another time behind the slot, so that they do not all come back together."""
        if self._line + gap - slot > SPREAD:
            return random.uniform(SPREAD / 2, SPREAD)  # noqa: S311 - spreads load, guards nothing
        self._line = max(self._line + gap, slot)
        return self._line - slot

    def went(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        """Take note of an answer that was not a 429, with what its headers advertise."""
        self._grow()
        low = limit is not None and remaining is not None and remaining <= limit * LOW
        if not low or not reset_in or reset_in <= 0:
            self._told_gap = 0.0
        else:
            self._told_gap = min(reset_in / ((remaining or 0.0) + 1), LONGEST_GAP)
            self._closed_until = max(self._closed_until, self._clock() + self._told_gap)

    def _grow(self) -> None:
        """Give back some pace for the time since the last call; idle time proves little, so it counts as one gap."""
        if self._rate is None:
            return
        now = self._clock()
        seconds, self._grown_at = min(max(now - self._grown_at, 0.0), max(self.gap, 1.0)), now
        share = self._rate / self._refused_at
        if NEAR[0] <= share < NEAR[1]:
            self._rate += CAREFUL * self._refused_at * seconds
        else:
            self._rate *= 2 ** (seconds / DOUBLING)
        if self._rate >= max(FASTEST, NEAR[1] * self._refused_at):
            self._rate = None

    def refused(self, after: float | None) -> None:
        """Take note of a 429. Calls that were under way together are one refusal, not many."""
        now = self._clock()
        if now >= self._calm_until:
            self._refused_at = self._rate or self._observed(now)
            self._rate = max(self._refused_at / 2, SLOWEST)
        wait = after if after is not None else self.gap
        self._closed_until = max(self._closed_until, now + wait)
        self._calm_until = max(self._calm_until, now + max(wait, 1.0))
        self._grown_at = self._calm_until

    def _observed(self, now: float) -> float:
        """Count the calls of the last second: a burst is no pace."""
        return max(float(sum(at > now - 1.0 for at in self._recent)), 2 * SLOWEST)


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
