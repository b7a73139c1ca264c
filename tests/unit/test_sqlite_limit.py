"""The embedded queue is bounded, and no tenant can fill it for the others."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from bridge.errors import StoreFull
from bridge.ports import Direction, Envelope
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, accept, head

LIMIT = 12
Open = Callable[..., Awaitable[SqliteQueue]]


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Open queues on one file, like processes."""
    queues: list[SqliteQueue] = []

    async def opened(limit: int = LIMIT, tenants: int = 2) -> SqliteQueue:
        queues.append(SqliteQueue(Database(tmp_path / "bridge.db"), limit=limit, tenants=tenants))
        return queues[-1]

    yield opened
    for queue in queues:
        await queue.close()
        await queue.db.close()


numbers = iter(range(1_000_000))


async def put(queue: SqliteQueue, tenant: str, direction: Direction = TO_FRESHCHAT) -> bool:
    """Put one new message; whether there was room for it."""
    number = next(numbers)
    envelope = Envelope(
        direction=direction,
        tenant=tenant,
        message_id=f"{tenant}|teams:{number}",
        session=f"{tenant}/{number % 3}",
        kind="message",
        trace="0" * 32,
        body=b"{}",
        received_at=1.0,
    )
    try:
        return await queue.put(envelope)
    except StoreFull:
        return False


async def flood(queue: SqliteQueue, tenant: str, count: int = 3 * LIMIT) -> int:
    """Put many, one after the other; how many were let in."""
    return sum([await put(queue, tenant) for _ in range(count)])


async def test_a_single_tenant_has_all_the_room(opened: Open) -> None:
    assert await flood(await opened(tenants=1), "only") == LIMIT


@pytest.mark.parametrize("floods", [1, 2, 3])
async def test_a_flood_leaves_room_for_the_others(opened: Open, floods: int) -> None:
    """Of so many floods each gets the same share, and as much is left for whoever comes next."""
    queue = await opened()
    for _ in range(LIMIT):
        for number in range(floods):
            await put(queue, f"flood {number}")
    waiting = (await queue.depth(TO_FRESHCHAT)).waiting
    assert waiting == LIMIT - LIMIT // (floods + 1)
    assert not await put(queue, "flood 0")
    assert await put(queue, "calm")


async def test_a_flood_in_one_commit_is_bounded_too(opened: Open) -> None:
    """Requests of both tenants that come at once share a transaction; the bound holds within it."""
    queue = await opened()
    tenants = ["flood"] * 5 * LIMIT + ["calm"]
    let_in = await asyncio.gather(*(put(queue, tenant) for tenant in tenants))
    assert Counter(tenant for tenant, there in zip(tenants, let_in, strict=True) if there) == {"flood": 6, "calm": 1}


async def test_each_direction_has_its_own_room(opened: Open) -> None:
    queue = await opened()
    assert await flood(queue, "a") == LIMIT // 2
    assert await put(queue, "a", TO_TEAMS)


async def test_processes_share_one_room(opened: Open) -> None:
    """What one has let in counts for the other."""
    first, second = await opened(), await opened()
    assert await flood(first, "a") == LIMIT // 2
    assert not await put(second, "a")
    assert await put(second, "b")


async def test_what_is_delivered_makes_room(opened: Open) -> None:
    queue = await opened()
    await flood(queue, "a")
    session = await accept(queue)
    await session.complete(await head(session))
    assert await flood(queue, "a") == 1


async def test_a_replayed_letter_is_always_let_in(opened: Open) -> None:
    """And counts from then on."""
    queue = await opened()
    await flood(queue, "a")
    session = await accept(queue)
    await session.dead_letter(await head(session), FAILED)
    await session.release()
    assert await flood(queue, "a") == 1
    [letter] = await queue.dead_letters()
    assert await queue.replay(letter.id)
    assert (await queue.depth(TO_FRESHCHAT)).waiting == LIMIT // 2 + 1
    assert not await put(queue, "a")


def counted(conn: sqlite3.Connection) -> list[tuple[int, str, int]]:
    return conn.execute("SELECT direction, tenant, waiting FROM tenant_depth WHERE waiting ORDER BY 1, 2").fetchall()


def there(conn: sqlite3.Connection) -> list[tuple[int, str, int]]:
    return conn.execute("SELECT direction, tenant, count(*) FROM messages GROUP BY 1, 2 ORDER BY 1, 2").fetchall()


async def test_the_counters_follow_the_messages(opened: Open) -> None:
    """Through every way in and out."""
    queue = await opened(limit=0)
    for tenant in ("a", "b", "c"):
        await flood(queue, tenant, 7)
        await put(queue, tenant, TO_TEAMS)
    for settle in ("complete", "dead", "retry"):
        session = await accept(queue)
        delivery = await head(session)
        if settle == "complete":
            await session.complete(delivery)
        elif settle == "dead":
            await session.dead_letter(delivery, FAILED)
        else:
            await session.retry(delivery, 0, FAILED)
        await session.release()
    await queue.replay((await queue.dead_letters())[0].id, automatic=True)
    await accept(queue, TO_TEAMS)
    assert await queue.db.read(counted) == await queue.db.read(there)
    assert len(await queue.db.read(there)) == 6
