"""Letters whose cause has passed are put back by themselves: late enough, few at a time, a bounded number of times."""

from __future__ import annotations

import asyncio

import pytest

from bridge.delivery import Done, Worker
from bridge.errors import Forbidden, Rejected, Unavailable
from bridge.letters import AT_ONCE, BACKOFF, AutoReplay, Health, next_replay
from bridge.letters_view import Filters, describe, matching
from bridge.patience import Patience

AWAY = Unavailable("away", code="away", component="test")
NEVER = Rejected("no", code="400", component="test")
MINUTE = 60.0


class Upstream:
    """One tenant's upstream: `error` is what calls and pings raise; keeps what it took."""

    def __init__(self):
        self.error, self.took = None, []

    async def __call__(self, delivery):
        if self.error:
            raise self.error
        self.took.append(delivery.envelope.body.decode())
        return Done()

    async def ping(self):
        if self.error:
            raise self.error


@pytest.fixture
def upstream():
    return Upstream()


@pytest.fixture
def worker(queue, upstream, telemetry, clock):
    patience = Patience(first_wait=1.0, window=10.0)
    return Worker(queue, "to-freshchat", upstream, telemetry, clock=clock, patience=patience)


@pytest.fixture
def health(worker, upstream):
    return Health([worker], {("to-freshchat", "t1"): upstream.ping})


@pytest.fixture
def replayer(queue, health, telemetry, clock):
    return AutoReplay(queue, health, telemetry, clock)


@pytest.fixture
def give_up(queue, worker, upstream, clock, put):
    """Put messages and let them fail until they are letters."""

    async def give_up(error, *messages, tenant="t1"):
        upstream.error = error
        for session, name in messages:
            await put(session, name, tenant=tenant)
        for _ in range(20):
            await worker.drain()
            clock.advance(15)
        assert (await queue.depth("to-freshchat")).waiting == 0
        upstream.error = None

    return give_up


async def test_a_letter_comes_back_when_its_upstream_works(replayer, worker, upstream, give_up, queue, clock):
    """Not before its time, and not while the upstream is away; then it is delivered."""
    await give_up(AWAY, ("s", "a"))
    [letter] = await queue.dead_letters()
    clock.now = letter.last_failed_at + BACKOFF[0] - 1
    assert await replayer.look() == 0
    clock.advance(1)
    upstream.error = AWAY
    assert await replayer.look() == 0
    upstream.error = None
    assert await replayer.look() == 1
    await worker.drain()
    assert upstream.took == ["a"]
    assert await queue.dead_letters() == []


async def test_a_refused_letter_waits_for_a_person(replayer, give_up, queue, clock):
    """Trying again would change nothing."""
    await give_up(NEVER, ("s", "a"))
    clock.advance(30 * 86_400)
    assert await replayer.look() == 0
    [letter] = await queue.dead_letters()
    assert next_replay(letter) is None


async def test_a_letter_is_put_back_a_bounded_number_of_times(replayer, worker, upstream, give_up, queue, clock):
    """Each time later, each time one try only; then it waits for a person."""
    await give_up(AWAY, ("s", "a"))
    attempts = (await queue.dead_letters())[0].attempts
    waits = []
    while (due := next_replay((await queue.dead_letters())[0])) is not None:
        waits.append(due - (await queue.dead_letters())[0].last_failed_at)
        clock.now = due
        upstream.error = None
        assert await replayer.look() == 1
        upstream.error = AWAY
        await worker.drain()
        attempts += 1
        assert (await queue.dead_letters())[0].attempts == attempts
    assert tuple(waits) == BACKOFF
    clock.advance(30 * 86_400)
    upstream.error = None
    assert await replayer.look() == 0
    assert (await queue.dead_letters())[0].replays == len(BACKOFF)


async def test_letters_that_came_back_often_enough_are_found(replayer, worker, upstream, give_up, queue, clock):
    """They wait for a person, like those that were refused, and say why."""
    await give_up(AWAY, ("s", "a"))
    await give_up(NEVER, ("refused", "b"))
    [letter, _] = await queue.dead_letters()
    for _ in BACKOFF:
        assert [one.id async for one in matching(queue, Filters(comes_back=True))] == [letter.id]
        assert await queue.replay(letter.id, automatic=True)
        upstream.error = AWAY
        await worker.drain()
        letter = (await queue.dead_letters())[-1]
    assert [one async for one in matching(queue, Filters(comes_back=True))] == []
    told = [describe(one) async for one in matching(queue, Filters(comes_back=False))]
    assert [(one["code"], one["given_up"], one["next_replay"]) for one in told] == [
        ("400", False, None),
        ("away", True, None),
    ]


async def test_a_delivery_that_went_well_spares_the_ping(queue, telemetry, worker, upstream, give_up, put, clock):
    """What was delivered after the failure proves that the upstream works, even where a ping is refused."""
    await give_up(AWAY, ("s", "a"))
    await put("other", "b")
    await worker.drain()
    clock.advance(MINUTE)

    async def refused():
        raise Rejected("this account may not be asked that", code="403", component="test")

    replayer = AutoReplay(queue, Health([worker], {("to-freshchat", "t1"): refused}), telemetry, clock)
    assert await replayer.look() == 1


async def test_nothing_comes_back_while_the_tenant_is_held(replayer, worker, upstream, give_up, put, clock):
    """Credentials are refused: the letters stay until they are taken again, even if the ping works."""
    await give_up(AWAY, ("s", "a"))
    clock.advance(MINUTE)
    upstream.error = Forbidden("no", code="401", component="test")
    await put("other", "b")
    await worker.drain()
    upstream.error = None
    assert await replayer.look() == 0
    clock.advance(MINUTE)
    await worker.drain()
    assert upstream.took == ["b"]
    assert await replayer.look() == 1


async def test_a_mass_of_letters_comes_back_a_few_at_a_time(replayer, worker, upstream, give_up, queue, clock):
    """One per thread and look, `AT_ONCE` per tenant and look; each thread in its order."""
    many = AT_ONCE + 5
    await give_up(AWAY, *((f"s{n:02}", name) for n in range(many) for name in ("a", "b")))
    clock.advance(MINUTE)
    assert await replayer.look() == AT_ONCE
    waiting = (await queue.depth("to-freshchat")).waiting
    assert waiting == AT_ONCE
    looks = [AT_ONCE]
    while await queue.dead_letters():
        await worker.drain()
        looks.append(await replayer.look())
    await worker.drain()
    assert sum(looks) == 2 * many
    assert max(looks) <= AT_ONCE
    assert upstream.took.count("a") == upstream.took.count("b") == many


async def test_a_thread_comes_back_in_order(replayer, worker, upstream, give_up, queue, clock):
    """The earliest message first, one per look, however many there are."""
    names = [f"{n}" for n in range(4)]
    await give_up(AWAY, *(("s", name) for name in names))
    clock.advance(MINUTE)
    for _ in names:
        assert await replayer.look() == 1
        await worker.drain()
    assert upstream.took == names


async def test_letters_of_a_tenant_that_is_gone_stay(replayer, worker, give_up, queue, clock):
    """Nobody knows how to ask its upstream, and the letters of the others are not held up by it."""
    await give_up(AWAY, ("s", "a"), tenant="gone")
    await give_up(AWAY, ("s", "a"))
    clock.advance(MINUTE)
    assert await replayer.look() == 1
    assert [letter.envelope.tenant for letter in await queue.dead_letters()] == ["gone"]


async def test_two_replicas_put_a_letter_back_once(queue, health, telemetry, worker, upstream, give_up, clock):
    """Both look at the same list; only one of them has each letter."""
    await give_up(AWAY, *((f"s{n}", "a") for n in range(5)))
    clock.advance(MINUTE)
    first, second = (AutoReplay(queue, health, telemetry, clock) for _ in range(2))
    assert sum(await asyncio.gather(first.look(), second.look())) == 5
    await worker.drain()
    assert upstream.took == ["a"] * 5


async def test_letters_behind_many_others_have_their_turn(queue, worker, upstream, replayer, clock, put, monkeypatch):
    """A look reads a stretch of the list; the next one goes on, and begins anew at the end."""
    monkeypatch.setattr("bridge.letters.PAGE", 3)
    monkeypatch.setattr("bridge.letters.PER_LOOK", 6)
    upstream.error = NEVER
    for number in range(7):
        await put(f"refused{number}", "x")
    await worker.drain()
    upstream.error = AWAY
    await put("s", "a")
    for _ in range(3):
        await worker.drain()
        clock.advance(15)
    upstream.error = None
    clock.advance(MINUTE)
    assert [await replayer.look() for _ in range(3)] == [0, 1, 0]


async def test_the_task_survives_a_store_that_is_away(queue, health, telemetry, clock, give_up, upstream, worker):
    """It looks again, and ends when it is told to."""

    await give_up(AWAY, ("s", "a"))
    clock.advance(MINUTE)
    errors = [Unavailable("away", code="busy", component="store"), RuntimeError("a bug")]

    class Shaky:
        """The queue, which fails at first."""

        replay = staticmethod(queue.replay)

        @staticmethod
        async def dead_letters(*args, **more):
            if errors:
                raise errors.pop(0)
            return await queue.dead_letters(*args, **more)

    task = asyncio.create_task(AutoReplay(Shaky(), health, telemetry, clock, every=0.01).run())
    async with asyncio.timeout(5):
        while await queue.dead_letters():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await worker.drain()
    assert upstream.took == ["a"]


def test_every_wait_is_longer_than_the_one_before():
    """Seven tries, from a minute to a day."""
    assert list(BACKOFF) == sorted(set(BACKOFF))
    assert (len(BACKOFF), BACKOFF[0], BACKOFF[-1]) == (7, 60.0, 86_400.0)
