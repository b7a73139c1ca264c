"""Brings waiting workers and ready sessions together: one taker per direction instead of every worker asking.

It sleeps until a local put rings, another process changes the file, or the next retry or lease falls due.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from adapters.local.sqlite_session import SqliteSession
from bridge.errors import BridgeError, StoreFull

Room = Callable[[str], int]
Take = Callable[[int, Room | None], Awaitable[tuple[Sequence[SqliteSession], float | None]]]
_SHORTEST = 0.001


class _Waiter(NamedTuple):
    deadline: float
    future: asyncio.Future[SqliteSession | None]
    room: Room | None


class Acceptor:
    """Hands ready sessions to waiters, first come first served; runs a task only while somebody waits.

    `take(n, room)` leases up to n sessions and tells when the next one may be ready. A session whose waiter has gone
    (timed out, cancelled) goes to the next waiter or back to the queue at once.
    """

    def __init__(
        self,
        take: Take,
        give_back: Callable[[SqliteSession], None],
        listen: Callable[[Callable[[], None]], AbstractContextManager[None]],
        now: Callable[[], float],
    ) -> None:
        self._take = take
        self._give_back = give_back
        self._listen = listen
        self._now = now
        self._waiters: deque[_Waiter] = deque()
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ring(self) -> None:
        """Tell that something may be ready now."""
        self._bell.set()

    async def accept(self, wait: float, room: Room | None = None) -> SqliteSession | None:
        """Give a leased session, or None after `wait` seconds; looks at least once."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.time() + wait, loop.create_future(), room)
        self._waiters.append(waiter)
        self._bell.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="sqlite-accept")
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._return_unseen(waiter.future)
            raise

    async def close(self) -> None:
        """Send everybody home with nothing; a session that is being leased just now goes back."""
        for waiter in self._waiters:
            _answer(waiter, None)
        self._waiters.clear()
        self.ring()
        if self._task is not None:
            await self._task

    def _return_unseen(self, future: asyncio.Future[SqliteSession | None]) -> None:
        """The worker was cancelled in the very moment it got a session."""
        if future.done() and not future.cancelled() and future.exception() is None:
            session = future.result()
            if session is not None:
                self._give_back(session)

    async def _run(self) -> None:
        with self._listen(self.ring):
            while self._waiters:
                self._bell.clear()
                due = await self._serve()
                if self._waiters:
                    await self._sleep(due)

    async def _serve(self) -> float | None:
        self._forget_answered()
        asking, due = tuple(self._waiters), None
        if not asking:
            return None
        try:
            sessions, due = await self._take(len(asking), asking[0].room)
        except (StoreFull, BridgeError) as error:
            for waiter in asking:
                _fail(waiter, error)
        else:
            for session in sessions:
                self._hand_out(session)
        late = asyncio.get_running_loop().time()
        for waiter in asking:
            if waiter.deadline <= late:
                _answer(waiter, None)
        self._forget_answered()
        return due

    def _forget_answered(self) -> None:
        self._waiters = deque(w for w in self._waiters if not w.future.done())

    def _hand_out(self, session: SqliteSession) -> None:
        for waiter in self._waiters:
            if _answer(waiter, session):
                return
        self._give_back(session)

    async def _sleep(self, due: float | None) -> None:
        loop = asyncio.get_running_loop()
        wake = min(w.deadline for w in self._waiters) - loop.time()
        if due is not None:
            wake = min(wake, due - self._now())
        alarm = loop.call_later(max(wake, _SHORTEST), self.ring)
        try:
            await self._bell.wait()
        finally:
            alarm.cancel()


def _answer(waiter: _Waiter, session: SqliteSession | None) -> bool:
    if waiter.future.done():
        return False
    waiter.future.set_result(session)
    return True


def _fail(waiter: _Waiter, error: Exception) -> None:
    if not waiter.future.done():
        waiter.future.set_exception(error)
