"""Limits of so many calls per window and key (a channel, a team, a tenant), kept before a call; knows no vendor.

Who cannot go now is told when, and that time stays reserved: a caller comes back at its turn, callers of one key go
first come, first served, and nobody waits inside a call for more than a moment. `Retry-After` closes the key that it
was said for.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bridge.errors import Throttled

Window = tuple[int, float]
"""So many calls in so many seconds."""

MAX_WAIT = 1.2
"""Seconds that a caller may be held; who has to wait longer goes back to its queue, which costs no slot."""
MARGIN = 0.05
"""Seconds added to each window: the other side counts arrivals, we count departures."""
UNSAID = 1.0
"""Seconds for which a key is closed by a 429 that does not say how long."""
LATE, FORGOTTEN = 2.0, 900.0
"""Seconds after its turn until a caller is not counted on any more, and until its turn is taken away."""
KEYS, LINE = 10_000, 1_000
"""Most keys that are kept (the least recently used goes), and most callers with a turn per key."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one key allows."""

    key: str
    windows: tuple[Window, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that may be made now. `over`: the limits would not have allowed it, had they been kept."""

    key: str
    over: bool


class Buckets:
    """Keeps the limits of one upstream. Ask `turn` before a call, tell `went` or `refused` after it.

    With `learn`, limits are kept only while the upstream is seen to enforce them: published figures may be estimates,
    and a limit that nobody enforces should slow nobody down. Memory: 32 bytes per call of the longest window.
    """

    def __init__(
        self,
        component: str,
        *,
        learn: bool,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """`clock` may be any that only goes forward."""
        self._component, self._clock, self._sleep = component, clock, sleep
        self._evidence = Evidence() if learn else None
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def turn(self, owner: str, *limits: Limit, more: bool = False) -> Call:
        """Wait for a moment, or raise Throttled with the time to come back; nothing has been sent then.

        `owner` names the caller (a thread) when it comes back. Limits go from the narrowest to the widest, and a
        place in a wide line is taken only when it is this caller's turn in the narrow ones. `more`: the owner will
        have to make another call to get anywhere, which may then go next.
        """
        now = self._clock()
        buckets = [self._bucket(limit, now) for limit in limits]
        kept = self._evidence is None or self._evidence.convinced(now)
        over = not kept and any(bucket.free_at(now) > now for bucket in buckets)
        at = max([now, *(self._due(bucket, owner, now) if kept else bucket.closed_until for bucket in buckets)])
        if at - now > MAX_WAIT:
            raise self._throttled(at - now)
        for bucket in buckets:
            bucket.take(owner, at)
        if more and kept:
            buckets[0].line[owner] = at
        if at > now:
            await self._sleep(at - now)
        return Call(limits[0].key, over)

    def _due(self, bucket: _Bucket, owner: str, now: float) -> float:
        at = bucket.due(owner, now)
        if at - now > MAX_WAIT:
            if not bucket.reserve(owner, at):
                at = now + (at - now) * random.uniform(1, 2)  # noqa: S311 - spreads load, guards nothing
            raise self._throttled(at - now)
        return at

    def _throttled(self, after: float) -> Throttled:
        code = f"{self._component}_pace"
        return Throttled("our own pace", code=code, component=self._component, after=after, ours=True)

    def went(self, call: Call) -> None:
        """Take note of an answer that was not a 429."""
        if call.over and self._evidence is not None:
            self._evidence.add(self._clock(), refused=False)

    def refused(self, call: Call, after: float | None) -> None:
        """Take note of a 429: nobody tries this key again before `after` seconds (None: it did not say)."""
        now = self._clock()
        if call.over and self._evidence is not None:
            self._evidence.add(now, refused=True)
        if (bucket := self._buckets.get(call.key)) is not None:
            bucket.close(now + (UNSAID if after is None else after))

    def _bucket(self, limit: Limit, now: float) -> _Bucket:
        bucket = self._buckets.get(limit.key)
        if bucket is None:
            bucket = self._buckets[limit.key] = _Bucket(limit.windows)
            while len(self._buckets) > KEYS or next(iter(self._buckets.values())).idle(now):
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(limit.key)
        return bucket


class _Bucket:
    """One key: when calls were made, and whose turn comes when."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self.windows = windows
        self.made: deque[float] = deque(maxlen=max(count for count, _ in windows))
        self.line: dict[str, float] = {}
        self.closed_until = 0.0

    def idle(self, now: float) -> bool:
        """Tell whether it remembers nothing that still matters."""
        longest = max(seconds for _, seconds in self.windows)
        return bool(self.made) and self.made[-1] < now - longest - MARGIN and not self.line and self.closed_until < now

    def free_at(self, now: float, ahead: Sequence[float] = ()) -> float:
        """Tell when the windows allow another call, behind those that were made and those `ahead`."""
        at = max(now, self.made[-1] if self.made else now)
        for count, seconds in self.windows:
            if count <= len(ahead):
                at = max(at, ahead[-count] + seconds + MARGIN)
            elif count - len(ahead) <= len(self.made):
                at = max(at, self.made[len(ahead) - count] + seconds + MARGIN)
        return at

    def due(self, owner: str, now: float) -> float:
        """Tell when it is this owner's turn: the reserved time, or the first one behind the line.

        Who comes so late that somebody else has gone instead is at the end of the line again.
        """
        reserved = self.line.get(owner)
        if reserved is not None:
            at = max(reserved, self.free_at(now), self.closed_until)
            if at - now <= MAX_WAIT or reserved - now > MAX_WAIT:
                return at
        self.line = {one: at for one, at in self.line.items() if one != owner and at > now - FORGOTTEN}
        ahead = sorted(at for at in self.line.values() if at > now - LATE)
        return max(self.free_at(max(now, self.closed_until), ahead), *ahead[-1:], now)

    def reserve(self, owner: str, at: float) -> bool:
        """Keep this time for the owner; False if the line is too long."""
        if owner not in self.line and len(self.line) >= LINE:
            return False
        self.line[owner] = at
        return True

    def take(self, owner: str, at: float) -> None:
        """Count a call; those whose turn would now come too early are put off."""
        self.line.pop(owner, None)
        self.made.append(max(at, self.made[-1]) if self.made else at)
        self._put_off(at, self.free_at(at))

    def close(self, until: float) -> None:
        """Let nobody through before then."""
        self.closed_until = max(self.closed_until, until)
        self._put_off(self.made[-1] if self.made else 0.0, self.closed_until)

    def _put_off(self, now: float, first: float) -> None:
        """Move all turns after `now` so that the first of them is not before `first`."""
        later = {owner: at for owner, at in self.line.items() if at > now}
        delay = first - min(later.values(), default=first)
        if delay > 0:
            self.line |= {owner: at + delay for owner, at in later.items()}


class Evidence:
    """Whether an upstream enforces its published limits: most calls beyond them are refused.

    Once convinced, for half a minute, and each time that it turns out to be still so for twice as long, up to an hour.
    """

    WEIGHT, ENOUGH = 0.2, 0.5
    SHORTEST, LONGEST = 30.0, 3600.0

    def __init__(self) -> None:
        self._share = 0.0
        self._until = 0.0
        self._seconds = self.SHORTEST

    def convinced(self, now: float) -> bool:
        """Tell whether the limits are to be kept now."""
        return now < self._until

    def add(self, now: float, *, refused: bool) -> None:
        """Take note of what became of a call beyond the limits."""
        if self.convinced(now):
            return  # it was under way
        self._share += self.WEIGHT * (refused - self._share)
        if self._share > self.ENOUGH:
            self._until, self._seconds = now + self._seconds, min(2 * self._seconds, self.LONGEST)
            self._share = self.ENOUGH  # the next refusal tells enough
        elif self._share < self.WEIGHT / 2:
            self._seconds = self.SHORTEST
