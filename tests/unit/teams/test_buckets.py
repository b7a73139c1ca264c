"""Published limits: kept to the letter, first come first served, and no caller held for more than a moment."""

from __future__ import annotations

import heapq
import random
from collections import Counter

import pytest

from adapters import buckets
from adapters.buckets import KEYS, LINE, MARGIN, MAX_WAIT, Buckets, Evidence, Limit
from adapters.teams import limits
from bridge.errors import Throttled

ONE = Limit("place/a", ((1, 1.0),))
GAP = 1.0 + MARGIN


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
def make(time):
    return lambda learn=False: Buckets("graph", learn=learn, clock=time, sleep=time.sleep)


async def no_time(_seconds):
    """Sleep beside others: for them, no time passes."""


@pytest.fixture
def at_once(time):
    """Buckets whose callers all come in the same moment."""
    return Buckets("graph", learn=False, clock=time, sleep=no_time)


async def sent_away(made, owner, *limits_, **more):
    """Ask when it is sure that it is not this owner's turn; the seconds it is told."""
    before = made._clock()
    with pytest.raises(Throttled) as caught:
        await made.turn(owner, *limits_, **more)
    assert made._clock() == before
    return caught.value.after


async def fill(made, *limits_):
    """Take the turn that is free now, and the one that is worth a wait."""
    call = await made.turn("first", *limits_)
    await made.turn("second", *limits_)
    return call


class World:
    """Threads with waiting messages, a queue that gives them out when they are due, and a strict upstream."""

    def __init__(self, made, time, limits_of, lag=0.0):
        self.made, self.time, self.limits_of, self.lag = made, time, limits_of, lag
        self.dice = random.Random(5)
        self.arrived = []
        self.asked = Counter()
        self.refused = 0
        self.held = 0.0

    async def run(self, messages):
        """Deliver {thread: count}; a thread's next message is tried as soon as the one before is through."""
        left = dict(messages)
        due = [(self.time.now, n, thread) for n, thread in enumerate(left)]
        heapq.heapify(due)
        while due:
            at, order, thread = heapq.heappop(due)
            self.time.now = max(self.time.now, at)
            again = await self._try(thread)
            if again is None:
                left[thread] -= 1
                again = 0.0
            if left[thread]:
                lag = self.dice.uniform(0, self.lag) if again else 0.0
                heapq.heappush(due, (self.time.now + again + lag, order, thread))

    async def _try(self, thread):
        """Try one message; the seconds until it may be tried again, or None when it is through."""
        self.asked[thread] += 1
        start = self.time.now
        try:
            call = await self.made.turn(thread, *self.limits_of(thread))
        except Throttled as error:
            assert (error.ours, error.maybe_done, error.code) == (True, False, "graph_pace")
            assert self.time.now == start
            return error.after
        self.held = max(self.held, self.time.now - start)
        if self._enforced(thread):
            self.made.went(call)
            self.arrived.append((self.time.now, thread))
            return None
        self.refused += 1
        self.made.refused(call, 1.0)
        return 1.0

    def _enforced(self, thread):
        for limit in self.limits_of(thread):
            for count, seconds in limit.windows:
                of_key = [
                    at for at, one in self.arrived if limit in self.limits_of(one) and at > self.time.now - seconds
                ]
                if len(of_key) >= count:
                    return False
        return True


async def test_two_hundred_answers_to_twenty_threads_of_a_channel(make, time):
    """They drain at the channel's pace, thread by thread in turn, asked for about twice each, and never refused."""
    world = World(make(), time, lambda thread: (ONE,), lag=0.1)
    started = time.now
    await world.run({f"t{n}": 10 for n in range(20)})
    assert len(world.arrived) == 200
    assert world.refused == 0
    assert time.now - started < 200 * GAP * 1.1
    assert sum(world.asked.values()) < 200 * 2.2
    assert world.held <= MAX_WAIT
    for n in range(0, 200, 20):
        in_turn = Counter(thread for _, thread in world.arrived[n : n + 20])
        assert max(in_turn.values()) <= 2, "nobody overtakes by having more to say"


async def test_a_busy_channel_does_not_hold_another_one(at_once, time):
    busy, free = limits.graph(("g", "busy", "1"), "POST"), limits.graph(("g", "free", "1"), "POST")
    await fill(at_once, *busy)
    for n in range(100):
        await sent_away(at_once, f"t{n}", *busy)
    time.now += 1  # the team's own four a second
    at_once._sleep = time.sleep
    before = time.now
    await at_once.turn("y", *free)
    assert time.now - before < 0.3


async def test_every_window_of_the_connector_is_kept(make, time):
    """A hundred channels under load for a quarter of an hour: a strict upstream has nothing to refuse."""
    world = World(make(), time, lambda thread: limits.sending("https://one/", thread), lag=0.05)
    started = time.now
    await world.run({f"channel;messageid={n}": 10 for n in range(10)})
    assert (world.refused, len(world.arrived)) == (0, 100)
    burst = [at for at, _ in world.arrived]
    assert burst[6] - started < 0.1 < burst[7] - started, "seven at once, as allowed"
    assert 30 < time.now - started < 62, "sixty in half a minute"


async def test_a_team_and_a_tenant_have_limits_of_their_own(make, time):
    channels = {f"{n}": limits.graph(("team", f"channel{n}", "1"), "POST") for n in range(12)}
    world = World(make(), time, channels.__getitem__)
    started = time.now
    await world.run(dict.fromkeys(channels, 5))
    assert (world.refused, len(world.arrived)) == (0, 60)
    assert 60 / 4 - 1 < time.now - started < 60 / 4 * 1.3, "four per second and team"


async def test_what_has_to_look_first_may_post_next(at_once, time):
    """A look-back and its post are two calls: the second goes before others, or neither would ever get through."""
    await fill(at_once, ONE)
    for n in range(5):
        await sent_away(at_once, f"before{n}", ONE)
    told = await sent_away(at_once, "me", ONE, more=True)
    for n in range(50):
        await sent_away(at_once, f"behind{n}", ONE)
    time.now += told
    await at_once.turn("me", ONE, more=True)
    at_once._sleep = time.sleep
    before = time.now
    await at_once.turn("me", ONE)
    assert time.now - before <= MAX_WAIT


async def test_retry_after_closes_the_key_for_everybody_and_keeps_the_order(at_once, time):
    call = await fill(at_once, ONE)
    for n in range(3):
        await sent_away(at_once, f"t{n}", ONE)
    at_once.refused(call, 30)
    after = [await sent_away(at_once, f"t{n}", ONE) for n in range(3)]
    assert after == pytest.approx([30, 30 + GAP, 30 + 2 * GAP])
    assert await sent_away(at_once, "new", ONE) == pytest.approx(30 + 3 * GAP)
    await at_once.turn("x", Limit("place/other", ONE.windows))


async def test_a_429_without_a_time_closes_the_key_for_a_moment(make, time):
    made = make(learn=True)
    call = await made.turn("a", ONE)
    made.refused(call, None)
    before = time.now
    await made.turn("b", ONE)
    assert time.now - before == buckets.UNSAID


async def test_limits_that_nobody_enforces_slow_nobody_down(make, time):
    made = make(learn=True)
    for n in range(5000):
        call = await made.turn(f"t{n % 20}", *limits.sending("u", f"c;messageid={n % 20}"))
        if n % 10 == 9:
            made.refused(call, 0)  # trouble of another kind, now and then
        else:
            made.went(call)
    assert time.now == 1000.0


async def test_limits_that_are_enforced_are_learnt_from_a_few_refusals(make, time):
    world = World(make(learn=True), time, lambda thread: (ONE,), lag=0.1)
    started = time.now
    await world.run({f"t{n}": 10 for n in range(20)})
    assert len(world.arrived) == 200
    assert world.refused < 12
    assert time.now - started < 200 * GAP * 1.1


def test_evidence_is_asked_for_again_and_less_and_less_often():
    evidence, now, asked = Evidence(), 0.0, []
    while now < 3 * 3600:
        evidence.add(now, refused=True)
        if evidence.convinced(now):
            asked.append(now)
        while evidence.convinced(now):
            now += 1
    assert len(asked) < 12
    assert asked[1] - asked[0] == pytest.approx(Evidence.SHORTEST, abs=1)
    for _ in range(20):
        evidence.add(now, refused=False)
    for _ in range(10):
        evidence.add(now, refused=True)
    assert evidence.convinced(now)
    assert not evidence.convinced(now + Evidence.SHORTEST + 1), "an outage is forgotten soon"


async def test_many_keys_and_many_callers_stay_bounded(make, time):
    made = make()
    for n in range(KEYS + 500):
        await made.turn("t", Limit(f"k{n}", ONE.windows))
    assert len(made._buckets) == KEYS
    time.now += 10
    await made.turn("t", Limit("new", ONE.windows))
    assert len(made._buckets) < 10, "keys that are idle are dropped"


async def test_a_line_is_bounded_and_who_has_no_place_in_it_comes_back_spread_out(at_once):
    await fill(at_once, ONE)
    told = [await sent_away(at_once, f"t{n}", ONE) for n in range(3 * LINE)]
    assert len(at_once._buckets[ONE.key].line) == LINE
    assert max(told[:LINE]) == pytest.approx((LINE + 1) * GAP)
    assert len({round(after) for after in told[LINE:]}) > LINE / 2
    assert min(told[LINE:]) > LINE * GAP


async def test_who_never_comes_back_holds_nobody(at_once, time):
    await fill(at_once, ONE)
    for n in range(10):
        await sent_away(at_once, f"gone{n}", ONE)
    time.now += 60
    at_once._sleep = time.sleep
    before = time.now
    await at_once.turn("y", ONE)
    assert time.now == before


async def test_a_turn_that_nobody_took_counts_as_no_call(at_once, time):
    slow = Limit("place/slow", ((2, 100.0),))
    await fill(at_once, slow)
    for n in range(6):
        await sent_away(at_once, f"gone{n}", slow)
    time.now += 305  # the last two turns were five seconds ago
    at_once._sleep = time.sleep
    before = time.now
    await at_once.turn("y", slow)
    assert time.now == before
