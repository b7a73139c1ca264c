"""A session of the embedded queue: the messages of one ordering key, under a lease on disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol
from weakref import WeakSet

from adapters.local import sqlite_queue_sql as sql
from adapters.local.sqlite import Database
from adapters.local.sqlite_lane import Group
from adapters.local.sqlite_letters import dead_letter
from bridge.errors import BridgeError, LeaseLost, StoreFull
from bridge.ports import Delivery, Direction, Envelope, Failure

log = logging.getLogger(__name__)


class Desk(Protocol):
    """What a session needs from its queue."""

    db: Database
    now: Callable[[], float]
    completes: Group[sql.Held, sql.Row | None]

    def hold(self, session: SqliteSession) -> None:
        """Keep renewing the lease of this session."""

    def let_go(self, session: SqliteSession) -> None:
        """Stop renewing it."""

    def owe(self, session: SqliteSession) -> None:
        """Release this session as soon as something can be written again."""

    def ring(self, direction: Direction) -> None:
        """Tell waiting workers that a session may be ready, or will be."""


class SqliteSession:
    """The `Session` port; the next message comes along with the write that settles the one before."""

    def __init__(self, desk: Desk, direction: Direction, taken: sql.Taken) -> None:
        self.key = taken.key
        self.tenant = taken.tenant
        self.row = taken.id
        self.owner = taken.owner
        self.until = taken.until
        self.direction: Direction = direction
        self._desk = desk
        self._ended: str | None = None
        self._message: sql.Row | None = taken.first
        self._delivery: Delivery | None = None
        desk.hold(self)

    async def next(self) -> Delivery | None:
        """Take the oldest message; None when the session is empty (it is then released)."""
        if self._ended == "empty":
            return None
        self._check()
        if self._delivery is None and self._message is not None:
            self._delivery = self._deliver(self._message)
        return self._delivery

    async def complete(self, delivery: Delivery) -> None:
        """Settle as done: the message is gone, its dedupe key stays."""
        held = self._held(delivery)
        await self._settle(self._desk.db.write_grouped(self._desk.completes, held))

    async def retry(self, delivery: Delivery, after: float, failure: Failure, *, count: bool = True) -> None:
        """Give back the whole session until `after` seconds from now."""
        held, now = self._held(delivery), self._desk.now
        log.info("delivery_retry", extra={"code": failure.code, "component": failure.component, "after": after})
        try:
            await self._desk.db.write(lambda conn: sql.retry(conn, held, failure, now(), after, count))
        finally:
            self._end("given back")
        self._desk.ring(self.direction)

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """Settle as given up, with its reason; the session goes on with the next message."""
        held, now = self._held(delivery), self._desk.now
        await self._settle(self._desk.db.write(lambda c: dead_letter(c, held, self.key, failure, now())))

    async def release(self) -> None:
        """Give the session back at once, or with the next lease that can be written. Never raises."""
        if self._ended is not None:
            return
        self._end("given back")
        row, owner, now = self.row, self.owner, self._desk.now
        try:
            await self._desk.db.write(lambda conn: sql.release(conn, row, owner, now()))
        except (StoreFull, BridgeError) as error:
            log.warning("release_failed", extra={"reason": str(error)})
            self._desk.owe(self)
        self._desk.ring(self.direction)

    def lose(self) -> None:
        """The lease was found to be somebody else's."""
        self._end("lost")

    def _check(self) -> None:
        if self._ended is not None or self._desk.now() >= self.until:
            raise LeaseLost("this session is not held any more")

    def _held(self, delivery: Delivery) -> sql.Held:
        self._check()
        if self._message is None or self._delivery is not delivery:
            raise LeaseLost("this delivery is not the one under lease")
        return sql.Held(self.row, self.owner, self._message.id)

    async def _settle(self, write: Awaitable[sql.Row | None]) -> None:
        try:
            following = await write
        except LeaseLost:
            self.lose()
            raise
        except (StoreFull, BridgeError):
            self._desk.let_go(self)  # the caller drops the session: its lease must run out
            raise
        self._message, self._delivery = following, None
        if following is None:
            self._ended = "empty"  # whatever a renewal was told that ran in the same commit and found no row
            self._desk.let_go(self)

    def _end(self, how: str) -> None:
        self._ended = self._ended or how
        self._desk.let_go(self)

    def _deliver(self, message: sql.Row) -> Delivery:
        envelope = Envelope(
            direction=self.direction,
            tenant=message.tenant,
            message_id=message.message_id,
            session=self.key,
            kind=message.kind,
            trace=message.trace,
            body=message.body,
            received_at=message.received_at,
            span=message.span,
        )
        lease = f"{self.owner}/{self.row}"
        return Delivery(
            envelope=envelope,
            attempts=message.attempts,
            first_failed_at=message.first_failed_at,
            lease=lease,
            replays=message.replays,
        )


class Renewals:
    """Renews the leases of all held sessions of one queue, with one write, three times per lease.

    Sessions are held weakly: one that its worker has dropped is not renewed, and so runs out.
    """

    def __init__(self, db: Database, lease_seconds: float, now: Callable[[], float]) -> None:
        self._db = db
        self._lease_seconds = lease_seconds
        self._now = now
        self._held: WeakSet[SqliteSession] = WeakSet()
        self._task: asyncio.Task[None] | None = None

    def hold(self, session: SqliteSession) -> None:
        """Start renewing."""
        self._held.add(session)
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="sqlite-renew")

    def let_go(self, session: SqliteSession) -> None:
        """Stop renewing."""
        self._held.discard(session)

    async def close(self) -> None:
        """Stop renewing, and give back what is still held."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.gather(*(session.release() for session in list(self._held)))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            if self._held:
                await self._renew({(s.row, s.owner): s for s in self._held})

    async def _renew(self, held: dict[tuple[int, str], SqliteSession]) -> None:
        now = self._now()
        until = now + self._lease_seconds
        try:
            lost = await self._db.write(lambda conn: sql.renew_all(conn, list(held), self._now(), until))
        except (StoreFull, BridgeError) as error:
            log.warning("renew_failed", extra={"reason": str(error), "sessions": len(held)})
            return
        for key, session in held.items():
            if key in lost:
                session.lose()
            else:
                session.until = until
