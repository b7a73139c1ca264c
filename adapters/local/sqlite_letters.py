"""The dead letters' statements, and the counters: plain functions, like those of `sqlite_queue_sql`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from adapters.local.sqlite_queue_sql import Held, Waiting, append, complete_all
from bridge.ports import DIRECTIONS, DeadLetter, Depth, Direction, Envelope, Failure

_BURY = """INSERT INTO dead_letters (direction, session, tenant, message_id, kind, trace, received_at, body,
        attempts, first_failed_at, last_failed_at, code, message, component)
    SELECT direction, ?, tenant, message_id, kind, trace, received_at, body,
        attempts + 1, coalesce(first_failed_at, ?), ?, ?, ?, ? FROM messages WHERE id = ?"""
_LETTER = """SELECT id, direction, tenant, message_id, kind, trace, received_at, body, session, code, message,
        component, first_failed_at, last_failed_at, attempts
    FROM dead_letters """
_ONE = _LETTER + "WHERE id = ?"
_ALL = _LETTER + "WHERE id > ? ORDER BY id LIMIT ?"
_OF_DIRECTION = _LETTER + "WHERE direction = ? AND id > ? ORDER BY id LIMIT ?"


def dead_letter(conn: sqlite3.Connection, held: Held, session: str, failure: Failure, now: float) -> Waiting | None:
    """Move a message to the dead letters, and give the next one of its session (None: the session is gone)."""
    conn.execute(_BURY, (session, now, now, failure.code, failure.message, failure.component, held.message))
    following = complete_all(conn, [held], now)[0]
    if isinstance(following, Exception):
        raise following  # and the insert above is rolled back
    return following


def _letter(row: Sequence[Any]) -> DeadLetter:
    number, direction, tenant, message_id, kind, trace, received_at, body, session, *rest = row
    code, message, component, first_failed_at, last_failed_at, attempts = rest
    return DeadLetter(
        id=str(number),
        envelope=Envelope(
            direction=DIRECTIONS[direction],
            tenant=tenant,
            message_id=message_id,
            session=session,
            kind=kind,
            trace=trace,
            body=body,
            received_at=received_at,
        ),
        failure=Failure(code=code, message=message, component=component),
        first_failed_at=first_failed_at,
        last_failed_at=last_failed_at,
        attempts=attempts,
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


def replay(conn: sqlite3.Connection, number: int, now: float) -> Direction | None:
    """Move one dead letter back to the end of its session; tell its direction, None if there is no such letter."""
    found = letter(conn, number)
    if found is None:
        return None
    drop(conn, number)
    append(conn, found.envelope.direction, [found.envelope], now)
    return found.envelope.direction


def depth(conn: sqlite3.Connection, direction: Direction, now: float) -> Depth:
    """Read how full a direction is."""
    code = DIRECTIONS.index(direction)
    waiting, dead = conn.execute("SELECT waiting, dead FROM depth WHERE direction = ?", (code,)).fetchone()
    oldest = conn.execute("SELECT min(queued_at) FROM messages WHERE direction = ?", (code,)).fetchone()[0]
    return Depth(waiting=waiting, dead=dead, oldest_age=0.0 if oldest is None else max(0.0, now - oldest))
