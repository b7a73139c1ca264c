"""The embedded stores cost the same with a little and with a lot in them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local import sqlite_queue_sql as sql
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_schema import SWEEPS
from adapters.local.sqlite_session import SqliteSession
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.ports import Direction, Envelope
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, accept, head
from tests.contract.thread_map_suite import KEY, LINK


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database(tmp_path / "bridge.db") as db:
        yield db


def envelope(number: int, session: str, direction: Direction = TO_FRESHCHAT, tenant: str = "t") -> Envelope:
    return Envelope(
        direction=direction,
        tenant=tenant,
        message_id=f"{direction}{session}.{number}",
        session=session,
        kind="message",
        trace="0" * 32,
        body=b"x" * 100,
        received_at=1.0,
    )


async def use_everything(db: Database) -> None:
    """Call every method of both stores, so that each statement runs."""
    queue, threads = SqliteQueue(db), SqliteThreadMap(db)
    for number in range(5):
        await queue.put(envelope(number, "s"))
    session = await accept(queue)
    await session.complete(await head(session))
    await session.dead_letter(await head(session), FAILED)
    await session.dead_letter(await head(session), FAILED)
    await session.retry(await head(session), 0, FAILED)
    session = await accept(queue)
    await session.release()
    assert await queue.accept(TO_TEAMS, 0) is None
    letters = [*await queue.dead_letters(), *await queue.dead_letters(TO_FRESHCHAT, after="1")]
    assert await queue.find_dead_letter(letters[0].id) == letters[0]
    assert await queue.replay(letters[0].id)
    assert await queue.drop(letters[1].id)
    assert (await queue.depth(TO_FRESHCHAT)).waiting == 3
    session = await accept(queue)
    assert isinstance(session, SqliteSession)
    await queue._renewals._renew({(session.row, session.owner): session})
    await db.write(lambda conn: sql.release_all_of(conn, ["nobody"], 1.0))
    await queue.close()
    claim = await threads.claim("t", KEY, "a", 1, None)
    assert claim is not None
    await threads.claim("t", KEY, "a", 1, claim.etag)
    await threads.link(LINK, "a")
    await threads.update(replace(LINK, status="resolved"))
    await threads.by_conversation("t", "c1")
    await threads.thread("t", KEY)
    await threads.start("t", "k", 1.0)
    await threads.done("t", "k", "s")
    await threads.abandon("t", "k2")
    await threads.origin("t", "s")
    await threads.learn("t", "team", "x", {}, 1)
    await threads.fact("t", "team", "x")
    await threads.ping()
    await db.sweep()


async def test_no_statement_reads_a_whole_table(db: Database) -> None:
    """Every statement of both stores finds its rows by an index, and none sorts."""
    statements: set[str] = set()
    await db.write(lambda conn: conn.set_trace_callback(statements.add))
    await db.read(lambda conn: conn.set_trace_callback(statements.add))
    await use_everything(db)
    await db.write(lambda conn: conn.set_trace_callback(None))
    await db.read(lambda conn: conn.set_trace_callback(None))
    looked_at = {s for s in statements if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)", s)}
    assert len(looked_at) > 40
    assert any(s.startswith(SWEEPS[0][:30]) for s in looked_at)
    plans = {s: await db.read(lambda conn, s=s: plan(conn, s)) for s in looked_at}  # type: ignore[misc]
    bad = {s: p for s, p in plans.items() if re.search(r"SCAN (?!hop|CONSTANT)|TEMP B-TREE", "\n".join(p))}
    assert bad == {}


def plan(conn: sqlite3.Connection, statement: str) -> list[str]:
    return [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}")]


async def cycle_cost(db: Database, queue: SqliteQueue, number: int) -> int:
    """Count the steps of SQLite's machine for one message: put, accept, complete, and a look at the depth.

    Tenants take turns, so of two calls one works on a session of its own and one on the backlog.
    """
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    await db.write(lambda conn: conn.set_progress_handler(count, 10))
    await db.read(lambda conn: conn.set_progress_handler(count, 10))
    assert await queue.put(envelope(number, "measured", tenant="small"))
    session = await accept(queue)
    await session.complete(await head(session))
    await session.release()
    await queue.depth(TO_FRESHCHAT)
    await db.write(lambda conn: conn.set_progress_handler(None, 0))
    await db.read(lambda conn: conn.set_progress_handler(None, 0))
    return steps[0]


async def test_a_message_costs_the_same_before_and_behind_a_backlog(db: Database) -> None:
    """A thousand sessions, and a session of a thousand messages, add nothing to the work for one message."""
    queue = SqliteQueue(db)
    for number in range(2):
        await queue.put(envelope(number, "long"))
        await queue.put(envelope(number, f"short{number}"))
    before = await cycle_cost(db, queue, 1) + await cycle_cost(db, queue, 2)
    puts = [queue.put(envelope(number, "long")) for number in range(2, 1500)]
    puts += [queue.put(envelope(number, f"short{number}")) for number in range(2, 1500)]
    for put in puts:
        await put
    after = await cycle_cost(db, queue, 3) + await cycle_cost(db, queue, 4)
    await queue.close()
    assert before > 20
    assert after < before * 1.3
