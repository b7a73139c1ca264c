"""Stopping and being cancelled: finish or give back, and never lose the place in the line."""

from __future__ import annotations

import asyncio

import pytest

from bridge.delivery import Done
from bridge.errors import StoreFull


@pytest.fixture
def stuck():
    """A handler that tells when it has begun and waits until it may end."""

    class Stuck:
        def __init__(self):
            self.begun, self.may_end = asyncio.Event(), asyncio.Event()
            self.cancelled, self.attempts = 0, []

        async def __call__(self, delivery):
            self.attempts.append(delivery.attempts)
            self.begun.set()
            try:
                await self.may_end.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            return Done()

    return Stuck()


async def _taken_back(queue):
    session = await queue.accept("to-freshchat", 0)
    delivery = await session.next()
    await session.release()
    return delivery


async def test_stop_gives_back_what_does_not_finish(put, work, stuck, queue):
    """Another worker gets the message at once, first in order and without an attempt counted."""
    await put("s", "a", "b")
    worker = work(stuck)
    task = asyncio.create_task(worker.run())
    await stuck.begun.wait()
    await worker.stop(0)
    await task
    assert stuck.cancelled == 1
    delivery = await _taken_back(queue)
    assert (delivery.envelope.body, delivery.attempts, delivery.first_failed_at) == (b"a", 0, None)


async def test_stop_lets_finish_within_its_grace(put, work, stuck, queue):
    """The message under way is settled; the next one of its session is left for others."""
    await put("s", "a", "b")
    worker = work(stuck)
    task = asyncio.create_task(worker.run())
    await stuck.begun.wait()
    stopping = asyncio.create_task(worker.stop(5))
    await asyncio.sleep(0)
    stuck.may_end.set()
    await stopping
    await task
    assert stuck.cancelled == 0
    assert (await _taken_back(queue)).envelope.body == b"b"


async def test_what_arrives_while_stopping_is_not_kept(put, work, stuck, queue):
    """A session that was leased in the very moment of the stop is free again when the worker has ended."""
    worker = work(stuck)
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0.01)
    await worker.stop(0)
    await put("s", "a")
    await task
    assert stuck.attempts == []
    assert (await _taken_back(queue)).envelope.body == b"a"


async def test_a_stopped_worker_takes_nothing_more(put, work, stuck, queue):
    """Not even when a slot becomes free by the stop itself."""
    await put("s1", "a")
    await put("s2", "b")
    worker = work(stuck, concurrency=1)
    task = asyncio.create_task(worker.run())
    await stuck.begun.wait()
    await worker.stop(0)
    await task
    assert len(stuck.attempts) == 1
    sessions = [await queue.accept("to-freshchat", 0) for _ in range(3)]
    assert [s is not None for s in sessions] == [True, True, False]


async def test_a_cancelled_delivery_is_given_back(put, work, stuck, queue):
    """Cancelling one session settles nothing and counts nothing."""
    await put("s", "a")
    worker = work(stuck)
    task = asyncio.create_task(worker.drain())
    await stuck.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    delivery = await _taken_back(queue)
    assert (delivery.attempts, delivery.first_failed_at) == (0, None)
    assert (await queue.depth("to-freshchat")).dead == 0


async def test_a_worker_outlives_a_store_that_is_away(put, work, stuck, queue, monkeypatch):
    """Accepting fails for a while, then goes on; the slot is not lost."""
    real, failures = queue.accept, [StoreFull("full")]

    async def accept(direction, wait, room=None):
        if failures:
            raise failures.pop()
        return await real(direction, wait)

    monkeypatch.setattr(queue, "accept", accept)
    await put("s", "a")
    worker = work(stuck, concurrency=1)
    stuck.may_end.set()
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(5):
        await stuck.begun.wait()
    await worker.stop(1)
    await task
