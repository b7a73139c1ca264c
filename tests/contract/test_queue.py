"""Runs the queue's suite over the embedded queue, and tests what only that one promises."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from bridge.errors import LeaseLost, StoreFull
from bridge.ports import Queue
from tests.contract.queue_records_suite import QueueRecordsSuite, QueueRoomSuite
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, Clock, QueueRig, QueueSuite, accept, drain, head


class SqliteRig:
    """Opens embedded queues on one file, each with a connection of its own, like processes."""

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self.path = path
        self.clock = clock
        self.opened: list[SqliteQueue] = []

    async def open(self, lease_seconds: float = 30, limit: int = 0) -> Queue:
        now = self.clock or time.time
        queue = SqliteQueue(Database(self.path, now=now), lease_seconds=lease_seconds, limit=limit, now=now)
        self.opened.append(queue)
        return queue

    async def open_bounded(self, limit: int) -> Queue:
        return await self.open(limit=limit)

    async def pragma(self, queue: Queue, pragma: str) -> int:
        assert isinstance(queue, SqliteQueue)
        row = await queue.db.write(lambda conn: conn.execute(f"PRAGMA {pragma}").fetchone())
        return 0 if row is None else int(row[0])

    async def fill(self, queue: Queue) -> None:
        await self.pragma(queue, f"max_page_count = {await self.pragma(queue, 'page_count')}")

    async def free(self, queue: Queue) -> None:
        await self.pragma(queue, "max_page_count = 1000000")

    async def lock(self, queue: Queue) -> None:
        await self.pragma(queue, "query_only = ON")

    async def unlock(self, queue: Queue) -> None:
        assert isinstance(queue, SqliteQueue)
        conn = queue.db._writer._transactions._conn  # no write transaction can begin, so there is no other way in
        assert conn is not None
        conn.execute("PRAGMA query_only = OFF")

    async def close(self) -> None:
        for queue in self.opened:
            await queue.close()
            await queue.db.close()


@pytest.fixture(params=["set clock", "real clock"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[QueueRig]:
    sqlite = SqliteRig(tmp_path / "bridge.db", Clock() if request.param == "set clock" else None)
    yield QueueRig(
        open=sqlite.open,
        lease_seconds=30,
        short_lease=0.3,
        open_bounded=sqlite.open_bounded,
        clock=sqlite.clock,
        fill=sqlite.fill,
        free=sqlite.free,
        lock=sqlite.lock,
        unlock=sqlite.unlock,
    )
    await sqlite.close()


class TestSqliteQueue(QueueSuite, QueueRecordsSuite, QueueRoomSuite):
    """The embedded queue keeps the contract."""

    async def test_a_session_its_worker_forgot_is_not_renewed(self, rig: QueueRig) -> None:
        """A worker that crashes without a word does not hold its session for ever."""
        if rig.clock:
            pytest.skip("needs real time")
        queue = await rig.open(0.2)
        sent = await rig.put(queue)
        session: object = await accept(queue)
        del session
        gc.collect()
        assert await drain(queue, wait=2) == sent

    async def test_a_put_whose_caller_left_still_wakes_a_worker(self, rig: QueueRig) -> None:
        queue = await rig.open()
        waiting = asyncio.create_task(queue.accept(TO_FRESHCHAT, 5))
        await asyncio.sleep(0.05)
        put = asyncio.create_task(queue.put(rig.envelope()))
        await asyncio.sleep(0)
        put.cancel()
        session = await asyncio.wait_for(waiting, 1)
        assert session is not None

    async def test_what_an_outage_left_under_lease_is_ready_when_it_ends(self, rig: QueueRig) -> None:
        """Nobody waits until the lease of a session runs out that could not be given back."""
        assert rig.lock is not None
        assert rig.unlock is not None
        queue = await rig.open()
        sent = await rig.put(queue, 2) + await rig.put(queue, 1, direction=TO_TEAMS)
        sessions = [await accept(queue), await accept(queue, TO_TEAMS)]
        await rig.lock(queue)
        for session in sessions:
            with pytest.raises(StoreFull):
                await session.complete(await head(session))
            await session.release()
        with pytest.raises(StoreFull):
            await queue.accept(TO_FRESHCHAT, 0)
        await rig.unlock(queue)
        assert await drain(queue, wait=2) + await drain(queue, TO_TEAMS, wait=2) == sent

    async def test_one_message_costs_three_commits(self, rig: QueueRig) -> None:
        queue = await rig.open()
        assert isinstance(queue, SqliteQueue)
        statements: list[str] = []
        await queue.db.write(lambda conn: conn.set_trace_callback(statements.append))
        statements.clear()
        await rig.put(queue)
        session = await accept(queue)
        await session.complete(await head(session))
        assert await session.next() is None
        assert statements.count("COMMIT") == 3


@pytest.mark.parametrize("settle", ["complete", "retry", "dead_letter"])
async def test_the_file_decides_whose_lease_it_is(tmp_path: Path, settle: str) -> None:
    """A worker that slept through its lease, and whose clock slept too, settles nothing."""
    asleep, awake = SqliteRig(tmp_path / "bridge.db", Clock()), SqliteRig(tmp_path / "bridge.db", Clock())
    rig = QueueRig(open=asleep.open, lease_seconds=30, clock=asleep.clock)
    queue, other = await asleep.open(), await awake.open()
    sent = await rig.put(queue, 2)
    late = await accept(queue)
    delivery = await head(late)
    assert awake.clock is not None
    awake.clock.time += 31
    new = await accept(other)
    with pytest.raises(LeaseLost):
        if settle == "complete":
            await late.complete(delivery)
        elif settle == "retry":
            await late.retry(delivery, 0, FAILED)
        else:
            await late.dead_letter(delivery, FAILED)
    await late.release()
    assert await other.accept(TO_FRESHCHAT, 0.05) is None
    assert await other.dead_letters() == []
    await new.release()
    assert await drain(other) == sent
    await asleep.close()
    await awake.close()


async def test_the_last_of_the_disk_is_for_settling(tmp_path: Path) -> None:
    """When only the reserve is left, nothing more is taken, and what is there can be worked off."""
    path = tmp_path / "bridge.db"
    rig = QueueRig(open=SqliteRig(path, None).open, lease_seconds=30)
    async with Database(path) as db:
        queue = SqliteQueue(db)
        sent = await rig.put(queue, 3)
        await queue.close()
    total = shutil.disk_usage(tmp_path).total
    async with Database(path) as db:
        queue = SqliteQueue(db)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=total, free=1_000_000))
            with pytest.raises(StoreFull, match="reserve"):
                await queue.put(rig.envelope())
            with pytest.raises(StoreFull, match="reserve"):
                await queue.ping()
            assert await drain(queue) == sent
        assert await queue.put(rig.envelope())
        await queue.ping()
        await queue.close()


PUTTER = """
import asyncio, sys, time
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from bridge.ports import Envelope

async def put(queue, worker):
    number = 0
    while True:
        number += 1
        await queue.put(Envelope(direction="to-freshchat", tenant="t", message_id=f"{worker}.{number}",
            session=f"s{worker}", kind="message", trace="0" * 32, body=b"x" * 1000, received_at=time.time()))
        print(f"{worker}.{number}", flush=True)

async def main():
    queue = SqliteQueue(Database(sys.argv[1]))
    await asyncio.gather(*(put(queue, worker) for worker in range(8)))

asyncio.run(main())
"""


async def test_a_killed_process_loses_nothing_it_had_put(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing: all that `put` returned for is there, in order."""
    path = tmp_path / "bridge.db"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PUTTER, str(path), stdout=asyncio.subprocess.PIPE, cwd=Path.cwd(), env=dict(os.environ)
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(200)]
    process.send_signal(signal.SIGKILL)
    lines += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()
    confirmed = [line.decode().strip() for line in lines if line.endswith(b"\n")]
    assert len(confirmed) >= 200
    async with Database(path) as db:
        queue = SqliteQueue(db)
        found = [e.message_id for e in await drain(queue)]
        await queue.close()
    assert set(confirmed) <= set(found)
    for worker in range(8):
        numbers = [int(f.split(".")[1]) for f in found if f.startswith(f"{worker}.")]
        assert numbers == list(range(1, len(numbers) + 1))
