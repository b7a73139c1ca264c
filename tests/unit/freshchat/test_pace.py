"""Fast while nobody objects, half as fast after a 429, and a little faster again with every second."""

from __future__ import annotations

import asyncio

import pytest

from adapters.pace import MAX_WAIT, SLOWEST, SPREAD, Once, Pace
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
    await burst(pace, time, 10, seconds=3)
    for _ in range(8):
        pace.refused(None)
    assert pace.gap == pytest.approx(1 / 5, rel=0.2)
    gap = pace.gap
    time.now += 2
    pace.refused(None)
    assert pace.gap == pytest.approx(2 * gap)


async def forgotten(pace, time, rate=None):
    """Call at the allowed pace (at most `rate` per second) until there is no limit; give the seconds it took."""
    started = time.now
    while pace.gap:
        await pace.turn()
        time.now += 1 / rate if rate else 0
        pace.went(None, None, None)
    return time.now - started


async def burst(pace, time, rate, seconds=1):
    for _ in range(int(rate * seconds)):
        await pace.turn()
        time.now += 1 / rate


async def test_one_stray_429_costs_seconds_whatever_the_pace_was(pace, time):
    """Quickly back to nearly what worked, then carefully: half a minute after it, there is no limit."""
    for rate in (20, 600):
        await burst(pace, time, rate)
        pace.refused(1)
        assert pace.gap == pytest.approx(2 / rate, rel=0.05)
        time.now += 1
        started = time.now
        while 1 / pace.gap < rate * 0.89:
            await pace.turn()
            pace.went(None, None, None)
        assert time.now - started < 3
        assert await forgotten(pace, time) < 30


async def test_from_the_slowest_the_limit_is_forgotten_within_two_minutes(pace, time):
    pace.refused(0)
    for _ in range(40):
        time.now += 2
        pace.refused(0)
    assert pace.gap == 1 / SLOWEST
    assert 15 < await forgotten(pace, time) < 120


async def test_near_the_pace_that_was_refused_it_grows_slowly(pace, time):
    """A limit that stays is met again only now and then: a few calls of a hundred are refused."""
    await burst(pace, time, 100)
    pace.refused(1)
    limit, sent, refused = 10.0, 0, 0
    window = []
    end = time.now + 120
    while time.now < end:
        try:
            await pace.turn()
        except Throttled as error:
            assert error.ours
            time.now += error.after
            continue
        window = [at for at in window if at > time.now - 1]
        if len(window) < limit:
            window.append(time.now)
            sent += 1
            pace.went(None, None, None)
        else:
            refused += 1
            pace.refused(1)
    assert sent > 0.6 * limit * 120
    assert refused < 0.03 * sent


async def test_those_who_are_sent_away_come_back_one_after_the_other(pace, time):
    """Nobody is told the time of another; a limit that is gone by then keeps nobody away for long."""
    await burst(pace, time, 20)
    pace.refused(10)
    told = []
    for _ in range(1000):
        with pytest.raises(Throttled) as caught:
            await pace.turn()
        told.append(caught.value.after)
    assert len(set(told)) == len(told)
    first = told[:500]
    assert first == pytest.approx([10 + n * pace.gap for n in range(500)])
    assert all(10 + SPREAD / 2 <= after <= 10 + SPREAD for after in told[601:])


async def test_a_slow_pace_still_lets_a_delivery_of_two_calls_through(pace, time):
    pace.refused(0)
    for _ in range(40):
        time.now += 2
        pace.refused(0)
    time.now += 10
    started = time.now
    for _ in range(3):
        await pace.turn()
    assert time.now - started == pytest.approx(2 / SLOWEST)


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
