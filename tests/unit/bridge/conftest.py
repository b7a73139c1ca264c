"""The core's own world: real embedded stores on a clock that only moves when told to."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace

import pytest
from hypothesis import settings

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge import ids
from bridge.delivery import Worker
from bridge.patience import Patience
from bridge.ports import Envelope
from bridge.telemetry import Telemetry

settings.register_profile("unit", deadline=None, derandomize=True, database=None, max_examples=150)
settings.load_profile("unit")

START = 1_767_312_000.0


class Clock:
    """Seconds that pass only by `advance`."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def _seeded():
    random.seed(7)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def database(tmp_path, clock):
    async with Database(tmp_path / "bridge.db", now=clock) as opened:
        yield opened


@pytest.fixture
async def queue(database, clock):
    opened = SqliteQueue(database, lease_seconds=30, now=clock)
    yield opened
    await opened.close()


@pytest.fixture
def threads(database, clock):
    return SqliteThreadMap(database, now=clock)


@pytest.fixture
def telemetry():
    return Telemetry("CRITICAL")


@pytest.fixture
def put(queue, clock):
    """Put messages `names` into a session of a tenant."""

    async def put(session, *names, tenant="t1", direction="to-freshchat"):
        for name in names:
            envelope = Envelope(
                direction=direction,
                tenant=tenant,
                message_id=ids.dedupe_id(tenant, f"{session}:{name}"),
                session=f"{tenant}/{session}",
                kind="create",
                trace="0" * 32,
                body=name.encode(),
                received_at=clock(),
            )
            assert await queue.put(envelope)

    return put


@pytest.fixture
def work(queue, clock, telemetry):
    """Make a worker around a handler."""

    def work(handler, concurrency=64, **patience):
        limits = Patience(**{"first_wait": 1.0, "longest_wait": 60.0, "window": 600.0, **patience})
        return Worker(queue, "to-freshchat", handler, telemetry, clock=clock, concurrency=concurrency, patience=limits)

    return work


@pytest.fixture
def until_empty(queue, clock):
    """Drain again and again, letting time pass in between, until nothing waits."""

    async def until_empty(worker, step=61.0, rounds=60):
        for _ in range(rounds):
            await worker.drain()
            if (await queue.depth("to-freshchat")).waiting == 0:
                return
            clock.advance(step)
        raise AssertionError("messages are still waiting")

    return until_empty


@pytest.fixture
def running():
    """Run a worker beside the test and stop it in the end."""
    started = []

    def run(worker):
        task = asyncio.create_task(worker.run())
        started.append((worker, task))
        return task

    async def stop():
        for worker, task in started:
            await worker.stop(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    yield SimpleNamespace(run=run, stop=stop)


def _name(delivery):
    return delivery.envelope.body.decode()


@pytest.fixture
def name_of():
    return _name
