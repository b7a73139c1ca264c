"""Fair turns: no tenant takes all slots, none gets more than its budget, and who may not go on is not leased."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

import pytest

from bridge.delivery import Done, Worker
from bridge.errors import Throttled
from bridge.intake import Intake
from bridge.turns import HURRY, Gather, Turns


@pytest.fixture
def still():
    return SimpleNamespace(now=50.0)


@pytest.fixture
def turns(still):
    return Turns(64, tenants=2, rates={"t1": 5.0}, clock=lambda: still.now)


def never():
    raise AssertionError("nobody waits for a ring")


async def until(what):
    for _ in range(1000):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen")


def test_a_flood_leaves_slots_for_the_next_tenant_and_the_one_after():
    turns = Turns(64, tenants=3)
    held = {}
    for tenant in ("flood", "second", "third"):
        while turns.room(tenant) > 0:
            turns.begin(tenant)
            held[tenant] = held.get(tenant, 0) + 1
    assert held == {"flood": 32, "second": 16, "third": 8}
    assert turns.end("flood")
    assert turns.room("second") == 0 < turns.room("fourth")


def test_a_single_tenant_may_have_all_slots():
    turns = Turns(64)
    for _ in range(64):
        turns.begin("only")
    assert turns.room("only") == 0


async def test_a_budget_is_a_second_at_once_and_then_its_rate(turns, still):
    spent = 0
    for _ in range(100):
        while turns.room("t1") and turns.spend("t1", never):
            spent += 1
        assert not turns.spend("t1", never)
        still.now += 0.1
    assert spent == pytest.approx(5 + 5 * 10, abs=1)
    assert turns.spend("t2", never), "who has no budget is not counted"
    turns.close()


async def test_an_idle_budget_does_not_pile_up(turns, still):
    still.now += 3600
    assert turns.room("t1") == 5
    turns.close()


async def test_whoever_waits_is_rung_when_the_budget_allows_the_next():
    turns, rung = Turns(64, tenants=2, rates={"t1": 20.0}), asyncio.Event()
    while turns.spend("t1", rung.set):
        pass
    assert turns.room("t1") == 0
    await asyncio.wait_for(rung.wait(), 10)
    assert turns.room("t1") >= 1


async def test_over_its_budget_a_tenant_is_not_leased_and_others_go_on(put, queue, telemetry, clock, running, turns):
    """With time standing still, the budget allows five messages; the rest waits untouched, in order."""
    seen = []

    async def handler(delivery):
        seen.append((delivery.envelope.tenant, delivery.envelope.body))
        return Done()

    for n in range(12):
        await put(f"s{n % 3}", f"{n:02}")
    await put("s", *"abcdefgh", tenant="t2")
    running.run(Worker(queue, "to-freshchat", handler, telemetry, clock=clock, turns=turns))
    await until(lambda: len(seen) == 13)
    await asyncio.sleep(0.1)
    assert [tenant for tenant, _ in seen].count("t1") == 5
    assert (await queue.depth("to-freshchat")).waiting == 7
    left = await queue.find("0")
    assert {one.attempts for one in left} == {0}
    await running.stop()


async def test_a_worker_goes_on_when_the_budget_does(put, queue, telemetry, clock, running):
    seen = []

    async def handler(delivery):
        seen.append(time.monotonic())
        return Done()

    await put("one", *[f"{n:02}" for n in range(10)])
    for n in range(20):
        await put(f"s{n}", "x")
    began = time.monotonic()
    running.run(
        Worker(queue, "to-freshchat", handler, telemetry, clock=clock, turns=Turns(64, tenants=2, rates={"t1": 10.0}))
    )
    await until(lambda: len(seen) == 30)
    assert all(count <= 11 + 10 * (at - began) for count, at in enumerate(seen)), "never above the budget"
    await running.stop()


async def test_waiting_for_its_turn_is_no_failure(put, work, queue, clock):
    """Our own pace counts no attempt, starts no window and comes back at the told time: hours make no dead letter."""
    tries = []

    async def handler(delivery):
        tries.append((clock.now, delivery.attempts, delivery.first_failed_at))
        if len(tries) <= 500:
            raise Throttled("our own pace", code="graph_pace", component="graph", after=30.0, ours=True)
        return Done()

    await put("s", "a")
    worker = work(handler, window=600.0)
    for _ in range(501):
        await worker.drain()
        clock.advance(30.0)
    assert len(tries) == 501, "at exactly the told time each"
    assert {(attempts, first) for _, attempts, first in tries} == {(0, None)}
    depth = await queue.depth("to-freshchat")
    assert (depth.waiting, depth.dead) == (0, 0)


async def test_who_sends_a_lot_waits_for_a_tick_in_order_and_nobody_else_does(still):
    """A hundred at once are no flood; what comes after them goes together, and never overtakes."""
    gather, order = Gather(lambda: still.now), []

    async def send(name, tenant="flood"):
        await gather.wait(tenant)
        order.append(name)

    await asyncio.gather(*(send(n) for n in range(int(HURRY))))
    assert order == list(range(int(HURRY)))
    order.clear()
    waiting = [asyncio.create_task(send(n)) for n in range(50)]
    await asyncio.sleep(0)
    still.now += 60.0  # calm again, but there are some before it
    waiting.append(asyncio.create_task(send(50)))
    await asyncio.wait_for(send("x", tenant="calm"), 5)
    assert order == ["x"]
    await asyncio.gather(*waiting)
    assert order == ["x", *range(51)]
    await asyncio.wait_for(send("last"), 5)
    assert not gather._ticks


async def test_a_flood_through_the_door_keeps_its_order(queue, telemetry, clock, work):
    """What comes in while the one before waits for its tick is stored behind it."""
    intake, seen = Intake(queue, telemetry, clock, gather=Gather()), []

    async def handler(delivery):
        seen.append(int(delivery.envelope.body))
        return Done()

    async def store(n):
        assert await intake.store("to-freshchat", "t1", f"teams:{n}", "s", "create", b"%d" % n)

    stores = []
    for n in range(400):
        stores.append(asyncio.create_task(store(n)))
        if n % 7 == 0:
            await asyncio.sleep(0.001)
    await asyncio.gather(*stores)
    await work(handler).drain()
    assert seen == list(range(400))
