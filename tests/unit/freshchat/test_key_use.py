"""Each key's last use can be read by others: soon after the first, then once a minute, and at the end."""

from __future__ import annotations

import io

import pytest

from adapters.freshchat.key_use import LOOK_SECONDS, WRITE_SECONDS, KeyUse, Use, last_use
from adapters.local.sqlite import Database
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import Unavailable
from bridge.telemetry import Telemetry


class Rig:
    """Two doors on one store, and a clock that stands still."""

    def __init__(self, database):
        self.now, self.writes, self.fault = 1000.0, 0, None
        self.threads = SqliteThreadMap(database, now=lambda: self.now)
        self.telemetry = Telemetry("INFO", io.StringIO())
        self.here, self.there = (KeyUse(self, self.telemetry, lambda: self.now) for _ in range(2))

    async def learn(self, *arguments):
        if self.fault:
            raise self.fault
        self.writes += 1
        await self.threads.learn(*arguments)

    async def fact(self, *arguments):
        return await self.threads.fact(*arguments)

    async def known(self, key="k1"):
        return await last_use(self.threads, "t1", key)


@pytest.fixture
async def rig(tmp_path):
    async with Database(tmp_path / "bridge.db") as database:
        yield Rig(database)


async def test_the_first_use_is_written_at_the_next_look(rig):
    """Or a key that is in use again could be retired as unused."""
    rig.here.note("t1", "k1")
    assert await rig.known() == Use()
    await rig.here.flush()
    assert await rig.known() == Use(1, 1000.0)


async def test_a_busy_key_is_written_once_a_minute(rig):
    """However often it is used; the count is whole all the same."""
    for second in range(180):
        rig.now = 1000.0 + second
        rig.here.note("t1", "k1")
        if second % LOOK_SECONDS == 0:
            await rig.here.flush()
    assert rig.writes == 180 / WRITE_SECONDS
    await rig.here.flush(everything=True)
    assert await rig.known() == Use(180, 1179.0)


async def test_keys_and_tenants_are_apart(rig):
    rig.here.note("t1", "k1")
    rig.here.note("t1", "k2")
    rig.here.note("t2", "k1")
    rig.here.note("t2", "k1")
    await rig.here.flush()
    assert [(await rig.known(key)).count for key in ("k1", "k2")] == [1, 1]
    assert await last_use(rig.threads, "t2", "k1") == Use(2, 1000.0)


async def test_two_doors_add_up_and_the_latest_use_counts(rig):
    rig.here.note("t1", "k1")
    rig.now += 5
    rig.there.note("t1", "k1")
    await rig.there.flush()
    await rig.here.flush()
    assert await rig.known() == Use(2, 1005.0)


async def test_what_cannot_be_written_is_written_later(rig):
    rig.here.note("t1", "k1")
    rig.fault = Unavailable("gone", code="x", component="x")
    await rig.here.flush()
    rig.fault = None
    rig.now += 1
    rig.here.note("t1", "k1")
    await rig.here.flush()
    assert await rig.known() == Use(2, 1001.0)


async def test_the_end_writes_what_is_left(rig):
    context = rig.here.context(None)
    await anext(context)
    rig.here.note("t1", "k1")
    with pytest.raises(StopAsyncIteration):
        await anext(context)
    assert await rig.known() == Use(1, 1000.0)


async def test_each_use_is_in_the_metrics_at_once(rig):
    rig.here.note("t1", "k1")
    rig.here.note("t1", "k1")
    labels = {"tenant": "t1", "key": "k1"}
    assert rig.telemetry.registry.get_sample_value("bridge_webhook_key_total", labels) == 2
