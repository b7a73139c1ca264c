"""A store of an earlier version is opened, keeps what it holds, and works on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_schema import MIGRATIONS
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import StoreFull
from bridge.ports import Envelope
from tests.contract.queue_suite import FAILED, TO_FRESHCHAT, TO_TEAMS, Clock, accept, head
from tests.contract.thread_map_suite import KEY, LINK, PLACE

NOW = Clock().time


def _rows() -> list[tuple[str, tuple[object, ...]]]:
    """One or more rows of every table, as version 2 wrote them."""
    message = "INSERT INTO messages VALUES (?, ?, ?, 't', ?, 'message', ?, 1.5, ?, ?, ?, ?)"
    journal = "INSERT INTO journal VALUES (NULL, 't', ?, ?, ?, ?, ?)"
    return [
        ("INSERT INTO sessions VALUES (7, 0, 't/s', 't', ?, NULL)", (NOW,)),
        ("INSERT INTO sessions VALUES (8, 1, 't/conversation/c1', 't', ?, 'gone.1')", (NOW - 1,)),
        (message, (1, 7, 0, "m1", "a" * 32, NOW - 9, 2, NOW - 5, b"one")),
        (message, (2, 7, 0, "m2", "b" * 32, NOW - 8, 0, None, b"two")),
        (message, (3, 8, 1, "m3", "c" * 32, NOW - 7, 0, None, b"three")),
        (
            """INSERT INTO dead_letters VALUES (4, 0, 't/s', 't', 'm0', 'message', ?, 1.5, 3, ?, ?, 'bad_event',
             'cannot be understood', 'translate', ?)""",
            ("d" * 32, NOW - 3, NOW - 2, b"dead"),
        ),
        (
            "INSERT INTO links VALUES ('t', 'c1', ?, ?, 'u1', 'i1', 'resolved', 'ko-KR', 99.5)",
            (KEY, json.dumps(asdict(PLACE))),
        ),
        ("INSERT INTO threads VALUES ('t', ?, 'c1', NULL, NULL, 5)", (KEY,)),
        (journal, ("key#1", 10.5, '{"user": "u1"}', "c1/sent-1", NOW + 99)),
        (journal, ("key#2", 11.5, "{}", None, NOW + 99)),
        ("INSERT INTO facts VALUES (NULL, 't', 'person', 'p', '{\"user\": \"u1\"}', NULL)", ()),
        ("UPDATE pulse SET at = 5", ()),
    ]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """Open a file that version 2 has left."""
    path = tmp_path / "bridge.db"
    conn = sqlite3.connect(path)
    for statement in (statement for step in MIGRATIONS[:2] for statement in step):
        conn.execute(statement)
    for statement, values in _rows():
        conn.execute(statement, values)
    conn.execute("PRAGMA user_version = 2")
    conn.commit()
    conn.close()
    async with Database(path, now=Clock()) as db:
        yield db


@pytest.fixture
async def queue(db: Database) -> AsyncIterator[SqliteQueue]:
    queue = SqliteQueue(db, now=Clock())
    yield queue
    await queue.close()


async def test_messages_are_delivered_in_their_order(queue: SqliteQueue) -> None:
    """With their failures so far; also those whose worker died with the old version."""
    session = await accept(queue)
    one = await head(session)
    envelope = one.envelope
    assert (envelope.message_id, envelope.body, envelope.span) == ("m1", b"one", "")
    assert (one.attempts, one.first_failed_at, one.replays) == (2, NOW - 5, 0)
    await session.complete(one)
    await session.dead_letter(await head(session), replace(FAILED, transient=True))
    assert await session.next() is None
    assert (await head(await accept(queue, TO_TEAMS))).envelope.body == b"three"
    (waiting,) = await queue.find("c" * 8)
    assert waiting.failure is None
    assert [letter.failure.transient for letter in await queue.dead_letters()] == [False, True]


async def test_dead_letters_are_kept_and_can_be_replayed(queue: SqliteQueue) -> None:
    (letter,) = await queue.dead_letters()
    assert (letter.id, letter.envelope.body, letter.failure.code, letter.replays) == ("4", b"dead", "bad_event", 0)
    depth = await queue.depth(TO_FRESHCHAT)
    assert (depth.waiting, depth.dead, depth.dead_recently) == (2, 1, 1)
    assert await queue.replay("4", automatic=True)
    assert (await queue.depth(TO_FRESHCHAT)).waiting == 3


async def test_what_waits_is_counted_by_tenant(db: Database) -> None:
    """Two of four messages may wait, and wait since before there was such a counter: that is the tenant's share."""
    queue = SqliteQueue(db, limit=4, tenants=2, now=Clock())
    with pytest.raises(StoreFull, match="its share"):
        await queue.put(_new("t"))
    assert await queue.put(_new("other"))
    await queue.close()


def _new(tenant: str) -> Envelope:
    return Envelope(
        direction=TO_FRESHCHAT,
        tenant=tenant,
        message_id=f"{tenant}|new",
        session=f"{tenant}/new",
        kind="message",
        trace="e" * 32,
        body=b"new",
        received_at=NOW,
    )


async def test_links_and_threads_are_kept(db: Database) -> None:
    """A link that knows nothing of activity counts as active when it was made."""
    threads = SqliteThreadMap(db, now=Clock())
    link = replace(LINK, status="resolved", created_at=99.5, active_at=99.5, trace="")
    assert await threads.by_conversation("t", "c1") == link
    assert list(await threads.links("t", 99)) == [link]
    thread = await threads.thread("t", KEY)
    assert thread is not None
    assert (thread.conversation_id, thread.claimed_by, thread.etag) == ("c1", None, "5")
    assert await threads.claim("t", KEY, "next", 30, "5") is not None
    assert await threads.link(replace(link, conversation_id="c2"), "next")


async def test_the_journal_is_kept(db: Database) -> None:
    """What was sent is not sent again, and what may have been sent is looked for."""
    threads = SqliteThreadMap(db, now=Clock())
    done, open_ = await threads.start("t", "key#1", NOW), await threads.start("t", "key#2", NOW)
    assert (done.first, done.sent_id, done.note) == (False, "c1/sent-1", {"user": "u1"})
    assert (open_.first, open_.started_at, open_.sent_id) == (False, 11.5, None)
    assert await threads.origin("t", "c1/sent-1") == "key#1"
    await threads.done("t", "key#2", "c1/sent-2")
    assert await threads.origin("t", "c1/sent-2") == "key#2"
    assert [step.key for step in await threads.steps("")] == ["key#2", "key#1"]
    assert await threads.fact("t", "person", "p") == {"user": "u1"}


async def test_nothing_is_left_of_the_old_tables(db: Database) -> None:
    """An updated file has the same tables, indexes and triggers as a new one."""

    def shape(conn: sqlite3.Connection) -> list[tuple[str, str]]:
        return conn.execute("SELECT type, name FROM sqlite_master ORDER BY 1, 2").fetchall()

    async with Database(db.path.with_name("new.db")) as new:
        assert await db.read(shape) == await new.read(shape)
    assert await db.read(lambda conn: conn.execute("PRAGMA user_version").fetchone()[0]) == len(MIGRATIONS)
    assert await db.read(lambda conn: conn.execute("PRAGMA integrity_check").fetchone()[0]) == "ok"
