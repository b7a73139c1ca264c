"""A worker on the embedded queue: order, retries, dead letters, holds."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from bridge.delivery import Done
from bridge.errors import Forbidden, Infected, LeaseLost, Rejected, StoreFull, Throttled, Unavailable
from bridge.events import Ignored
from bridge.ports import ConversationClosed

AWAY = Unavailable("away", code="away", component="test")
REFUSED = Forbidden("refused", code="401", component="test")
NEVER = Rejected("no", code="400", component="test")


@pytest.fixture
def seen():
    return []


@pytest.fixture
def scripted(seen, name_of):
    """A handler that raises what the script says for a name, one after the other, and then delivers."""

    def scripted(script):
        left = {name: list(errors) for name, errors in script.items()}

        async def handler(delivery):
            name = name_of(delivery)
            errors = left.get(name)
            if errors:
                error = errors.pop(0)
                raise error
            seen.append(name)
            return Done()

        return handler

    return scripted


async def test_each_session_keeps_its_order_while_everything_fails_now_and_then(put, work, until_empty, name_of):
    """Random failures of every kind that is tried again change the time of delivery, never the order."""
    dice, order = random.Random(11), defaultdict(list)

    async def handler(delivery):
        await asyncio.sleep(0)
        if dice.random() < 0.5:
            raise dice.choice([AWAY, REFUSED, Throttled("slow", code="429", component="test", after=5.0)])
        order[delivery.envelope.session].append(name_of(delivery))
        return Done()

    names = [f"{n:02}" for n in range(8)]
    for name in names:
        for session in range(6):
            await put(f"s{session}", name)
    await until_empty(work(handler, window=1e9), rounds=500)
    assert dict(order) == {f"t1/s{session}": names for session in range(6)}


async def test_sessions_are_worked_on_side_by_side_and_each_by_one(put, work, running, name_of):
    """Eight threads do not wait for each other; one thread is never in two hands."""
    inside, most, all_in = defaultdict(int), defaultdict(int), asyncio.Event()

    async def handler(delivery):
        session = delivery.envelope.session
        inside[session] += 1
        most[session] = max(most[session], inside[session])
        if sum(inside.values()) == 8:
            all_in.set()
        await all_in.wait()
        inside[session] -= 1
        return Done()

    for session in range(8):
        await put(f"s{session}", "a", "b")
    running.run(work(handler, concurrency=8))
    async with asyncio.timeout(5):
        await all_in.wait()
    await running.stop()
    assert set(most.values()) == {1}


async def test_no_more_sessions_than_allowed_are_in_work(put, work, running, queue):
    """Concurrency is a bound, and a slot is free again after each session, failed or not."""
    inside, most = 0, 0

    async def handler(delivery):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.05)
        inside -= 1
        if delivery.envelope.session.endswith("1"):
            raise NEVER
        return Done()

    for session in range(12):
        await put(f"s{session}", "a")
    running.run(work(handler, concurrency=3))
    async with asyncio.timeout(5):
        while (await queue.depth("to-freshchat")).waiting:
            await asyncio.sleep(0.01)
    await running.stop()
    assert most == 3


async def test_a_message_that_fails_is_tried_again_and_counts(put, work, clock, scripted, seen, queue):
    """Its thread waits, the next message stays behind it, and nothing becomes a dead letter."""
    await put("s", "a", "b")
    worker = work(scripted({"a": [AWAY, AWAY]}))
    assert await worker.drain() == 1
    assert await worker.drain() == 0
    clock.advance(1)
    await worker.drain()
    assert seen == []
    clock.advance(2)
    await worker.drain()
    assert seen == ["a", "b"]
    assert await queue.dead_letters() == []


async def test_a_throttled_thread_waits_as_long_as_it_was_told(put, work, clock, scripted, seen):
    """Not a second less, and not much more."""
    await put("s", "a")
    worker = work(scripted({"a": [Throttled("slow", code="429", component="test", after=40.0)]}))
    await worker.drain()
    clock.advance(39.9)
    assert await worker.drain() == 0
    clock.advance(0.3)
    await worker.drain()
    assert seen == ["a"]


async def test_a_message_that_fails_too_long_makes_way(put, work, until_empty, scripted, seen, queue):
    """After the window it is a whole dead letter, and the thread goes on in order."""
    await put("s", "a", "b", "c")
    await until_empty(work(scripted({"b": [AWAY] * 1000}), window=600.0))
    assert seen == ["a", "c"]
    (letter,) = await queue.dead_letters()
    assert letter.envelope.body == b"b"
    assert (letter.failure.code, letter.failure.component) == ("away", "test")
    assert letter.attempts > 5
    assert letter.last_failed_at - letter.first_failed_at >= 600


@pytest.mark.parametrize("error", [NEVER, Infected("virus", code="infected", component="test")])
async def test_a_message_that_is_refused_for_good_makes_way_at_once(error, put, work, scripted, seen, queue):
    """One try, a dead letter, and the next message."""
    await put("s", "a", "b")
    await work(scripted({"a": [error]})).drain()
    assert seen == ["b"]
    (letter,) = await queue.dead_letters()
    assert (letter.envelope.body, letter.attempts, letter.failure.code) == (b"a", 1, error.code)


async def test_a_replayed_letter_is_delivered(put, work, clock, scripted, seen, queue):
    """A fix and a replay bring the message through, with a fresh window."""
    await put("s", "a")
    worker = work(scripted({"a": [NEVER, AWAY]}))
    await worker.drain()
    (letter,) = await queue.dead_letters()
    clock.advance(86_400)
    assert await queue.replay(letter.id)
    await worker.drain()
    clock.advance(60)
    await worker.drain()
    assert seen == ["a"]
    assert await queue.dead_letters() == []


@pytest.mark.parametrize(
    "bug", [KeyError("planted-body"), ConversationClosed("planted-body"), RecursionError("planted")]
)
async def test_a_bug_is_tried_a_few_times_and_kept_for_a_fixed_version(
    bug, put, work, until_empty, scripted, seen, queue
):
    """The exception's text may hold anything, so it is not kept."""
    await put("s", "a", "b")
    await until_empty(work(scripted({"a": [bug] * 100}), bug_attempts=4))
    assert seen == ["b"]
    (letter,) = await queue.dead_letters()
    assert (letter.failure.code, letter.attempts) == ("bug", 4)
    assert type(bug).__name__ in letter.failure.message
    assert "planted" not in letter.failure.message


async def test_a_delivery_that_hangs_is_tried_again(put, work, until_empty, seen, name_of):
    """A time-out is an upstream that is away, not a bug."""

    async def handler(delivery):
        if delivery.attempts < 2:
            await asyncio.Event().wait()
        seen.append((name_of(delivery), delivery.attempts))
        return Done()

    await put("s", "a")
    await until_empty(work(handler, timeout=0.02, bug_attempts=1))
    assert seen == [("a", 2)]


async def test_refused_credentials_hold_the_tenant_and_lose_nothing(put, work, clock, queue, seen, name_of):
    """Nothing is dead-lettered for days, one probe at a time asks, another tenant is not held, order stays."""
    asked, refusing = [], True

    async def handler(delivery):
        if refusing and delivery.envelope.tenant == "t1":
            asked.append(name_of(delivery))
            raise REFUSED
        seen.append((delivery.envelope.session, name_of(delivery), delivery.attempts))
        return Done()

    for session in range(20):
        await put(f"s{session}", "a", "b")
        await put(f"s{session}", "a", tenant="t2")
    worker = work(handler, window=60.0, bug_attempts=1)
    await worker.drain()
    assert len(asked) == 1
    assert worker.holds.tenants() == ["t1"]
    assert len(seen) == 20
    for probes in range(2, 12):
        clock.advance(6 * 3600)
        await worker.drain()
        assert len(asked) == probes
    assert (await queue.depth("to-freshchat")).dead == 0
    refusing = False
    for _ in range(4):
        clock.advance(17)
        await worker.drain()
    assert worker.holds.tenants() == []
    held = [entry for entry in seen if entry[0].startswith("t1/")]
    assert {attempts for _, _, attempts in held} == {0}
    for session in range(20):
        assert [name for where, name, _ in held if where == f"t1/s{session}"] == ["a", "b"]


async def test_a_delivery_that_asked_nobody_does_not_end_a_hold(put, work, clock, name_of):
    """What is ignored proves nothing about our credentials, and takes the probe from nobody who would ask."""
    held_when_asked = []

    async def handler(delivery):
        if name_of(delivery) == "echo":
            return Ignored("own_message")
        held_when_asked.append(worker.holds.tenants())
        raise REFUSED

    worker = work(handler)
    for number in range(3):
        await put(f"question{number}", "question")
    await worker.drain()
    for number in range(5):
        await put(f"echo{number}", "echo")
    for _ in range(6):
        clock.advance(15)
        await worker.drain()
    assert held_when_asked[0] == []
    assert set(map(tuple, held_when_asked[1:])) == {("t1",)}
    assert len(held_when_asked) >= 6


async def test_what_is_ignored_is_settled(put, work, queue):
    """It is gone from the queue and no dead letter."""

    async def handler(_delivery):
        return Ignored("empty")

    await put("s", "a")
    await work(handler).drain()
    depth = await queue.depth("to-freshchat")
    assert (depth.waiting, depth.dead) == (0, 0)


async def test_a_store_that_is_full_costs_no_attempt(put, work, scripted, seen, clock, queue):
    """The message is given back as it was, and delivered when the store has room."""
    await put("s", "a", "b")
    tried = []
    inner = scripted({"a": [StoreFull("full")]})

    async def handler(delivery):
        tried.append(delivery.attempts)
        return await inner(delivery)

    await work(handler).drain()
    assert (seen, tried) == (["a", "b"], [0, 0, 0])
    assert await queue.dead_letters() == []


async def test_a_lost_lease_settles_nothing(put, work, clock, seen, name_of, queue):
    """Who was too slow for its lease settles nothing: the message is taken again, in order, without a failure."""

    async def handler(delivery):
        seen.append((name_of(delivery), delivery.attempts))
        if len(seen) == 1:
            clock.advance(31)
        return Done()

    await put("s", "a", "b")
    await work(handler).drain()
    assert seen == [("a", 0), ("a", 0), ("b", 0)]
    assert await queue.dead_letters() == []


async def test_a_handler_that_lost_its_lease_settles_nothing(put, work, seen, name_of):
    """Neither retried nor dead-lettered by the loser."""

    async def handler(delivery):
        seen.append((name_of(delivery), delivery.attempts))
        if len(seen) == 1:
            raise LeaseLost("somebody else has it")
        return Done()

    await put("s", "a")
    await work(handler).drain()
    assert seen == [("a", 0), ("a", 0)]
