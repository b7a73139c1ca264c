"""Runs the thread map's suite over the embedded one, and tests its housekeeping."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.local.sqlite import Database
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.ports import ThreadMap
from tests.contract.queue_suite import Clock
from tests.contract.thread_map_suite import DAY, ThreadMapSuite, ThreadRig


class SqliteRig:
    """Opens embedded maps on one file, each with connections of its own, like processes."""

    def __init__(self, path: Path, clock: Clock | None) -> None:
        self.path = path
        self.now = clock or time.time
        self.opened: list[tuple[ThreadMap, Database]] = []

    async def open(self) -> ThreadMap:
        db = Database(self.path, now=self.now)
        threads = SqliteThreadMap(db, now=self.now)
        self.opened.append((threads, db))
        return threads

    def database(self, threads: ThreadMap) -> Database:
        return next(db for opened, db in self.opened if opened is threads)

    async def lock(self, threads: ThreadMap) -> None:
        await self.database(threads).write(lambda conn: conn.execute("PRAGMA query_only = ON").fetchone())

    async def unlock(self, threads: ThreadMap) -> None:
        conn = self.database(threads)._writer._transactions._conn  # no write transaction can begin
        assert conn is not None
        conn.execute("PRAGMA query_only = OFF")

    async def close(self) -> None:
        for threads, db in self.opened:
            await threads.close()
            await db.close()


@pytest.fixture(params=["set clock", "real clock"])
async def sqlite(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteRig]:
    sqlite = SqliteRig(tmp_path / "bridge.db", Clock() if request.param == "set clock" else None)
    yield sqlite
    await sqlite.close()


@pytest.fixture
def rig(sqlite: SqliteRig) -> ThreadRig:
    clock = sqlite.now if isinstance(sqlite.now, Clock) else None
    return ThreadRig(open=sqlite.open, clock=clock, lock=sqlite.lock, unlock=sqlite.unlock)


class TestSqliteThreadMap(ThreadMapSuite):
    """The embedded thread map keeps the contract."""

    async def test_the_journal_is_kept_for_thirty_days(self, rig: ThreadRig, sqlite: SqliteRig) -> None:
        """And links and lasting facts for good."""
        if rig.clock is None:
            pytest.skip("needs a clock")
        threads = await rig.open()
        db = sqlite.database(threads)
        await threads.start("t", "old", rig.now())
        await threads.done("t", "adopted", "sent-1")
        await threads.learn("t", "team", "short", {"a": "1"}, 5)
        await threads.learn("t", "team", "kept", {"a": "2"}, None)
        rig.clock.time += 30 * DAY - 1
        await threads.start("t", "new", rig.now())
        assert await db.sweep() == 1
        assert not (await threads.start("t", "old", rig.now())).first
        rig.clock.time += 2
        assert await db.sweep() == 2
        assert (await threads.start("t", "old", rig.now())).first
        assert not (await threads.start("t", "new", rig.now())).first
        assert await threads.origin("t", "sent-1") is None
        assert await threads.fact("t", "team", "kept") == {"a": "2"}
