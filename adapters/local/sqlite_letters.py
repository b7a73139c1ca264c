"""The dead letters' statements, and the counters: plain functions, like those of `sqlite_queue_sql`."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from adapters.local.sqlite_queue_sql import Held, Row, append, complete_all
from bridge.ports import DIRECTIONS, RECENT, DeadLetter, Depth, Direction, Envelope, Failure, Waiting

_BURY = """INSERT INTO dead_letters (direction, session, tenant, message_id, kind, trace, received_at, body,
        span, replays, attempts, first_failed_at, last_failed_at, code, message, component, transient)
    SELECT direction, ?, tenant, message_id, kind, trace, received_at, body,
        span, replays, attempts + 1, coalesce(first_failed_at, ?), ?, ?, ?, ?, ? FROM messages WHERE id = ?"""
_LETTER = """SELECT id, direction, tenant, message_id, kind, trace, received_at, body, span, session, code, message,
        component, transient, first_failed_at, last_failed_at, attempts, replays
    FROM dead_letters """
_ONE = _LETTER + "WHERE id = ?"
_ALL = _LETTER + "WHERE id > ? ORDER BY id LIMIT ?"
_OF_DIRECTION = _LETTER + "WHERE direction = ? AND id > ? ORDER BY id LIMIT ?"


def dead_letter(conn: sqlite3.Connection, held: Held, session: str, failure: Failure, now: float) -> Row | None:
    """Move a message to the dead letters, and give the next one of its session (None: the session is gone)."""
    why = (failure.code, failure.message, failure.component, failure.transient)
    conn.execute(_BURY, (session, now, now, *why, held.message))
    following = complete_all(conn, [held], now)[0]
    if isinstance(following, Exception):
        raise following  # and the insert above is rolled back
    return following


def _envelope(about: Sequence[Any]) -> Envelope:
    direction, tenant, message_id, kind, trace, received_at, body, span, session = about
    return Envelope(
        direction=DIRECTIONS[direction],
        tenant=tenant,
        message_id=message_id,
        session=session,
        kind=kind,
        trace=trace,
        body=body,
        received_at=received_at,
        span=span,
    )


def _letter(row: Sequence[Any]) -> DeadLetter:
    number, *about, code, message, component, transient, first_failed_at, last_failed_at, attempts, replays = row
    return DeadLetter(
        id=str(number),
        envelope=_envelope(about),
        failure=Failure(code=code, message=message, component=component, transient=bool(transient)),
        first_failed_at=first_failed_at,
        last_failed_at=last_failed_at,
        attempts=attempts,
        replays=replays,
    )


def letters(conn: sqlite3.Connection, direction: Direction | None, limit: int, after: int) -> list[DeadLetter]:
    """List dead letters behind number `after`, oldest first."""
    if direction is None:
        return [_letter(row) for row in conn.execute(_ALL, (after, limit))]
    return [_letter(row) for row in conn.execute(_OF_DIRECTION, (DIRECTIONS.index(direction), after, limit))]


def letter(conn: sqlite3.Connection, number: int) -> DeadLetter | None:
    """Read one dead letter."""
    row = conn.execute(_ONE, (number,)).fetchone()
    return None if row is None else _letter(row)


def drop(conn: sqlite3.Connection, number: int) -> bool:
    """Delete one dead letter; False if there is none."""
    return conn.execute("DELETE FROM dead_letters WHERE id = ?", (number,)).rowcount == 1


_AGAIN = "UPDATE messages SET attempts = ?, first_failed_at = ?, replays = ? WHERE id = last_insert_rowid()"


def replay(conn: sqlite3.Connection, number: int, now: float, automatic: bool) -> Direction | None:
    """Move one dead letter back to the end of its session; tell its direction, None if there is no such letter."""
    found = letter(conn, number)
    if found is None:
        return None
    drop(conn, number)
    envelope = found.envelope
    append(conn, envelope.direction, [envelope], now)
    if automatic:
        conn.execute(_AGAIN, (found.attempts, found.first_failed_at, found.replays + 1))
    return envelope.direction


_WAITING = """SELECT m.direction, m.tenant, m.message_id, m.kind, m.trace, m.received_at, m.body, m.span, s.key,
        m.attempts, m.first_failed_at, m.failure
    FROM messages m JOIN sessions s ON s.id = m.session_id WHERE substr(m.trace, 1, ?) = ? ORDER BY m.id LIMIT ?"""


def waiting(conn: sqlite3.Connection, trace: str, limit: int) -> list[Waiting]:
    """List waiting messages whose trace id begins with `trace`."""
    return [_waiting(row) for row in conn.execute(_WAITING, (len(trace), trace, limit))]


def _waiting(row: Sequence[Any]) -> Waiting:
    *about, attempts, first, failure = row
    return Waiting(
        envelope=_envelope(about),
        attempts=attempts,
        first_failed_at=first,
        failure=Failure(**json.loads(failure)) if failure else None,
    )


def depth(conn: sqlite3.Connection, direction: Direction, now: float) -> Depth:
    """Read how full a direction is."""
    code = DIRECTIONS.index(direction)
    count, dead = conn.execute("SELECT waiting, dead FROM depth WHERE direction = ?", (code,)).fetchone()
    oldest = conn.execute("SELECT min(queued_at) FROM messages WHERE direction = ?", (code,)).fetchone()[0]
    recent = "SELECT count(*) FROM dead_letters WHERE direction = ? AND last_failed_at > ?"
    return Depth(
        waiting=count,
        dead=dead,
        oldest_age=0.0 if oldest is None else max(0.0, now - oldest),
        dead_recently=conn.execute(recent, (code, now - RECENT)).fetchone()[0] if dead else 0,
    )
