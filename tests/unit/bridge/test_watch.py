"""The alarm about dead letters sounds once when there are five, and again only after there were fewer."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from io import StringIO

import pytest

from bridge import ids
from bridge.ports import RECENT, Envelope, Failure
from bridge.telemetry import Telemetry
from bridge.watch import ALARM, Watch


class Watched:
    """A watch on a real queue, and what it told."""

    def __init__(self, queue, clock):
        self.queue, self.clock, self.log = queue, clock, StringIO()
        self.telemetry = Telemetry("INFO", self.log)
        self.watch = Watch(queue, self.telemetry, every=0.01)
        self.count = 0

    async def die(self, count=1, direction="to-freshchat"):
        """Put messages into the queue and give them up."""
        for _ in range(count):
            self.count += 1
            session = f"t1/s{self.count}"
            envelope = Envelope(
                direction=direction,
                tenant="t1",
                message_id=ids.dedupe_id("t1", session),
                session=session,
                kind="create",
                trace="0" * 32,
                body=b"{}",
                received_at=self.clock(),
            )
            await self.queue.put(envelope)
            session = await self.queue.accept(direction, 0)
            await session.dead_letter(await session.next(), Failure(code="x", message="x", component="x"))
            await session.release()

    def alerts(self):
        """List the alarms so far."""
        records = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [r for r in records if r["action"] == "dead_letters_alert"]

    def shown(self, name, direction="to-freshchat"):
        """Read a gauge."""
        return self.telemetry.registry.get_sample_value(name, {"direction": direction})


async def until(true):
    """Wait until it is true."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture
def watched(queue, clock):
    return Watched(queue, clock)


async def test_four_are_no_alarm_and_five_are_one(watched):
    """Both directions count together, and looking again does not repeat it."""
    await watched.die(ALARM - 1)
    await watched.watch.look()
    assert watched.alerts() == []
    await watched.die(1, "to-teams")
    await watched.watch.look()
    await watched.die(3)
    await watched.watch.look()
    [alert] = watched.alerts()
    assert (alert["level"], alert["recent"], alert["minutes"]) == ("error", ALARM, 15)


async def test_a_new_alarm_after_a_quiet_time(watched, clock):
    """Old letters no longer count, though they are still there; five new ones sound again."""
    await watched.die(ALARM)
    await watched.watch.look()
    clock.advance(RECENT + 1)
    await watched.watch.look()
    assert watched.shown("bridge_dead_letters_recent") == 0
    assert watched.shown("bridge_queue_dead") == ALARM
    await watched.die(ALARM)
    await watched.watch.look()
    assert len(watched.alerts()) == 2


async def test_the_depth_is_shown_while_it_runs(watched, put, clock):
    """Push exporters ask nobody: the gauges follow the queue by themselves, and it stops with the server."""
    await put("s", "one", "two")
    clock.advance(7)
    serving = watched.watch.context(None)
    await anext(serving)
    await until(lambda: watched.shown("bridge_queue_waiting") == 2)
    assert watched.shown("bridge_queue_oldest_seconds") == 7
    assert [value async for value in serving] == []
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "watch the queue"]


async def test_a_store_that_is_away_does_not_end_the_watch(watched, database, put):
    """It looks again and again, and shows what there is once the store is back."""
    with sqlite3.connect(database.path) as store:
        store.execute("ALTER TABLE depth RENAME TO hidden")
    with pytest.raises(sqlite3.OperationalError):
        await watched.watch.look()
    serving = watched.watch.context(None)
    await anext(serving)
    await until(lambda: "watch_failed" in watched.log.getvalue())
    with sqlite3.connect(database.path) as store:
        store.execute("ALTER TABLE hidden RENAME TO depth")
    await put("s", "one")
    await until(lambda: watched.shown("bridge_queue_waiting") == 1)
    assert [value async for value in serving] == []
