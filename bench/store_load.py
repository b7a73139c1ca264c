"""Fills an embedded store with a million threads or a million waiting messages, in bulk, with keys like real ones."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import count
from typing import Any

from adapters.local.sqlite import Database
from adapters.local.sqlite_queue_sql import put_all
from adapters.local.sqlite_schema import digest
from bridge import ids
from bridge.events import Place
from bridge.ports import Direction, Envelope, Link

TENANT = "3f2b0c6e-7f0e-4a51-9f2e-1c1d0f3a7b11"
DIRECTION: Direction = "to-freshchat"
BATCH = 20_000
PER_SESSION = 5
CHANNELS = 997
BODY = b"x" * 1024
NUMBERS = count(100_000_000)
_DAY = 86_400.0
_FILLING = -1_000_000
"""SQLite's cache while a store is filled, in KiB (negative: see its `cache_size`)."""


def identifier(kind: str, number: int) -> str:
    """Make the n-th id of a kind, spread like a GUID."""
    text = blake2b(f"{kind}.{number}".encode(), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def channel(thread: int) -> str:
    """Name the channel of the n-th thread."""
    return f"19:{identifier('channel', thread % CHANNELS).replace('-', '')}@thread.tacv2"


def moment(number: int) -> int:
    """Say when the n-th message was written, in ms: that is its id in Teams."""
    return 1_700_000_000_000 + number * 977


def root(thread: int) -> str:
    """Give the root message id of the n-th thread."""
    return str(moment(thread))


def thread_key(thread: int) -> str:
    """Make the key of the n-th thread."""
    return ids.thread_key(ids.ThreadKey(TENANT, "channel", (channel(thread), root(thread))))


def step_key(thread: int, number: int) -> str:
    """Make the journal key of the call that carries a message of a thread."""
    key = ids.TeamsKey("19:team@thread.tacv2", channel(thread), root(thread), str(moment(number)), "create")
    return ids.step_key(ids.teams_key(key), "message.0")


def sent_id(thread: int, number: int) -> str:
    """Name the message that such a call made."""
    return ids.sent_key(identifier("conversation", thread), identifier("sent", number))


def link(thread: int) -> Link:
    """Make the link of the n-th thread."""
    now = time.time()
    place = Place(
        scope="channel",
        conversation_id=ids.join_conversation(channel(thread), root(thread)),
        service_url="https://smba.trafficmanager.net/emea/",
        team_id="19:team@thread.tacv2",
        channel_id=channel(thread),
        root_id=root(thread),
    )
    return Link(
        conversation_id=identifier("conversation", thread),
        tenant_id=TENANT,
        thread_key=thread_key(thread),
        place=place,
        freshchat_user_id=identifier("user", thread % 10_000),
        inbox_id=identifier("inbox", thread % 7),
        locale="ko-KR",
        created_at=now,
        active_at=now,
        trace=trace(thread),
    )


def trace(number: int) -> str:
    """Make a trace id like those of `ids.new_trace_id`."""
    return f"{moment(number) // 64_000 & 0xFFFF:04x}{blake2b(f'trace.{number}'.encode(), digest_size=14).hexdigest()}"


def envelope(thread: int) -> Envelope:
    """Make a fresh message of the n-th thread."""
    number = next(NUMBERS)
    key = ids.TeamsKey("19:team@thread.tacv2", channel(thread), root(thread), str(moment(number)), "create")
    return Envelope(
        direction=DIRECTION,
        tenant=TENANT,
        message_id=ids.dedupe_id(TENANT, ids.teams_key(key)),
        session=thread_key(thread),
        kind="message",
        trace=trace(number),
        body=BODY,
        received_at=time.time(),
    )


async def lay_up(db: Database, messages: int) -> None:
    """Let so many messages wait, some in each of many threads."""
    sessions = max(messages // PER_SESSION, 1)
    for part in _parts(messages):
        batch = [envelope(number % sessions) for number in part]
        await _fill(db, lambda conn, batch=batch: put_all(conn, DIRECTION, batch, time.time()))  # type: ignore[misc]
    await _tidy(db)


async def map_threads(db: Database, threads: int, start: int = 0) -> None:
    """Write so many threads with their links, and what one message of each has left behind in journal and dedupe."""
    for part in _parts(threads, start):
        await _fill(db, lambda conn, part=part: _write_threads(conn, part))  # type: ignore[misc]
    await _tidy(db)


def _parts(amount: int, start: int = 0) -> Iterator[range]:
    end = start + amount
    return (range(first, min(first + BATCH, end)) for first in range(start, end, BATCH))


async def _fill(db: Database, work: Callable[[sqlite3.Connection], object]) -> None:
    def in_memory(conn: sqlite3.Connection) -> None:
        conn.execute(f"PRAGMA cache_size = {_FILLING}")
        work(conn)

    await db.write(in_memory)


async def _tidy(db: Database) -> None:
    """Bring the cache back to its size of every day, and the -wal file into the main one."""
    size = await db.read(lambda conn: conn.execute("PRAGMA cache_size").fetchone()[0])
    await db.write(lambda conn: conn.execute(f"PRAGMA cache_size = {size}").rowcount)


def _write_threads(conn: sqlite3.Connection, part: Sequence[int]) -> None:
    links = [link(number) for number in part]
    _insert(conn, "links", [_link(one) for one in links])
    _insert(conn, "threads", [_thread(one) for one in links])
    _insert(conn, "journal", [_step(number, one) for number, one in zip(part, links, strict=True)])
    expires = time.time() + 7 * _DAY
    _insert(conn, "dedupe", [{"key": digest(step_key(number, number)), "expires": expires} for number in part])


def _link(one: Link) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in Link.__slots__ if name not in {"tenant_id", "place"}}
    found = digest(TENANT, one.conversation_id)
    place = {name: getattr(one.place, name) for name in Place.__slots__}  # `asdict` takes ten times as long
    return row | {"digest": found, "tenant": TENANT, "place": json.dumps(place)}


def _thread(one: Link) -> dict[str, Any]:
    return {"digest": digest(TENANT, one.thread_key), "conversation_id": one.conversation_id, "version": 2}


def _step(number: int, one: Link) -> dict[str, Any]:
    key, sent = step_key(number, number), sent_id(number, number)
    return {
        "digest": digest(TENANT, key),
        "tenant": TENANT,
        "key": key,
        "trace": one.trace,
        "ref": int(one.trace[:8], 16),
        "started_at": one.created_at,
        "done_at": one.created_at,
        "note": json.dumps({"user": one.freshchat_user_id, "conversation": one.conversation_id}),
        "sent_id": sent,
        "sent": digest(TENANT, sent),
        "expires": one.created_at + 30 * _DAY,
    }


def _insert(conn: sqlite3.Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    values = ", ".join(f":{name}" for name in rows[0])
    conn.executemany(f"INSERT INTO {table} ({', '.join(rows[0])}) VALUES ({values})", rows)
