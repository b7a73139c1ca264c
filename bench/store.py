"""The work that one message means for the embedded stores, in laps that can be timed on any store."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Iterator, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from bench.store_load import DIRECTION, PER_SESSION, TENANT, envelope, identifier, link, sent_id, step_key, trace

AT_A_TIME = 64
FIRST_OWN = 100_000_000
"""Threads of this number and more are made by laps; those below were there before."""


async def share(calls: Iterator[Awaitable[object]]) -> None:
    """Await the calls, as many at a time as a worker does."""

    async def one_after_the_other() -> None:
        for call in calls:
            await call

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_A_TIME)))


class Store:
    """One embedded store, the threads that it knows, and the laps. Times are seconds per message."""

    def __init__(self, folder: Path, mapped: int = 0) -> None:
        self.db = Database(folder / "bridge.db")
        self.queue = SqliteQueue(self.db)
        self.threads = SqliteThreadMap(self.db)
        self._known: Sequence[int] = range(mapped)
        self._own = count(FIRST_OWN)
        self._steps = count(FIRST_OWN)
        self._dice = random.Random(1)

    async def __aenter__(self) -> Store:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.queue.close()
        await self.db.close()

    async def queue_lap(self, messages: int) -> float:
        """Put messages into fresh sessions, then accept and complete as many: those that wait longest."""
        sessions = [next(self._own) for _ in range(messages // PER_SESSION)]
        started = time.perf_counter()
        await share(self.queue.put(envelope(sessions[n % len(sessions)])) for n in range(messages))
        await self.finish(messages)
        return (time.perf_counter() - started) / messages

    async def finish(self, messages: int) -> None:
        """Accept and complete so many messages."""
        left = [messages]

        async def work() -> None:
            while left[0] > 0 and (session := await self.queue.accept(DIRECTION, 0)):
                while left[0] > 0 and (delivery := await session.next()):
                    left[0] -= 1
                    await session.complete(delivery)
                await session.release()

        await asyncio.gather(*(work() for _ in range(AT_A_TIME)))

    async def first_lap(self, messages: int) -> float:
        """Do what the first message of a thread means: look, claim, journal, link."""
        fresh = [next(self._own) for _ in range(messages)]
        started = time.perf_counter()
        await share(self._first(thread) for thread in fresh)
        seconds = (time.perf_counter() - started) / messages
        self._known = self._known or fresh
        return seconds

    async def later_lap(self, messages: int) -> float:
        """Do what a later message of a thread means: look the thread up, and journal. Threads are drawn at random."""
        drawn = [self._dice.choice(self._known) for _ in range(messages)]
        started = time.perf_counter()
        await share(self._later(thread) for thread in drawn)
        return (time.perf_counter() - started) / messages

    async def _first(self, thread: int) -> None:
        one, claimant = link(thread), f"claimant {thread}"
        if await self.threads.thread(TENANT, one.thread_key) is not None:
            raise RuntimeError("a lap has used a thread twice")
        await self.threads.claim(TENANT, one.thread_key, claimant, 60.0, None)
        sent = await self._journal(thread)
        await self.threads.link(one, claimant)
        await self.threads.done(TENANT, *sent)

    async def _later(self, thread: int) -> None:
        known = await self.threads.thread(TENANT, link(thread).thread_key)
        if known is None or known.conversation_id is None:
            raise RuntimeError("a lap looks for a thread that is not there")
        await self.threads.by_conversation(TENANT, known.conversation_id)
        await self.threads.done(TENANT, *await self._journal(thread))

    async def _journal(self, thread: int) -> tuple[str, str]:
        number = next(self._steps)
        key, note = step_key(thread, number), {"conversation": identifier("conversation", thread)}
        await self.threads.start(TENANT, key, time.time(), note, trace(number))
        return key, sent_id(thread, number)
