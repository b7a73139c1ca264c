"""The embedded stores cost the same with a little and with a lot in them."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local import sqlite_queue_sql as sql
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_schema import SWEEPS
from adapters.local.sqlite_session import SqliteSession
from adapters.local.sqlite_threads import SqliteThreadMap
from bench import store_load as load
from bridge.ports import Direction, Envelope, Link
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, accept, head
from tests.contract.thread_map_suite import KEY, LINK

BAD_PLAN = r"SCAN (?!hop|CONSTANT)|TEMP B-TREE"
FOR_PEOPLE = r"FROM messages m JOIN sessions s .* substr|FROM journal ORDER BY id DESC LIMIT"
"""`find` may read the whole queue, as its port says, and the newest steps are the end of a table."""


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
    await queue.find("f" * 32)
    letters = [*await queue.dead_letters(), *await queue.dead_letters(TO_FRESHCHAT, after="1")]
    assert await queue.find_dead_letter(letters[0].id) == letters[0]
    assert await queue.replay(letters[0].id, automatic=True)
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
    await threads.links("t", 1.0)
    await threads.links("t", 1.0, after=LINK)
    await threads.thread("t", KEY)
    await threads.start("t", "k", 1.0, None, "a" * 32)
    await threads.attempted("t", "k")
    await threads.steps("a" * 32)
    await threads.steps("")
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
    bad = {s: p for s, p in plans.items() if re.search(BAD_PLAN, "\n".join(p)) and not re.search(FOR_PEOPLE, s)}
    assert bad == {}


def plan(conn: sqlite3.Connection, statement: str) -> list[str]:
    return [row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {statement}")]


@asynccontextmanager
async def counted(db: Database) -> AsyncIterator[list[int]]:
    """Count the steps of SQLite's machine, in tens."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    await db.write(lambda conn: conn.set_progress_handler(count, 10))
    await db.read(lambda conn: conn.set_progress_handler(count, 10))
    yield steps
    await db.write(lambda conn: conn.set_progress_handler(None, 0))
    await db.read(lambda conn: conn.set_progress_handler(None, 0))


async def cycle_cost(db: Database, queue: SqliteQueue, number: int) -> int:
    """Count the steps for one message: put, accept, complete, and a look at the depth.

    Tenants take turns, so of two calls one works on a session of its own and one on the backlog.
    """
    async with counted(db) as steps:
        assert await queue.put(envelope(number, "measured", tenant="small"))
        session = await accept(queue)
        await session.complete(await head(session))
        await session.release()
        await queue.depth(TO_FRESHCHAT)
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


async def thread_cost(db: Database, threads: SqliteThreadMap, number: int) -> int:
    """Count the steps for the first message of a thread and for a later one."""
    one = load.link(number)
    async with counted(db) as steps:
        assert await threads.thread(load.TENANT, one.thread_key) is None
        assert await threads.claim(load.TENANT, one.thread_key, "claimant", 60, None) is not None
        for step in ("first", "later"):
            assert not await threads.attempted(load.TENANT, step + str(number))
            await threads.start(load.TENANT, step + str(number), 1.0, None, load.trace(number))
            await threads.done(load.TENANT, step + str(number), f"sent {step} {number}")
        assert await threads.link(one, "claimant")
        assert await threads.by_conversation(load.TENANT, one.conversation_id) == one
        assert await threads.origin(load.TENANT, f"sent later {number}") == f"later{number}"
        assert len(await threads.steps(load.trace(number))) == 2
    return steps[0]


async def page_cost(db: Database, threads: SqliteThreadMap, since: float, after: Link | None, found: int) -> int:
    """Count the steps for one page of active links."""
    async with counted(db) as steps:
        assert len(await threads.links(load.TENANT, since, after=after, limit=50)) == found
    return steps[0]


async def test_a_message_costs_the_same_with_few_and_with_many_threads(db: Database) -> None:
    """Ten thousand mapped threads add next to nothing to a new thread or to a page of active ones."""
    threads = SqliteThreadMap(db)
    await load.map_threads(db, 100)
    before = await thread_cost(db, threads, 1_000_000)
    page_before = await page_cost(db, threads, 1.0, None, 50)
    await load.map_threads(db, 10_000, start=100)
    assert before > 20
    assert await thread_cost(db, threads, 1_000_001) < before * 1.3
    since = time.time() + 60
    awake = replace(load.link(77), active_at=since)
    await threads.update(awake)
    few = [
        await page_cost(db, threads, since, None, 1),  # many links, of which one is active
        await page_cost(db, threads, since, awake, 0),
    ]
    (last,) = await threads.links(load.TENANT, 1.0, limit=1)
    for _ in range(3):  # many links that are all active: the later pages too
        assert await page_cost(db, threads, 1.0, last, 50) < page_before * 1.3
        last = (await threads.links(load.TENANT, 1.0, after=last, limit=2_000))[-1]
    assert max(few) < page_before


async def test_no_room_given_is_no_work(db: Database) -> None:
    """Without `room`, a look at the queue runs the same statements as with it, and none more."""
    queue = SqliteQueue(db)
    for number in range(3):
        await queue.put(envelope(number, f"s{number}"))
    async with counted(db) as without:
        session = await queue.accept(TO_FRESHCHAT, 0)
    assert session is not None
    async with counted(db) as given:
        assert await queue.accept(TO_FRESHCHAT, 0, lambda _: 1) is not None
    assert without[0] <= given[0] + 2
    await queue.close()
