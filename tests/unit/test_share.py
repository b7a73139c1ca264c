"""An export leaves its share of an account's limits to others, and backs off before they are refused."""

from __future__ import annotations

import tracemalloc
from collections import deque

import pytest

from adapters.share import LOOK_AGAIN, STILL, Share


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def share(of: float = 0.6, most: float | None = None) -> tuple[Share, Time]:
    time = Time()
    return Share(of, most, clock=time.clock, sleep=time.sleep), time


async def spend(pace: Share, time: Time, seconds: float, limit: int | None = None, used: float = 1.0) -> list[float]:
    """Call as often as we may for some seconds, against a limit per minute of the last minute; give the times."""
    end, calls, spent = time.now + seconds, [], deque[float]()
    while True:
        await pace.turn()
        if time.now >= end:
            return calls
        calls.append(time.now)
        spent.append(time.now)
        while spent and spent[0] <= time.now - 60:
            spent.popleft()
        left = None if limit is None else limit - len(spent) * used
        pace.went(limit, left, None, used)
        time.now += 0.001


async def test_a_minute_is_used_up_to_its_share() -> None:
    """60 % of 700 a minute, minute after minute, and no more in any minute."""
    pace, time = share()
    calls = await spend(pace, time, 600, 700)
    assert 0.95 * 4200 <= len(calls) <= 4200
    assert max(sum(start <= at < start + 60 for at in calls) for start in calls[::50]) <= 420


async def test_calls_that_count_more_than_once() -> None:
    pace, time = share()
    assert len(await spend(pace, time, 600, 700, used=3)) <= 1400


async def test_others_go_first() -> None:
    """When others use more than their part, we stand still until it is theirs again, and look now and then."""
    pace, time = share()
    await pace.turn()
    pace.went(100, 30, None)
    before = time.now
    await pace.turn()
    assert time.now - before >= LOOK_AGAIN


async def test_a_window_whose_end_is_told() -> None:
    """We leave the rest of the window alone, whoever used the other part up, and go on when it is renewed."""
    pace, time = share()
    await pace.turn()
    pace.went(100, 45, 30.0)
    before = time.now
    for _ in range(5):
        await pace.turn()
    assert time.now - before < 1
    await pace.turn()
    assert time.now - before == pytest.approx(30, abs=0.1)
    pace.went(100, 99, 60.0)
    for _ in range(50):
        await pace.turn()
    assert time.now - before < 31


async def test_an_end_that_is_told_too_early() -> None:
    """Behind it one call at a time asks until an answer tells of a new window; after one without an answer, another."""
    pace, time = share()
    await pace.turn()
    pace.went(100, 41, 10.0)
    await pace.turn()
    before = time.now
    await pace.turn()
    assert time.now - before == pytest.approx(10, abs=0.1)
    pace.went(100, 38, -0.1)
    await pace.turn()
    assert time.now - before == pytest.approx(10 + STILL, abs=0.1)
    before = time.now
    await pace.turn()
    assert time.now - before == pytest.approx(LOOK_AGAIN, abs=0.1)
    pace.went(100, 99, 60.0)
    before = time.now
    for _ in range(59):
        await pace.turn()
    assert time.now == before


async def test_an_end_that_is_over_when_it_is_first_told() -> None:
    """A clock that is far off tells no end: we count for ourselves."""
    pace, time = share()
    await pace.turn()
    pace.went(100, 99, -500.0)
    before = time.now
    for _ in range(59):
        await pace.turn()
    assert time.now == before
    await pace.turn()
    assert time.now - before >= 59


@pytest.mark.parametrize("late", [-0.9, 0.0, 0.9])
async def test_windows_one_after_the_other(late: float) -> None:
    """60 % of each, also right behind an end that is told so many seconds late, before any answer tells of the next."""
    time, used = Time(), dict[int, int]()
    waiting: deque[tuple[float, int, float]] = deque()

    def arrive(until: float) -> None:
        """Let the answers of calls made up to then arrive, 40 ms later."""
        while waiting and waiting[0][0] + 0.04 <= until:
            at, left, ends = waiting.popleft()
            time.now = max(time.now, at + 0.04)
            pace.went(1000, left, ends + late - time.now)

    async def sleep(seconds: float) -> None:
        end = time.now + seconds
        arrive(end)
        time.now = max(time.now, end)

    pace = Share(0.6, clock=time.clock, sleep=sleep)
    while time.now < 1300:
        await pace.turn()
        window = int(time.now // 60)
        used[window] = used.get(window, 0) + 1
        waiting.append((time.now, 1000 - used[window], (window + 1) * 60))
        time.now += 0.001
        arrive(time.now)
    first, *whole = [used[window] for window in sorted(used)][:-1]
    assert 570 <= first <= 645, "and what was under way while the limit was learnt"
    assert len(whole) >= 3
    assert all(570 <= calls <= 603 for calls in whole), whole


async def test_a_given_rate_is_used_and_kept() -> None:
    pace, time = share(most=50)
    calls = await spend(pace, time, 60)
    assert 0.95 * 3000 <= len(calls) <= 3006


async def test_nothing_is_advertised() -> None:
    """No limit until a 429; then half as fast, and faster again with time."""
    pace, time = share()
    assert len(await spend(pace, time, 1)) > 900
    pace.refused(None)
    slow = len(await spend(pace, time, 5))
    assert 0 < slow < 2500
    assert len(await spend(pace, time, 5)) > slow


async def test_retry_after_closes_the_account() -> None:
    pace, time = share()
    await pace.turn()
    before = time.now
    pace.refused(17.0)
    await pace.turn()
    assert time.now - before >= 17


async def test_refusals_in_a_row_wait_longer() -> None:
    pace, time = share()
    waits = []
    for _ in range(4):
        await pace.turn()
        before = time.now
        pace.refused(None)
        await pace.turn()
        waits.append(time.now - before)
    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


async def test_calls_take_no_memory_where_nothing_is_advertised() -> None:
    """Those of an hour are forgotten, and those of a fast minute are counted together."""
    pace, time = share()

    async def held_after(calls: int, apart: float) -> int:
        for _ in range(calls):
            await pace.turn()
            pace.went(None, None, None)
            time.now += apart
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = await held_after(4_000, 0.1)
        assert await held_after(36_000, 0.1) - before < 100_000
        assert await held_after(30_000, 0.001) - before < 100_000
    finally:
        tracemalloc.stop()
