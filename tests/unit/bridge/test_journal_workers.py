"""Two workers that live both have the same message, because one has lost its lease: what it sends is sent once."""

from __future__ import annotations

import asyncio

import pytest

from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import Throttled, Unavailable
from bridge.journal import QUIET, STALE, Journal

LOST = Unavailable("no answer", code="timeout", component="test", maybe_done=True)


class Platform:
    """What was posted; `readable` tells whether it can be read back. One post waits for `gate`; all may fail."""

    def __init__(self):
        self.posted, self.readable, self.error = [], True, None
        self.gate, self.begun = None, asyncio.Event()

    async def post(self):
        gate, self.gate = self.gate, None
        self.begun.set()
        if gate:
            await gate.wait()
        if self.error:
            raise self.error
        self.posted.append(f"c1/m{len(self.posted)}")
        return self.posted[-1]

    async def look(self, _attempt):
        return list(self.posted) if self.readable else None


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def workers(threads, clock):
    """Two that have been at work for a long time."""
    both = Journal(threads, clock), Journal(threads, clock)
    clock.advance(3600)
    return both


async def _once(journal, platform):
    return await journal.once("t1", "key", platform.post, platform.look)


async def _sending(journal, platform):
    """Begin a call that does not end before the gate is opened; give both."""
    gate = platform.gate = asyncio.Event()
    platform.begun.clear()
    task = asyncio.create_task(_once(journal, platform))
    await platform.begun.wait()
    return task, gate


@pytest.mark.parametrize("readable", [True, False], ids=["readable", "blind"])
@pytest.mark.parametrize("tries", [1, 2])
async def test_a_call_that_another_worker_has_under_way_is_waited_for(tries, readable, workers, platform, clock):
    """Its first one, or one that it repeats a minute later; what it writes down then is what counts."""
    one, other = workers
    if tries == 2:
        platform.error = LOST
        with pytest.raises(Unavailable):
            await _once(one, platform)
        platform.error = None
        clock.advance(60)
    sending, gate = await _sending(one, platform)
    platform.readable = readable
    clock.advance(1)
    with pytest.raises(Throttled) as waits:
        await _once(other, platform)
    gate.set()
    assert await sending == "c1/m0"
    clock.advance(waits.value.after)
    assert await _once(other, platform) == "c1/m0"
    assert platform.posted == ["c1/m0"]


async def test_what_ended_here_is_waited_for_once_another_worker_has_tried_again(workers, platform, clock):
    """It had the message in between, and may have it under way."""
    one, other = workers
    platform.error = LOST
    with pytest.raises(Unavailable):
        await _once(one, platform)
    clock.advance(QUIET)
    platform.error, platform.readable = None, False
    sending, gate = await _sending(other, platform)
    with pytest.raises(Throttled):
        await _once(one, platform)
    gate.set()
    assert await sending == await _once(one, platform) == "c1/m0"


async def test_of_two_workers_that_find_nothing_one_makes_the_call(workers, platform, threads, clock):
    """Both have waited long enough; the other one waits again."""
    await threads.start("t1", "key", clock())
    clock.advance(QUIET)
    looked, both = [], asyncio.Event()

    async def look(_attempt):
        looked.append(1)
        if len(looked) == 2:
            both.set()
        await both.wait()
        return []

    tries = [journal.once("t1", "key", platform.post, look) for journal in workers]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Throttled", "str"]
    assert platform.posted == ["c1/m0"]


async def test_a_clock_that_is_ahead_makes_nobody_hurry(workers, platform, threads, clock):
    """The other machine's row is of the future by a second or two."""
    await threads.start("t1", "key", clock() + 2)
    with pytest.raises(Throttled):
        await _once(workers[1], platform)
    assert platform.posted == []


class Freezing(SqliteThreadMap):
    """The process stands still for `seconds` as soon as a row is written."""

    def __init__(self, db, clock, seconds):
        super().__init__(db, now=clock)
        self._clock, self._seconds = clock, seconds

    async def start(self, *args):
        try:
            return await super().start(*args)
        finally:
            self._clock.advance(self._seconds)


async def test_a_worker_that_stood_still_before_its_call_does_not_make_it(database, platform, clock, workers):
    """Another one may have; so it begins anew, and finds what that one has sent."""
    frozen = Journal(Freezing(database, clock, STALE + 1), clock)
    with pytest.raises(Unavailable, match="stood still"):
        await _once(frozen, platform)
    assert platform.posted == []
    assert await _once(workers[0], platform) == "c1/m0"


async def test_what_was_tried_again_is_not_taken_back(threads, workers, platform, clock):
    """The first worker's call is refused late: what the second one may have sent must still be looked for."""
    one, other = workers
    platform.error = Unavailable("refused", code="connect", component="test")
    late, gate = await _sending(one, platform)
    clock.advance(QUIET)

    async def cut_off():
        platform.posted.append("c1/m0")
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await other.once("t1", "key", cut_off, platform.look)
    gate.set()
    with pytest.raises(Unavailable):
        await late
    assert await _once(other, platform) == "c1/m0"
    assert platform.posted == ["c1/m0"]


async def test_a_look_that_takes_long_counts_from_its_beginning(workers, platform, threads, clock):
    """What became visible while it was under way may be missing in what it found."""
    await threads.start("t1", "key", clock())
    clock.advance(1)

    async def slow(_attempt):
        clock.advance(QUIET)
        return []

    with pytest.raises(Throttled):
        await workers[1].once("t1", "key", platform.post, slow)
    assert platform.posted == []
