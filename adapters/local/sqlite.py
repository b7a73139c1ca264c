"""The embedded database: one SQLite file, one writer thread with group commit, one reader thread.

The promise: when `write` returns, what it wrote is on disk (WAL, synchronous=FULL), and survives the loss of the
process or of the machine's power. Several processes may use the same file; each opens its own `Database`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from adapters.local.sqlite_lane import Group, Item, Lane, Result, Transactions
from adapters.local.sqlite_schema import COMPONENT, SWEEPS, connect, is_busy, is_refusal, read_refusal, write_refusal
from bridge.errors import Misconfigured, StoreFull, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
SWEEP_ROWS = 500
LOOK_SECONDS = 0.025


class Database:
    """One SQLite file. Made anywhere, used from one event loop, closed by whoever made it (`async with` does)."""

    def __init__(
        self,
        path: Path | str,
        *,
        now: Callable[[], float] = time.time,
        pending: int = 20_000,
        sweep_seconds: float = 60.0,
        busy_seconds: float = 5.0,
        reserve: int = 64 * 1024 * 1024,
    ) -> None:
        """Open or create the file; Misconfigured if it is damaged, too new, or out of reach.

        A disk that is full or read-only just now does not stop the start: `write` says StoreFull until it recovers.
        `reserve` is how many bytes of the disk new messages may not use (a quarter of it, if that is less).
        """
        self.path = Path(path)
        self._now = now
        self._sweep_seconds = sweep_seconds
        self._sweeper: asyncio.Task[None] | None = None
        self._looker: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._busy_seconds = busy_seconds
        self._reserve = reserve
        self._check()
        writes = Transactions(self._connect_to_write, self._begin_writing, write_refusal)
        reads = Transactions(self._connect, _begin_reading, read_refusal)
        self._writer = Lane("sqlite-writer", writes, pending, StoreFull)
        self._reader = Lane("sqlite-reader", reads, pending, _unavailable)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work(conn)` in a transaction shared with other callers; its result comes after the commit.

        `work` may run twice (the first time rolled back) and has no effect but on the connection. Raises what it
        raises, StoreFull when the disk or the file does not take it or too much is pending.
        """
        return self.write_grouped(Group(lambda conn, _: [work(conn)]), None)

    def write_grouped(self, group: Group[Item, Result], item: Item) -> asyncio.Future[Result]:
        """Like `write`, for work that many callers do at once: see `Group`."""
        future = self._writer.submit(group, item)
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep_now_and_then(), name="sqlite-sweep")
        return future

    def read(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `work(conn)` on the reader's connection; it sees every write that returned before. Raises Unavailable."""
        return self._reader.submit(Group(lambda conn, _: [work(conn)]), None)

    def keep_reserve(self) -> None:
        """Raise StoreFull when the disk has only its reserve left.

        For writes that add to the backlog. Settling needs room as well (in the -wal file, until a checkpoint has
        found room in the main file), so a disk filled to the last byte could not even be emptied again.
        """
        disk = shutil.disk_usage(self.path.parent)
        if disk.free < min(self._reserve, disk.total // 4):
            raise StoreFull("the disk has only its reserve left")

    @contextmanager
    def listen(self, ring: Callable[[], None]) -> Iterator[None]:
        """Call `ring` soon after another process has changed the file, as long as the context is open."""
        self._listeners.append(ring)
        if self._looker is None or self._looker.done():
            self._looker = asyncio.create_task(self._look(), name="sqlite-look")
        try:
            yield
        finally:
            self._listeners.remove(ring)

    async def ping(self) -> None:
        """Raise StoreFull or Unavailable unless a small write goes through to the disk."""
        await self.write(lambda conn: conn.execute("UPDATE pulse SET at = ? WHERE id = 1", (self._now(),)).rowcount)

    async def sweep(self) -> int:
        """Delete what has expired, in small transactions between other people's; return how many rows."""
        return sum([await self._sweep_table(statement) for statement in SWEEPS])

    async def close(self) -> None:
        """Finish what was submitted, stop the threads and tasks, close the file. May be called twice."""
        tasks = [task for task in (self._sweeper, self._looker) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._reader.close()
        await self._writer.close()

    async def __aenter__(self) -> Database:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path, self._busy_seconds)

    def _connect_to_write(self) -> sqlite3.Connection:
        conn = self._connect()
        conn.execute("PRAGMA busy_timeout = 2")  # `_begin_writing` does the waiting
        return conn

    def _begin_writing(self, conn: sqlite3.Connection) -> None:
        """Wait for the write lock. SQLite's own waiting sleeps up to 100 ms between looks: others would starve it."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                conn.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise

    def _check(self) -> None:
        try:
            self._connect().close()
        except Misconfigured:
            raise
        except Exception as error:
            if not is_refusal(error):
                raise
            log.warning("store_not_ready", extra={"reason": str(error)})

    async def _sweep_table(self, statement: str) -> int:
        gone = 0
        while True:
            rows = await self.write(lambda conn: conn.execute(statement, (self._now(), SWEEP_ROWS)).rowcount)
            gone += rows
            if rows < SWEEP_ROWS:
                return gone

    async def _sweep_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            try:
                await self.sweep()
            except (StoreFull, Unavailable) as error:
                log.warning("sweep_failed", extra={"reason": str(error)})

    async def _look(self) -> None:
        """Watch SQLite's change counter while somebody listens: it moves when another connection has committed."""
        seen: int | None = None
        while self._listeners:
            before = seen
            with suppress(Unavailable):
                seen = await self.read(lambda conn: int(conn.execute("PRAGMA data_version").fetchone()[0]))
            if seen != before:
                for ring in tuple(self._listeners):
                    ring()
            await asyncio.sleep(LOOK_SECONDS)


def _begin_reading(conn: sqlite3.Connection) -> None:
    conn.execute("BEGIN")


def _unavailable(message: str) -> Unavailable:
    return Unavailable(message, code="store", component=COMPONENT)
