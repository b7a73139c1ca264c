"""A lane: one thread with one SQLite connection that runs many callers' work in one transaction (group commit).

The promise: a caller's future is resolved only after the transaction that holds its work has been committed; work
that fails takes nobody else's work with it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, NamedTuple, TypeVar

from adapters.local.sqlite_schema import is_refusal, needs_reopening

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST_PER_COMMIT = 1_000


class Group(Generic[Item, Result]):
    """Work that is cheaper for many items at once: all pending items of one group are handed to one `run` call.

    `run(conn, items)` gives one result per item; an exception among the results fails that item only. It may be
    run again with fewer items after a rollback, so it has no effect but on the connection. `after` is called in
    the event loop, once per batch, when the commit is through.
    """

    __slots__ = ("after", "run")

    def __init__(
        self,
        run: Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Result | Exception]],
        after: Callable[[], None] | None = None,
    ) -> None:
        self.run = run
        self.after = after


class Job(NamedTuple):
    """One caller's work."""

    group: Group[Any, Any]
    item: Any
    future: asyncio.Future[Any]


class Refusals:
    """What the disk has refused within one batch: the rest of it is not tried again, which would take minutes."""

    def __init__(self) -> None:
        self.everybody: Exception | None = None
        self._groups: dict[Group[Any, Any], Exception] = {}

    def note(self, job: Job, error: Exception) -> None:
        """Remember that this group's work is refused, if the disk is to blame."""
        if is_refusal(error):
            self._groups[job.group] = error

    def of(self, job: Job) -> Exception | None:
        """Tell why this job need not be tried."""
        return self.everybody or self._groups.get(job.group)


class Transactions:
    """Runs jobs on a connection of its own; one transaction for all, and smaller ones when something fails."""

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        begin: Callable[[sqlite3.Connection], None],
        refusal: Callable[[BaseException], Exception],
    ) -> None:
        self._connect = connect
        self._begin = begin
        self._refusal = refusal
        self._conn: sqlite3.Connection | None = None

    def run(self, jobs: Sequence[Job]) -> list[Any]:
        """Give one outcome per job: its result, or the exception it failed with."""
        return self._run(jobs, Refusals())

    def close(self) -> None:
        """Let go of the connection."""
        conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(sqlite3.Error):
                conn.close()

    def _run(self, jobs: Sequence[Job], refusals: Refusals) -> list[Any]:
        """Run the jobs together; if that fails, each half of them, until whoever fails is alone."""
        if all(refusals.of(job) for job in jobs):
            return [self._failure(refusals.of(job)) for job in jobs]
        try:
            conn = self._open()
        except Exception as error:
            self._recover(error)
            refusals.everybody = error
            return [self._failure(error) for _ in jobs]
        try:
            return self._commit(conn, jobs)
        except Exception as error:
            self._recover(error)
            if len(jobs) == 1:
                refusals.note(jobs[0], error)
                return [self._failure(error)]
        middle = len(jobs) // 2
        return self._run(jobs[:middle], refusals) + self._run(jobs[middle:], refusals)

    def _open(self) -> sqlite3.Connection:
        if self._conn is None:
            self._conn = self._connect()
        self._begin(self._conn)
        return self._conn

    def _commit(self, conn: sqlite3.Connection, jobs: Sequence[Job]) -> list[Any]:
        outcomes: list[Any] = [None] * len(jobs)
        for group, places in _by_group(jobs).items():
            results = group.run(conn, [jobs[place].item for place in places])
            for place, result in zip(places, results, strict=True):
                outcomes[place] = result
        conn.execute("COMMIT")
        return outcomes

    def _failure(self, error: Exception | None) -> Exception:
        assert error is not None
        if isinstance(error, StopIteration):
            return RuntimeError("StopIteration in a job")  # a future does not take it
        return self._refusal(error) if is_refusal(error) else error

    def _recover(self, error: Exception) -> None:
        """Leave the connection fit for the next batch."""
        conn = self._conn
        if conn is None:
            return
        try:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()
        if needs_reopening(error):
            self.close()


def _by_group(jobs: Sequence[Job]) -> dict[Group[Any, Any], list[int]]:
    groups: dict[Group[Any, Any], list[int]] = {}
    for place, job in enumerate(jobs):
        groups.setdefault(job.group, []).append(place)
    return groups


class Lane:
    """The thread around `Transactions`, and the way there and back. Used from one event loop."""

    def __init__(self, name: str, transactions: Transactions, limit: int, overflow: Callable[[str], Exception]) -> None:
        self._transactions = transactions
        self._limit = limit
        self._overflow = overflow
        self._pending = 0
        self._gathering: list[Job] = []
        self._inbox: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed: asyncio.Future[None] | None = None
        self._thread = Thread(target=self._serve, name=name, daemon=True)

    def submit(self, group: Group[Item, Result], item: Item) -> asyncio.Future[Result]:
        """Take on one piece of work; raises at once when too much is pending or the lane is closed."""
        if self._pending >= self._limit:
            raise self._overflow("too much work is waiting for the store")
        if self._closed is not None:
            raise self._overflow("the store is closed")
        loop = self._loop or self._start()
        future: asyncio.Future[Result] = loop.create_future()
        self._pending += 1
        if not self._gathering:
            loop.call_soon(self._hand_over)
        self._gathering.append(Job(group, item, future))
        return future

    async def close(self) -> None:
        """Finish what was submitted, then end the thread."""
        if self._closed is None:
            self._closed = asyncio.get_running_loop().create_future()
            if self._loop is None:
                self._transactions.close()
                self._closed.set_result(None)
            else:
                self._hand_over()
                self._inbox.put(None)
        await asyncio.shield(self._closed)

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self._loop

    def _hand_over(self) -> None:
        """Pass on everything submitted in this turn of the loop, with one wake-up of the thread."""
        if self._gathering:
            self._inbox.put(self._gathering)
            self._gathering = []

    def _serve(self) -> None:
        while jobs := self._receive():
            for start in range(0, len(jobs), MOST_PER_COMMIT):
                self._work(jobs[start : start + MOST_PER_COMMIT])
        self._transactions.close()
        self._call(self._finish)

    def _receive(self) -> list[Job]:
        """Wait for work, then take all there is; nothing means: stop."""
        first = self._inbox.get()
        if first is None:
            return []
        jobs = list(first)
        with suppress(Empty):
            while (more := self._inbox.get_nowait()) is not None:
                jobs += more
            self._inbox.put(None)  # the end was among it: keep it for the next turn
        return jobs

    def _work(self, jobs: list[Job]) -> None:
        outcomes = self._transactions.run(jobs)
        self._call(self._settle, jobs, outcomes)

    def _call(self, callback: Callable[..., None], *args: Any) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *args)

    def _settle(self, jobs: list[Job], outcomes: list[Any]) -> None:
        self._pending -= len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if job.future.done():
                continue  # the caller has gone; the work is done all the same
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
        for group in {job.group for job in jobs}:
            if group.after is not None:
                group.after()

    def _finish(self) -> None:
        self._thread.join()
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
