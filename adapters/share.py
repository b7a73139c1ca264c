"""How fast an export may call an account that others need too; knows no vendor.

The account's own headers tell its limit, and what is left of it whoever used it up. The export spends at most its
`share` of a window and leaves the rest alone: as soon as others (the bridge, agents, other programs) use more of
theirs, what is left falls to that rest, and the export stands still until the next window. So it backs off before
anybody else is refused. A window is over when an answer says so: headers tell its end in whole seconds of another
clock, so behind that end one call asks, and the others wait for its answer. Where nothing is advertised there is no
limit until a 429; the pace then halves and grows slowly.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

SHARE = 0.6
LOOK_AGAIN = 5.0
"""Seconds until one call asks anew how much is left, where no header tells when the window ends, or where the call
that asked whether it is over has no answer."""
STILL, POLL = 0.5, 0.05
"""Seconds until one call asks anew whether a window is over that was not yet, and between two looks of the others."""
UNSAID = 2.0
"""Seconds for which a 429 without `Retry-After` closes the account; doubled with each one in a row."""
LONGEST = 60.0
FIRST_RATE, SLOWEST = 10.0, 0.2
"""Calls per second after the first 429 (half of what was refused, if that was more), and at least."""
DOUBLING, GROWTH = 5.0, 0.02
"""After a 429 the pace doubles in so many seconds up to the one that was refused, then grows by that share a second:
slower than the bridge's own, which so gets its pace back first."""
FASTEST = 1000.0
"""Calls per second beyond which a learnt pace is forgotten."""
APART = 1.0
"""Seconds between two ends of a window that are not the same one; headers tell whole seconds."""
MOMENTS = 600
"""Parts of a window within which calls are counted together, so that a fast account takes no more memory."""
BURST = 0.1
"""Seconds of a given pace that may be caught up after a pause."""


class Pacing(Protocol):
    """What paces the calls to one account: ask `turn` before a call, tell `went` or `refused` after it."""

    async def turn(self) -> None:
        """Wait, or raise Throttled."""

    def went(self, limit: float | None, remaining: float | None, reset_in: float | None) -> None:
        """Take note of an answer that was not a 429, with what its headers advertise."""

    def refused(self, after: float | None) -> None:
        """Take note of a 429."""


class Share:
    """The pace of one account or of one class of its calls. `most` is a limit in calls per second that is given."""

    def __init__(
        self,
        share: float = SHARE,
        most: float | None = None,
        *,
        window: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`window` is how long the advertised limit counts, in seconds, where no header tells when it is renewed."""
        self._share, self._most, self._window = share, most, window
        self._clock, self._sleep = clock, sleep
        self._limit: float | None = None
        self._left = self._ends = self._ask_at = 0.0  # of the running window, where its end is told
        self._calls: deque[tuple[float, float]] = deque()  # when, and how much it counted, where no end is told
        self._spent = 0.0
        self._slot = 0.0
        self._closed_until = 0.0
        self._refusals = 0
        self._rate: float | None = None
        self._refused_rate = 0.0
        self._grown_at = 0.0
        self._recent: deque[float] = deque(maxlen=2048)

    async def turn(self) -> None:
        """Wait until the next call may be made; it counts as made."""
        while True:
            now = self._clock()
            if (shut := self._shut(now)) > 0:
                await self._sleep(shut)
                continue
            slot = self._next_slot(now)
            if slot > now:
                await self._sleep(slot - now)
            if slot <= now or self._shut(self._clock()) <= 0:
                break
        self._take(self._clock())
        self._recent.append(self._clock())

    def _shut(self, now: float) -> float:
        """Give the seconds until anybody may call again; 0 while the account is open."""
        return max(self._closed_until - now, self._full(now), 0.0)

    def _next_slot(self, now: float) -> float:
        """Reserve the next moment that a pace allows: a given one, or one learnt from 429s."""
        rate = min((r for r in (self._most, self._grown(now)) if r is not None), default=None)
        if rate is None:
            return now
        slot = max(self._slot, now - BURST)
        self._slot = slot + 1 / rate
        return slot

    def _full(self, now: float) -> float:
        """Give the seconds until our share of the window is renewed; 0 while there is something left of it."""
        if self._limit is None:
            return 0.0
        if self._ends:
            return self._until_renewed(now)
        self._forget(now)
        if self._spent + 1 <= max(self._limit * self._share, 1):
            return 0.0
        return self._calls[0][0] + self._window - now

    def _forget(self, now: float) -> None:
        """Let go of the calls that are older than a window."""
        while self._calls and self._calls[0][0] <= now - self._window:
            self._spent -= self._calls.popleft()[1]

    def _until_renewed(self, now: float) -> float:
        """Give the seconds until somebody looks again; 0 for who may call, behind the told end one at a time."""
        if now < self._ends:
            return 0.0 if self._left >= self._reserve + 1 else max(self._ends - now, 0.01)
        return min(max(self._ask_at - now, 0.0), POLL)

    @property
    def _reserve(self) -> float:
        """What is left to others of each window."""
        return (self._limit or 0.0) * (1 - self._share)

    def _take(self, now: float) -> None:
        if self._ends:
            self._left -= 1
            self._ask_at = now + LOOK_AGAIN if now >= self._ends else 0.0
        else:
            self._forget(now)
            self._count(now)

    def _count(self, now: float) -> None:
        """Count a call as made at the end of its moment: calls of one moment stand together, however many they are."""
        moment = self._window / MOMENTS
        end, counted = (now // moment + 1) * moment, 0.0
        if self._calls and self._calls[-1][0] == end:
            counted = self._calls.pop()[1]
        self._calls.append((end, counted + 1.0))
        self._spent += 1

    def went(self, limit: float | None, remaining: float | None, reset_in: float | None, used: float = 1.0) -> None:
        """Take note of an answer that was not a 429. `used` is how much the call counted."""
        self._refusals = 0
        if limit is None or limit <= 0:
            return
        now, self._limit = self._clock(), limit
        if reset_in is not None and (self._ends or reset_in > 0):
            self._window_told(now, limit if remaining is None else remaining, now + reset_in)
            return
        if used > 1 and self._calls:
            at, counted = self._calls.pop()
            self._calls.append((at, counted + used - 1))
            self._spent += used - 1
        if remaining is not None and remaining < self._reserve - self._tolerance:
            self._closed_until = max(self._closed_until, now + LOOK_AGAIN)

    @property
    def _tolerance(self) -> float:
        """Calls of ours that may count in another window than we think."""
        return max((self._limit or 0.0) * 0.02, 1.0)

    def _window_told(self, now: float, left: float, ends: float) -> None:
        if not self._ends or ends > self._ends + APART or ends > now >= self._ends:
            self._ends, self._left = ends, left
        elif now >= self._ends:
            self._ask_at = min(self._ask_at, now + STILL)
        elif ends >= self._ends - APART:  # an answer of the window before tells nothing
            self._ends, self._left = max(self._ends, ends), min(self._left, left)

    def limited(self, limit: float) -> None:
        """Keep a limit that no header tells: so many calls in a window."""
        self._limit = limit

    def refused(self, after: float | None) -> None:
        """Take note of a 429. Calls that were under way together are one refusal, not many."""
        now = self._clock()
        if now >= self._closed_until:
            self._refusals += 1
            if self._limit is None:
                self._refused_rate = self._rate or max(self._observed(now), 2 * FIRST_RATE)
                self._rate = max(self._refused_rate / 2, SLOWEST)
        wait = min(UNSAID * 2 ** (self._refusals - 1), LONGEST) if after is None else after
        self._closed_until, self._ask_at = max(self._closed_until, now + wait), 0.0
        self._grown_at = self._closed_until

    def _observed(self, now: float) -> float:
        return float(sum(at > now - 1 for at in self._recent))

    def _grown(self, now: float) -> float | None:
        """Give the pace learnt from 429s, grown for the time since."""
        if self._rate is not None and now > self._grown_at:
            seconds, self._grown_at = min(now - self._grown_at, DOUBLING), now
            far = self._rate < 0.9 * self._refused_rate
            self._rate *= 2 ** (seconds / DOUBLING) if far else 1 + GROWTH * seconds
            if self._rate > FASTEST:
                self._rate = None
        return self._rate
