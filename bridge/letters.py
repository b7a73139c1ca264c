"""Dead letters that only waited too long are put back by themselves, once their upstream works again.

A letter whose cause passes (`Failure.transient`) gets a bounded number of tries with growing waits; any other waits
for a person. Each replica looks; `Queue.replay` lets only one of them have a letter. A replay repeats no effect: the
journal knows what was sent (docs/guarantees.md).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from bridge import ids
from bridge.delivery import Worker
from bridge.errors import BridgeError, StoreFull, Unavailable
from bridge.ports import DeadLetter, Direction, Queue
from bridge.telemetry import Telemetry

BACKOFF = (60.0, 300.0, 1800.0, 7200.0, 21600.0, 43200.0, 86400.0)
"""Seconds after the last failure until the first, second, … automatic replay; then the letter waits for a person."""
EVERY = 30.0
PING_SECONDS = 10.0
PAGE = 100
PER_LOOK = 1000
"""Letters read per look; the next look goes on where this one ended."""
AT_ONCE = 10
"""Letters put back per look, tenant and direction: an upstream that has just come back is not flooded."""

Ping = Callable[[], Awaitable[None]]
Upstream = tuple[Direction, str]
"""The upstream of a tenant's deliveries in one direction."""


def tried_again(*, transient: bool, replays: int) -> bool:
    """Whether a message that failed so, and came back by itself so often, comes back once more."""
    return transient and replays < len(BACKOFF)


def next_replay(letter: DeadLetter) -> float | None:
    """Tell when a letter may be put back without a person; None if it waits for one."""
    if not tried_again(transient=letter.failure.transient, replays=letter.replays):
        return None
    return letter.last_failed_at + BACKOFF[letter.replays]


class Health:
    """Tells whether an upstream works: by what was delivered, else by asking."""

    def __init__(self, workers: Sequence[Worker], pings: Mapping[Upstream, Ping]) -> None:
        self._workers = {worker.direction: worker for worker in workers}
        self._pings = pings

    async def works(self, upstream: Upstream, since: float) -> bool:
        """Whether something was delivered there since then, or a ping works; not while its tenant is held."""
        (direction, tenant), ping = upstream, self._pings.get(upstream)
        worker = self._workers[direction]
        if ping is None or tenant in worker.holds.tenants():
            return False
        if worker.delivered_at.get(tenant, 0.0) > since:
            return True
        try:
            async with asyncio.timeout(PING_SECONDS):
                await ping()
        except (BridgeError, TimeoutError):
            return False
        return True


class AutoReplay:
    """The periodic task of a worker process that puts letters back."""

    def __init__(
        self,
        queue: Queue,
        health: Health,
        telemetry: Telemetry,
        clock: Callable[[], float],
        *,
        every: float = EVERY,
    ) -> None:
        self._queue, self._health, self._telemetry, self._clock = queue, health, telemetry, clock
        self._every = every
        self._after: str | None = None

    async def run(self) -> None:
        """Look again and again until cancelled; replicas drift apart."""
        while True:
            await asyncio.sleep(self._every * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing
            try:
                await self.look()
            except (StoreFull, Unavailable) as error:
                self._telemetry.error("queue_unavailable", error=type(error).__name__)
            except Exception as error:
                self._telemetry.error("bug", where="letters", error=type(error).__name__)

    async def look(self) -> int:
        """Put back what is due where the upstream works; return how many."""
        count = 0
        for upstream, letters in _by_upstream(await self._due()):
            if await self._health.works(upstream, max(letter.last_failed_at for letter in letters)):
                count += sum([await self._replay(letter) for letter in letters])
        return count

    async def _due(self) -> list[DeadLetter]:
        """Choose of each thread its earliest message that is tried again at all, if its time has come."""
        first: dict[tuple[Direction, str], DeadLetter] = {}
        async for letter in self._stretch():
            if next_replay(letter) is None:
                continue
            thread = (letter.envelope.direction, letter.envelope.session)
            if thread not in first or letter.envelope.received_at < first[thread].envelope.received_at:
                first[thread] = letter
        now = self._clock()
        return [letter for letter in first.values() if (next_replay(letter) or 0.0) <= now]

    async def _stretch(self) -> AsyncIterator[DeadLetter]:
        """Read on from where the last look ended; at the end of the list, the next look begins anew."""
        for _ in range(PER_LOOK // PAGE):
            page = await self._queue.dead_letters(limit=PAGE, after=self._after)
            self._after = page[-1].id if len(page) == PAGE else None
            for letter in page:
                yield letter
            if self._after is None:
                return

    async def _replay(self, letter: DeadLetter) -> bool:
        if not await self._queue.replay(letter.id, automatic=True):
            return False
        envelope = letter.envelope
        self._telemetry.info(
            "auto_replay",
            direction=envelope.direction,
            tenant=envelope.tenant,
            trace=envelope.trace,
            session=ids.for_log(envelope.session),
            code=letter.failure.code,
            replays=letter.replays + 1,
        )
        return True


def _by_upstream(letters: Iterable[DeadLetter]) -> list[tuple[Upstream, list[DeadLetter]]]:
    """Group letters, at most `AT_ONCE` each, the longest dead first."""

    def upstream(letter: DeadLetter) -> Upstream:
        return letter.envelope.direction, letter.envelope.tenant

    ordered = sorted(sorted(letters, key=attrgetter("last_failed_at")), key=upstream)
    return [(key, list(group)[:AT_ONCE]) for key, group in groupby(ordered, key=upstream)]
