"""The embedded `ThreadMap`: links, claims, journal and facts in the same SQLite file."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from adapters.local.sqlite import Database
from adapters.local.sqlite_schema import digest
from bridge.events import Place
from bridge.ports import Attempt, FactKind, Link, Step, Thread

_THREAD = "SELECT conversation_id, claimed_by, claimed_until, version FROM threads WHERE digest = ?"
_LINKS = """SELECT conversation_id, tenant, thread_key, place, freshchat_user_id, inbox_id, status, locale, created_at,
        active_at, trace
    FROM links WHERE """
_LINK = _LINKS + "digest = ?"
_ACTIVE = _LINKS + "tenant = ? AND (active_at, conversation_id) > (?, ?) ORDER BY active_at, conversation_id LIMIT ?"
_ADD_LINK = """INSERT OR IGNORE INTO links (digest, tenant, conversation_id, thread_key, place, freshchat_user_id,
        inbox_id, status, locale, created_at, active_at, trace)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_OPEN = """UPDATE threads SET conversation_id = ?, claimed_by = NULL, claimed_until = NULL, version = version + 1
    WHERE digest = ? AND claimed_by = ?"""
_UPDATE_LINK = """UPDATE links SET place = ?, freshchat_user_id = ?, inbox_id = ?, status = ?, locale = ?, active_at = ?
    WHERE digest = ?"""
_CLAIM_NEW = "INSERT OR IGNORE INTO threads VALUES (?, NULL, ?, ?, 1)"
_CLAIM_OVER = """UPDATE threads SET claimed_by = ?, claimed_until = ?, version = version + 1
    WHERE digest = ? AND version = ?"""
_START = """INSERT OR IGNORE INTO journal (digest, tenant, key, started_at, note, expires, trace, ref)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
_STARTED = "SELECT started_at, COALESCE(tried_at, started_at), note, sent_id FROM journal WHERE digest = ?"
_AGAIN = """UPDATE journal SET tried_at = ?
    WHERE digest = ? AND sent_id IS NULL AND COALESCE(tried_at, started_at) = ?"""
_DONE = """INSERT INTO journal (digest, tenant, key, started_at, done_at, note, sent_id, sent, expires, trace)
    VALUES (?, ?, ?, ?, ?, '{}', ?, ?, ?, '')
    ON CONFLICT (digest) DO UPDATE SET sent_id = excluded.sent_id, sent = excluded.sent, done_at = excluded.done_at"""
_STEPS = "SELECT tenant, key, trace, started_at, done_at, sent_id, note FROM journal "
_NEWEST_STEPS = _STEPS + "ORDER BY id DESC LIMIT ?"
_STEPS_OF = _STEPS + "WHERE ref = ? AND substr(trace, 1, ?) = ? ORDER BY id DESC LIMIT ?"
_ABANDON = "DELETE FROM journal WHERE digest = ? AND sent_id IS NULL AND tried_at IS NULL"
_ORIGIN = "SELECT key FROM journal WHERE sent = ? ORDER BY id LIMIT 1"
_FACT = """SELECT value FROM facts WHERE tenant = ? AND kind = ? AND fact_id = ?
    AND (expires IS NULL OR expires > ?)"""
_SEEN = """SELECT fact_id FROM facts WHERE tenant = ? AND kind = 'seen' AND fact_id > ? AND expires IS NULL
    ORDER BY fact_id LIMIT ?"""
_LEARN = """INSERT INTO facts (tenant, kind, fact_id, value, expires) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (tenant, kind, fact_id) DO UPDATE SET value = excluded.value, expires = excluded.expires"""


class SqliteThreadMap:
    """The `ThreadMap` port on a `Database`, which its maker closes after this."""

    def __init__(self, db: Database, *, now: Callable[[], float] = time.time, journal_days: float = 30) -> None:
        self._db = db
        self._now = now
        self._journal_seconds = journal_days * 86_400.0

    async def thread(self, tenant: str, thread_key: str) -> Thread | None:
        """Read what is open in a thread."""
        return await self._db.read(lambda conn: _thread(conn, tenant, thread_key))

    async def claim(
        self, tenant: str, thread_key: str, claimant: str, seconds: float, etag: str | None
    ) -> Thread | None:
        """Claim the right to open a conversation: create the record (`etag` None) or replace exactly that version."""

        key = digest(tenant, thread_key)

        def work(conn: sqlite3.Connection) -> Thread | None:
            until = self._now() + seconds
            if etag is None:
                done = conn.execute(_CLAIM_NEW, (key, claimant, until))
            else:
                done = conn.execute(_CLAIM_OVER, (claimant, until, key, _version(etag)))
            return _thread(conn, tenant, thread_key) if done.rowcount == 1 else None

        return await self._db.write(work)

    async def link(self, link: Link, claimant: str) -> bool:
        """Write the link and make it the thread's open conversation, ending the claim of `claimant`.

        A link that exists already keeps its thread, status and place: the first one was right, the second is a repeat.
        """
        key, row = digest(link.tenant_id, link.conversation_id), _row(link)

        def work(conn: sqlite3.Connection) -> bool:
            conn.execute(_ADD_LINK, (key, *row))
            opened = conn.execute(_OPEN, (link.conversation_id, digest(link.tenant_id, link.thread_key), claimant))
            if opened.rowcount == 1:
                return True
            thread = _thread(conn, link.tenant_id, link.thread_key)
            return thread is not None and thread.conversation_id == link.conversation_id

        return await self._db.write(work)

    async def by_conversation(self, tenant: str, conversation_id: str) -> Link | None:
        """Read the link of a conversation."""
        key = digest(tenant, conversation_id)
        row = await self._db.read(lambda conn: conn.execute(_LINK, (key,)).fetchone())
        return None if row is None else _link(row)

    async def update(self, link: Link) -> None:
        """Replace a link that exists; its thread and its birthday stay, and nothing is created."""
        tenant, conversation, _, *changed, _, active_at, _ = _row(link)
        row = (*changed, active_at, digest(tenant, conversation))
        await self._db.write(lambda conn: conn.execute(_UPDATE_LINK, row).rowcount)

    async def links(
        self, tenant: str, active_since: float, *, after: Link | None = None, limit: int = 100
    ) -> Sequence[Link]:
        """List links that were active since then, the longest quiet first, at most `limit`, those behind `after`."""
        behind = (active_since, "")
        if after is not None:
            behind = max(behind, (after.active_at, after.conversation_id))
        wanted = (tenant, *behind, limit)
        return [_link(row) for row in await self._db.read(lambda conn: conn.execute(_ACTIVE, wanted).fetchall())]

    async def start(
        self, tenant: str, key: str, now: float, note: Mapping[str, str] | None = None, trace: str = ""
    ) -> Attempt:
        """Journal that an outside call is about to be made, durably; a second start returns the first row."""
        found, text = digest(tenant, key), json.dumps(dict(note or {}))
        row = (found, tenant, key, now, text, now + self._journal_seconds, trace, _ref(trace))

        def work(conn: sqlite3.Connection) -> Attempt:
            first = conn.execute(_START, row).rowcount == 1
            return _attempt(conn.execute(_STARTED, (found,)).fetchone(), first=first)

        return await self._db.write(work)

    async def again(self, tenant: str, key: str, attempt: Attempt, now: float) -> bool:
        """Journal that the call of an attempt is about to be made once more; False if somebody else has, or is done."""
        row = (now, digest(tenant, key), attempt.tried_at)
        return await self._db.write(lambda conn: conn.execute(_AGAIN, row).rowcount) == 1

    async def done(self, tenant: str, key: str, sent_id: str) -> None:
        """Journal what the call made, durably, so that `start(key)` and `origin(sent_id)` tell it."""
        row = self._done_row(tenant, key, sent_id)
        await self._db.write(lambda conn: conn.execute(_DONE, row).rowcount)

    async def adopt(self, tenant: str, key: str, sent_id: str) -> bool:
        """Journal as `done` does, unless another key made the message `sent_id`."""
        row = self._done_row(tenant, key, sent_id)

        def work(conn: sqlite3.Connection) -> bool:
            origin = conn.execute(_ORIGIN, (digest(tenant, sent_id),)).fetchone()
            if origin is not None and origin[0] != key:
                return False
            conn.execute(_DONE, row)
            return True

        return await self._db.write(work)

    def _done_row(self, tenant: str, key: str, sent_id: str) -> tuple[Any, ...]:
        now, expires = self._now(), self._now() + self._journal_seconds
        return digest(tenant, key), tenant, key, now, now, sent_id, digest(tenant, sent_id), expires

    async def abandon(self, tenant: str, key: str) -> None:
        """Take a first start back whose call certainly had no effect; what is `done` or was tried `again` stays."""
        await self._db.write(lambda conn: conn.execute(_ABANDON, (digest(tenant, key),)).rowcount)

    async def attempted(self, tenant: str, key: str) -> bool:
        """Tell whether the journal has a row under this key: a call that was made or is about to be."""
        return await self._db.read(lambda conn: conn.execute(_STARTED, (digest(tenant, key),)).fetchone()) is not None

    async def recall(self, tenant: str, key: str) -> Attempt | None:
        """Read the row under this key as a second `start` gives it; None if there is none."""
        row = await self._db.read(lambda conn: conn.execute(_STARTED, (digest(tenant, key),)).fetchone())
        return None if row is None else _attempt(row, first=False)

    async def origin(self, tenant: str, sent_id: str) -> str | None:
        """Tell which journal key made the message `sent_id` on the other platform, or None: not ours."""
        row = await self._db.read(lambda conn: conn.execute(_ORIGIN, (digest(tenant, sent_id),)).fetchone())
        return None if row is None else str(row[0])

    async def steps(self, trace: str, *, limit: int = 100) -> Sequence[Step]:
        """List journal rows whose trace id begins with `trace` (8 hex digits or more; empty: all), newest first."""
        wanted: tuple[Any, ...] = (limit,) if not trace else (_ref(trace), len(trace), trace, limit)
        statement = _STEPS_OF if trace else _NEWEST_STEPS
        rows = await self._db.read(lambda conn: conn.execute(statement, wanted).fetchall())
        return [_step(row) for row in rows]

    async def fact(self, tenant: str, kind: FactKind, fact_id: str) -> Mapping[str, str] | None:
        """Recall what `learn` kept."""
        wanted = (tenant, kind, fact_id, self._now())
        row = await self._db.read(lambda conn: conn.execute(_FACT, wanted).fetchone())
        return None if row is None else json.loads(row[0])

    async def learn(
        self, tenant: str, kind: FactKind, fact_id: str, value: Mapping[str, str], ttl: float | None
    ) -> None:
        """Keep a small record found out from a platform for `ttl` seconds (None: for good); replaces."""
        expires = None if ttl is None else self._now() + ttl
        row = (tenant, kind, fact_id, json.dumps(dict(value)), expires)
        await self._db.write(lambda conn: conn.execute(_LEARN, row).rowcount)

    async def seen(self, tenant: str, *, after: str = "", limit: int = 100) -> Sequence[str]:
        """List the conversations that webhooks named, in the order of their ids, at most `limit`."""
        rows = await self._db.read(lambda conn: conn.execute(_SEEN, (tenant, after, limit)).fetchall())
        return [fact_id for (fact_id,) in rows]

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull unless a small write goes through to the disk."""
        await self._db.ping()

    async def close(self) -> None:
        """Let go of the store; the database stays open for its other users."""


def _attempt(row: tuple[Any, ...], *, first: bool) -> Attempt:
    started_at, tried_at, text, sent_id = row
    return Attempt(first=first, started_at=started_at, tried_at=tried_at, note=json.loads(text), sent_id=sent_id)


def _version(etag: str) -> int:
    """Read an etag; one that is not ours matches no version."""
    return int(etag) if etag.isascii() and etag.isdigit() and len(etag) < 19 else -1


def _thread(conn: sqlite3.Connection, tenant: str, thread_key: str) -> Thread | None:
    row = conn.execute(_THREAD, (digest(tenant, thread_key),)).fetchone()
    if row is None:
        return None
    conversation_id, claimed_by, claimed_until, version = row
    return Thread(
        thread_key=thread_key,
        conversation_id=conversation_id,
        claimed_by=claimed_by,
        claimed_until=claimed_until,
        etag=str(version),
    )


def _ref(trace: str) -> int | None:
    """Read the part of a trace id that people quote; None for what has none."""
    try:
        return int(trace[:8], 16) if len(trace) >= 8 else None
    except ValueError:
        return None


def _step(row: tuple[Any, ...]) -> Step:
    tenant, key, trace, started_at, done_at, sent_id, note = row
    return Step(
        tenant=tenant,
        key=key,
        trace=trace,
        started_at=started_at,
        done_at=done_at,
        sent_id=sent_id,
        note=json.loads(note),
    )


def _row(link: Link) -> tuple[Any, ...]:
    place = json.dumps(asdict(link.place))
    return (
        link.tenant_id, link.conversation_id, link.thread_key, place, link.freshchat_user_id, link.inbox_id,
        link.status, link.locale, link.created_at, link.active_at, link.trace,
    )  # fmt: skip


def _link(row: tuple[Any, ...]) -> Link:
    conversation_id, tenant, thread_key, place, user, inbox, status, locale, created_at, active_at, trace = row
    return Link(
        conversation_id=conversation_id,
        tenant_id=tenant,
        thread_key=thread_key,
        place=Place(**json.loads(place)),
        freshchat_user_id=user,
        inbox_id=inbox,
        status=status,
        locale=locale,
        created_at=created_at,
        active_at=active_at,
        trace=trace,
    )
