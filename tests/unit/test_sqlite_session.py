"""The embedded queue's leases: what a renewal may and may not take away."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_session import SqliteSession
from bridge.ports import Delivery, Envelope


def envelope(number: int) -> Envelope:
    return Envelope(
        direction="to-teams",
        tenant="t",
        message_id=f"m{number}",
        session=f"s{number}",
        kind="message",
        trace="0" * 32,
        body=b"{}",
        received_at=time.time(),
    )


async def leased(queue: SqliteQueue, number: int) -> tuple[SqliteSession, Delivery]:
    await queue.put(envelope(number))
    session = await queue.accept("to-teams", wait=1)
    assert session is not None
    delivery = await session.next()
    assert delivery is not None
    return session, delivery


async def test_a_renewal_beside_the_last_complete_takes_nothing_away(tmp_path: Path) -> None:
    """Completes of one commit run together: a renewal between two finds no row of the second, and is answered first."""
    async with Database(tmp_path / "bridge.db") as db:
        queue = SqliteQueue(db, lease_seconds=30)
        (other, first), (session, last) = await leased(queue, 1), await leased(queue, 2)
        await asyncio.gather(
            other.complete(first),
            queue._renewals._renew({(session.row, session.owner): session}),
            session.complete(last),
        )
        assert await session.next() is None
        await queue.close()
