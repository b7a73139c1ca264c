"""Fast while nobody objects, half as fast after a 429, and a little faster again with every second."""

from __future__ import annotations

import asyncio

import pytest

from adapters.pace import FASTEST, MAX_WAIT, SLOWEST, Once, Pace
from bridge.errors import Throttled


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def pace(time):
    return Pace("desk", clock=time, sleep=time.sleep)


async def test_there_is_no_limit_until_one_is_told(pace, time):
    for _ in range(1000):
        await pace.turn()
        pace.went(None, None, None)
        pace.went(100, 50, 30)
    assert time.now == 1000.0


async def test_near_the_end_of_an_advertised_limit_the_rest_is_spread_out(pace, time):
    pace.went(100, 10, 11)
    await pace.turn()
    await pace.turn()
    assert time.now == pytest.approx(1002.0)
    pace.went(100, 100, 60)
    await pace.turn()
    await pace.turn()
    assert time.now <= 1003.0, "full again: no limit again"


async def test_a_429_is_waited_out(pace, time):
    pace.refused(3)
    await pace.turn()
    assert time.now == 1003.0


async def test_a_long_wait_is_left_to_the_queue(pace, time):
    pace.refused(60)
    with pytest.raises(Throttled) as caught:
        await pace.turn()
    assert (caught.value.after, caught.value.code, time.now) == (60, "desk_pace", 1000.0)
    time.now += 60 - MAX_WAIT
    await pace.turn()
    assert time.now == 1060.0


async def test_a_429_halves_the_pace_and_a_burst_of_them_is_one(pace, time):
    for _ in range(32):
        await pace.turn()
        time.now += 0.1  # ten calls per second
    for _ in range(8):
        pace.refused(None)
    assert pace.gap == pytest.approx(1 / 5)
    time.now += 2
    pace.refused(None)
    assert pace.gap == pytest.approx(1 / 2.5)


async def test_the_pace_comes_back_and_the_limit_is_forgotten(pace, time):
    pace.refused(0)
    for _ in range(40):
        time.now += 2
        pace.refused(0)
    assert pace.gap == 1 / SLOWEST
    started, calls = time.now, 0
    while pace.gap:
        await pace.turn()
        pace.went(None, None, None)
        calls += 1
    assert FASTEST * 0.8 < time.now - started < FASTEST * 1.5, "about one call per second faster each second"
    assert calls < FASTEST**2


async def test_once_shares_a_call_and_its_error_and_keeps_nothing():
    once, calls = Once(), []

    async def make():
        calls.append(1)
        await asyncio.sleep(0)
        raise ValueError("no")

    for round_ in (1, 2):
        results = await asyncio.gather(*(once.get("k", make) for _ in range(3)), return_exceptions=True)
        assert [type(r) for r in results] == [ValueError] * 3
        assert len(calls) == round_


async def test_who_gives_up_waiting_does_not_stop_the_others():
    once, release = Once(), asyncio.Event()

    async def make():
        await release.wait()
        return 7

    waiters = [asyncio.create_task(once.get("k", make)) for _ in range(2)]
    await asyncio.sleep(0)
    waiters[0].cancel()
    await asyncio.sleep(0)
    release.set()
    assert await waiters[1] == 7
    assert waiters[0].cancelled()
