"""Measures the embedded stores on this machine: `python -m bench.store [--backlog 1000000]`.

Each figure is messages (or calls) per second; everything is committed to disk as in production.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_queue_sql import put_all
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.ports import Direction, Envelope

DIRECTION: Direction = "to-freshchat"
NUMBERS = count(1)
BATCH = 2_000


def envelope(session: str, body: bytes) -> Envelope:
    """A fresh message with keys as long as real ones."""
    number = next(NUMBERS)
    place = "3f2b0c6e-7f0e-4a51-9f2e-1c1d0f3a7b11/channel/19%3A0123456789abcdef0123456789abcdef%40thread.tacv2"
    return Envelope(
        direction=DIRECTION,
        tenant="tenant",
        message_id=f"tenant|teams:{place}/{session}/{number}:create",
        session=f"{place}/{session}",
        kind="message",
        trace=f"{number:032x}",
        body=body,
        received_at=time.time(),
    )


async def share(calls: Iterator[Awaitable[object]], concurrency: int) -> None:
    """Await the calls, so many at a time."""

    async def one_after_the_other() -> None:
        for call in calls:
            await call

    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))


async def rate(amount: int, work: Awaitable[object]) -> float:
    """Tell how many per second it was."""
    started = time.perf_counter()
    await work
    return amount / (time.perf_counter() - started)


async def put(queue: SqliteQueue, amount: int, sessions: int, concurrency: int, body: bytes) -> float:
    """Put messages spread over sessions."""
    names = [f"{time.monotonic_ns()}.{i}" for i in range(sessions)]
    calls = (queue.put(envelope(names[i % sessions], body)) for i in range(amount))
    return await rate(amount, share(calls, concurrency))


async def finish(queue: SqliteQueue, amount: int, workers: int) -> float:
    """Accept and complete so many messages."""
    left = [amount]

    async def work() -> None:
        while left[0] > 0 and (session := await queue.accept(DIRECTION, 1)):
            while left[0] > 0 and (delivery := await session.next()):
                left[0] -= 1
                await session.complete(delivery)
            await session.release()

    return await rate(amount, asyncio.gather(*(work() for _ in range(workers))))


async def cycle(queue: SqliteQueue, amount: int, body: bytes) -> float:
    """Put into 64 sessions and work them off at the same time."""
    names = [f"{time.monotonic_ns()}.{i}" for i in range(64)]
    calls = (queue.put(envelope(names[i % 64], body)) for i in range(amount))
    return await rate(amount, asyncio.gather(share(calls, 64), finish(queue, amount, 64)))


async def journal(db: Database, amount: int) -> float:
    """Start and done of one outside call each, 64 at a time."""
    threads = SqliteThreadMap(db)
    stamp = time.monotonic_ns()

    async def send(number: int) -> None:
        await threads.start("tenant", f"{stamp}.{number}#part.1", time.time(), {"conversation": "c"})
        await threads.done("tenant", f"{stamp}.{number}#part.1", f"sent-{stamp}.{number}")

    return await rate(amount, share((send(i) for i in range(amount)), 64))


async def fill(db: Database, messages: int, body: bytes) -> None:
    """Lay up a backlog, each message in a session of its own."""
    for start in range(0, messages, BATCH):
        batch = [envelope(f"backlog.{start + i}", body) for i in range(min(BATCH, messages - start))]
        await db.write(lambda conn, batch=batch: put_all(conn, DIRECTION, batch, time.time()))  # type: ignore[misc]


async def depth_rate(queue: SqliteQueue, amount: int) -> float:
    """Ask how full it is, one after the other."""
    return await rate(amount, share((queue.depth(DIRECTION) for _ in range(amount)), 1))


async def measure(folder: Path, report: Callable[[str, float], None], messages: int, backlog: int, size: int) -> None:
    """Measure everything on one file."""
    body = b"x" * size
    async with Database(folder / "bench.db") as db:
        queue = SqliteQueue(db)
        if backlog:
            report("messages laid up as backlog", backlog)
            await fill(db, backlog, body)
        for concurrency in (1, 32, 64, 256):
            amount = messages if concurrency > 1 else messages // 20
            report(f"put, {concurrency} at a time", await put(queue, amount, 2_000, concurrency, body))
        report("accept and complete, 64 workers", await finish(queue, messages, 64))
        report("depth, one at a time", await depth_rate(queue, messages // 20))
        if not backlog:
            await finish(queue, (await queue.depth(DIRECTION)).waiting, 64)
            report("put, accept, complete: 64 sessions", await cycle(queue, messages, body))
        report("journal start and done, 64 at a time", await journal(db, messages // 2))
        await queue.close()


def report(name: str, value: float) -> None:
    """Print one line of the table."""
    print(f"  {name:<40}{value:>12,.0f}", flush=True)


def main() -> None:
    """Measure an empty store, then one with a backlog."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="messages per measurement (20000)")
    parser.add_argument("--size", type=int, default=1024, help="bytes per body (1024)")
    parser.add_argument("--backlog", type=int, default=0, help="measure again behind so many waiting messages")
    parser.add_argument("--dir", type=Path, default=None, help="folder on the disk to measure (the temporary one)")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)  # else a busy event loop lets the writer wait 5 ms for each statement
    for backlog in [0, options.backlog] if options.backlog else [0]:
        print(f"{'with a backlog' if backlog else 'empty store':<42}{'per second':>12}")
        with tempfile.TemporaryDirectory(dir=options.dir) as folder:
            asyncio.run(measure(Path(folder), report, options.messages, backlog, options.size))


if __name__ == "__main__":
    main()
