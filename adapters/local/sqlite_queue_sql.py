"""The queue's statements: plain functions from a connection to rows, each run inside a caller's transaction.

They work on many rows per statement where they can: the cost of a statement is mostly the way in and out of SQLite
(and each way gives the interpreter lock away), so forty messages cost little more than one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cache
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

from adapters.local.sqlite_limit import NO_LIMIT, Limit, Space
from adapters.local.sqlite_schema import digest
from bridge.errors import LeaseLost
from bridge.ports import DIRECTIONS, Direction, Envelope, Failure

T = TypeVar("T")
DEDUPE_SECONDS = 7 * 86_400.0
_WIDEST = 64


class Row(NamedTuple):
    """A message in the queue, as the database has it."""

    id: int
    session_id: int
    tenant: str
    message_id: str
    kind: str
    trace: str
    received_at: float
    attempts: int
    first_failed_at: float | None
    body: bytes
    span: str
    replays: int


class Taken(NamedTuple):
    """A session that has just been leased, and its first message."""

    id: int
    key: str
    tenant: str
    owner: str
    until: float
    first: Row


class Held(NamedTuple):
    """The message that somebody settles, and the lease that allows it."""

    session_id: int
    owner: str
    message: int


# --- Many rows per statement ----------------------------------------------------------------------------------------


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut into powers of two, so that few distinct statements have to be prepared and all stay in the cache."""
    start, size = 0, _WIDEST
    while start < len(items):
        while size > len(items) - start:
            size //= 2
        yield items[start : start + size]
        start += size


@cache
def _repeat(row: str, times: int) -> str:
    return ", ".join([row] * times)


def _insert(conn: sqlite3.Connection, into: str, row: str, rows: Sequence[tuple[Any, ...]]) -> None:
    for chunk in _chunks(rows):
        conn.execute(f"{into} VALUES {_repeat(row, len(chunk))}", [value for one in chunk for value in one])


def _where_in(conn: sqlite3.Connection, statement: str, values: Sequence[Any], *more: Any) -> Iterator[Any]:
    """Run `statement` with its `{}` filled by `values`; `more` are the parameters before them."""
    for chunk in _chunks(values):
        yield from conn.execute(statement.format(_repeat("?", len(chunk))), [*more, *chunk])


def _change(conn: sqlite3.Connection, statement: str, values: Sequence[Any], *more: Any) -> None:
    for _ in _where_in(conn, statement, values, *more):
        pass


# --- Put ------------------------------------------------------------------------------------------------------------

_KNOWN = "SELECT key FROM dedupe WHERE expires > ? AND key IN ({})"
_REMEMBER = "INSERT OR REPLACE INTO dedupe (key, expires)"
_OPEN_SESSION = "INSERT OR IGNORE INTO sessions (direction, key, tenant, visible_at)"
_APPEND = """INSERT INTO messages
    (session_id, direction, tenant, message_id, kind, trace, received_at, queued_at, body, span)"""
_APPEND_ROW = "((SELECT id FROM sessions WHERE direction = ? AND key = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def put_all(
    conn: sqlite3.Connection, direction: Direction, envelopes: Sequence[Envelope], now: float, limit: Limit = NO_LIMIT
) -> list[bool | Exception]:
    """Append each envelope that is new; True for those, False for the ones accepted before.

    StoreFull for those that `limit` has no room for.
    """
    keys = [digest(e.message_id) for e in envelopes]
    known = {row[0] for row in _where_in(conn, _KNOWN, keys, now)}
    space = Space(conn, DIRECTIONS.index(direction), limit, [envelope.tenant for envelope in envelopes])
    fresh: dict[bytes, Envelope] = {}
    answers: list[bool | Exception] = []
    for key, envelope in zip(keys, envelopes, strict=True):
        if key in known or key in fresh:
            answers.append(False)
        elif (full := space.take(envelope.tenant)) is not None:
            answers.append(full)
        else:
            fresh[key] = envelope
            answers.append(True)
    _insert(conn, _REMEMBER, "(?, ?)", [(key, now + DEDUPE_SECONDS) for key in fresh])
    append(conn, direction, list(fresh.values()), now)
    return answers


def append(conn: sqlite3.Connection, direction: Direction, envelopes: Sequence[Envelope], now: float) -> None:
    """Put envelopes at the end of their sessions, without asking whether they are new."""
    code = DIRECTIONS.index(direction)
    sessions = {e.session: (code, e.session, e.tenant, now) for e in envelopes}
    _insert(conn, _OPEN_SESSION, "(?, ?, ?, ?)", list(sessions.values()))
    rows = [
        (code, e.session, code, e.tenant, e.message_id, e.kind, e.trace, e.received_at, now, e.body, e.span)
        for e in envelopes
    ]
    _insert(conn, _APPEND, _APPEND_ROW, rows)


# --- Take -----------------------------------------------------------------------------------------------------------

# Hops from tenant to tenant along the index, so it costs one look-up per tenant that has sessions at all.
_TENANTS = """
    WITH RECURSIVE hop (tenant) AS (
        SELECT min(tenant) FROM sessions WHERE direction = :direction
        UNION ALL
        SELECT (SELECT min(tenant) FROM sessions WHERE direction = :direction AND tenant > hop.tenant)
        FROM hop WHERE hop.tenant IS NOT NULL)
    SELECT tenant, (SELECT min(visible_at) FROM sessions WHERE direction = :direction AND tenant = hop.tenant)
    FROM hop WHERE tenant IS NOT NULL"""
_READY = """SELECT id, key, tenant FROM sessions
    WHERE direction = ? AND tenant = ? AND visible_at <= ? ORDER BY visible_at LIMIT ?"""


def take(
    conn: sqlite3.Connection,
    direction: Direction,
    most: int,
    room: Callable[[str], int] | None,
    last: str,
    owner: str,
    now: float,
    until: float,
) -> tuple[list[Taken], float | None]:
    """Lease up to `most` ready sessions, tenants in turn behind tenant `last`, the longest waiting first in each.

    Of no tenant more than it has `room` for. Also tells when the next session may become ready (None: there is no
    other, or only of tenants without room).
    """
    code = DIRECTIONS.index(direction)
    heads = conn.execute(_TENANTS, {"direction": code}).fetchall()
    rooms = {tenant: most if room is None else min(room(tenant), most) for tenant, _ in heads}
    ready = [tenant for tenant, visible_at in heads if visible_at <= now and rooms[tenant] > 0]
    ready.sort(key=lambda tenant: (tenant <= last, tenant))
    fair = most // max(len(ready), 1) + 1
    lines = [conn.execute(_READY, (code, t, now, min(fair, rooms[t]))).fetchall() for t in ready[:most]]
    chosen = [row for turn in zip_longest(*lines) for row in turn if row is not None][:most]
    if not chosen:
        return [], min((visible_at for tenant, visible_at in heads if rooms[tenant] > 0), default=None)
    ids = [row[0] for row in chosen]
    _change(conn, "UPDATE sessions SET owner = ?, visible_at = ? WHERE id IN ({})", ids, owner, until)
    first = heads_of(conn, ids)
    _delete_sessions(conn, [i for i in ids if i not in first])  # never seen; a leftover must not block the line
    return [Taken(i, key, tenant, owner, until, first[i]) for i, key, tenant in chosen if i in first], now


# One look-up per session. GROUP BY would read all waiting messages of a session to find its oldest.
_HEADS = """SELECT m.id, m.session_id, m.tenant, m.message_id, m.kind, m.trace, m.received_at, m.attempts,
        m.first_failed_at, m.body, m.span, m.replays
    FROM sessions s JOIN messages m ON m.id = (SELECT min(id) FROM messages WHERE session_id = s.id)
    WHERE s.id IN ({})"""


def heads_of(conn: sqlite3.Connection, sessions: Sequence[int]) -> dict[int, Row]:
    """Read the oldest message of each session that has one."""
    return {row[1]: Row(*row) for row in _where_in(conn, _HEADS, sessions)}


# --- Settle ---------------------------------------------------------------------------------------------------------


def complete_all(conn: sqlite3.Connection, settled: Sequence[Held], now: float) -> list[Row | Exception | None]:
    """Delete each message whose lease holds, and give the next one of its session.

    None when there is no next one: the session is then gone. LeaseLost where the lease does not hold.
    """
    sessions = [held.session_id for held in settled]
    valid = "SELECT id, owner FROM sessions WHERE visible_at > ? AND id IN ({})"
    owners = dict(_where_in(conn, valid, sessions, now))
    good = [held for held in settled if owners.get(held.session_id) == held.owner]
    _delete_messages(conn, [held.message for held in good])
    first = heads_of(conn, [held.session_id for held in good])
    _delete_sessions(conn, [held.session_id for held in good if held.session_id not in first])
    ours = set(good)
    return [first.get(held.session_id) if held in ours else lost() for held in settled]


def _delete_messages(conn: sqlite3.Connection, ids: Sequence[int]) -> None:
    _change(conn, "DELETE FROM messages WHERE id IN ({})", ids)


def _delete_sessions(conn: sqlite3.Connection, ids: Sequence[int]) -> None:
    _change(conn, "DELETE FROM sessions WHERE id IN ({})", ids)


def lost() -> LeaseLost:
    return LeaseLost("the lease of this session has run out or is somebody else's")


def _give_back(conn: sqlite3.Connection, session_id: int, owner: str, now: float, visible_at: float) -> bool:
    statement = "UPDATE sessions SET owner = NULL, visible_at = ? WHERE id = ? AND owner = ? AND visible_at > ?"
    return conn.execute(statement, (visible_at, session_id, owner, now)).rowcount == 1


def release(conn: sqlite3.Connection, session_id: int, owner: str, now: float) -> bool:
    """End a lease; False if it was not there any more."""
    return _give_back(conn, session_id, owner, now, now)


def release_all_of(conn: sqlite3.Connection, names: Sequence[str], now: float) -> None:
    """End all leases of owners who are dead; `name.` is what an owner's leases begin with, and `/` is next to `.`."""
    for name in names:
        statement = "UPDATE sessions SET owner = NULL, visible_at = ? WHERE owner > ? AND owner < ? AND visible_at > ?"
        conn.execute(statement, (now, f"{name}.", f"{name}/", now))


_FAILED = """UPDATE messages SET attempts = attempts + ?, failure = ?,
    first_failed_at = CASE WHEN ? THEN coalesce(first_failed_at, ?) ELSE first_failed_at END WHERE id = ?"""


def retry(conn: sqlite3.Connection, held: Held, failure: Failure, now: float, after: float, count: bool) -> None:
    """Hide the session for `after` seconds and end its lease; LeaseLost if it was not there any more."""
    if not _give_back(conn, held.session_id, held.owner, now, now + max(after, 0.0)):
        raise lost()
    conn.execute(_FAILED, (int(count), json.dumps(asdict(failure)), count, now, held.message))


def renew_all(
    conn: sqlite3.Connection, held: Sequence[tuple[int, str]], now: float, until: float
) -> set[tuple[int, str]]:
    """Prolong leases (session, owner); give those that were lost."""
    statement = "UPDATE sessions SET visible_at = ? WHERE id = ? AND owner = ? AND visible_at > ?"
    return {one for one in held if conn.execute(statement, (until, *one, now)).rowcount == 0}
