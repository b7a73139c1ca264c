"""The embedded `Queue`: two directions of sessions in one SQLite file, shared by any number of processes."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from itertools import count

from adapters.local import sqlite_letters as letters
from adapters.local import sqlite_queue_sql as sql
from adapters.local.sqlite import Database
from adapters.local.sqlite_acceptor import Acceptor, Room
from adapters.local.sqlite_lane import Group
from adapters.local.sqlite_limit import Limit
from adapters.local.sqlite_owners import Dead, Owner, boot_id
from adapters.local.sqlite_session import Renewals, SqliteSession
from bridge.errors import StoreFull
from bridge.ports import DIRECTIONS, DeadLetter, Depth, Direction, Envelope, Waiting

LOOK_SECONDS = 1.0


class SqliteQueue:
    """The `Queue` port on a `Database`, which its maker closes after this.

    A message costs three shared commits: put, accept, complete. Tenants with ready sessions take turns.
    """

    def __init__(
        self,
        db: Database,
        *,
        lease_seconds: float = 30.0,
        limit: int = 0,
        tenants: int = 1,
        now: Callable[[], float] = time.time,
        boot: Callable[[], str | None] = boot_id,
    ) -> None:
        """`limit` is how many messages may wait in one direction (0: any number); several `tenants` share it.

        `boot` names this boot of this machine, or gives None: then leases of dead processes run out by time only.
        """
        self.db = db
        self.now = now
        self.completes: Group[sql.Held, sql.Row | None] = Group(lambda c, held: sql.complete_all(c, held, now()))
        self._lease_seconds, self._limit = lease_seconds, Limit(limit, shared=tenants > 1)
        self._owner = Owner(db.path, boot())
        self._look_for_dead_at = 0.0
        self._counter = count(1)
        self._turn: dict[Direction, str] = dict.fromkeys(DIRECTIONS, "")
        self._renewals = Renewals(db, lease_seconds, now)
        self._acceptors = {d: self._acceptor(d) for d in DIRECTIONS}
        self._puts = {d: self._put_group(d) for d in DIRECTIONS}
        self._returning: set[asyncio.Task[None]] = set()
        self._owed: set[tuple[int, str]] = set()

    async def put(self, envelope: Envelope) -> bool:
        """Store durably, then return True; False if this `message_id` was accepted before (within 7 days).

        Raises StoreFull when the disk does not take it, or when there is no room for it (of this tenant: see `Limit`).
        """
        return await self.db.write_grouped(self._puts[envelope.direction], envelope)

    async def accept(
        self, direction: Direction, wait: float, room: Callable[[str], int] | None = None
    ) -> SqliteSession | None:
        """Lease the session that has waited longest among those ready, tenants in turn; None after `wait` seconds.

        Raises StoreFull or Unavailable when leases cannot be written now.
        """
        return await self._acceptors[direction].accept(wait, room)

    async def dead_letters(
        self, direction: Direction | None = None, *, limit: int = 100, after: str | None = None
    ) -> Sequence[DeadLetter]:
        """List letters, oldest first, at most `limit`, those behind letter id `after`."""
        behind = 0 if after is None else _number(after)
        if behind is None:
            return []
        return await self.db.read(lambda conn: letters.letters(conn, direction, limit, behind))

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Give one letter, or None."""
        number = _number(letter_id)
        return None if number is None else await self.db.read(lambda conn: letters.letter(conn, number))

    async def replay(self, letter_id: str, *, automatic: bool = False) -> bool:
        """Put a letter back at the end of its session under its old message id.

        For a person it starts afresh; `automatic` counts, and keeps its attempts and its first failure.
        """
        number = _number(letter_id)
        if number is None:
            return False
        direction = await self.db.write(lambda conn: letters.replay(conn, number, self.now(), automatic))
        if direction is not None:
            self.ring(direction)
        return direction is not None

    async def drop(self, letter_id: str) -> bool:
        """Delete a letter for good; False if there is no such letter."""
        number = _number(letter_id)
        return number is not None and await self.db.write(lambda conn: letters.drop(conn, number))

    async def find(self, trace: str, *, limit: int = 20) -> Sequence[Waiting]:
        """Give waiting messages whose trace id begins with `trace`; reads the whole queue."""
        return await self.db.read(lambda conn: letters.waiting(conn, trace, limit))

    async def depth(self, direction: Direction) -> Depth:
        """Tell how full it is: one counter row and the first entry of an index."""
        return await self.db.read(lambda conn: letters.depth(conn, direction, self.now()))

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull unless a small write goes through to the disk, with room for more."""
        await self.db.ping()
        await self.db.read(lambda _: self.db.keep_reserve())

    async def close(self) -> None:
        """Send waiting workers home, give back held sessions. The database stays open for its other users."""
        for acceptor in self._acceptors.values():
            await acceptor.close()
        await self._renewals.close()
        await asyncio.gather(*self._returning)
        self._owner.close()

    def hold(self, session: SqliteSession) -> None:
        """Keep renewing the lease of this session."""
        self._renewals.hold(session)

    def let_go(self, session: SqliteSession) -> None:
        """Stop renewing it."""
        self._renewals.let_go(session)

    def owe(self, session: SqliteSession) -> None:
        """Release this session as soon as something can be written again."""
        self._owed.add((session.row, session.owner))

    def ring(self, direction: Direction) -> None:
        """Tell waiting workers that a session may be ready, or will be."""
        self._acceptors[direction].ring()

    def _put_group(self, direction: Direction) -> Group[Envelope, bool]:
        def work(conn: sqlite3.Connection, envelopes: Sequence[Envelope]) -> Sequence[bool | Exception]:
            try:
                self.db.keep_reserve()
            except StoreFull as error:
                return [StoreFull(str(error)) for _ in envelopes]
            return sql.put_all(conn, direction, envelopes, self.now(), self._limit)

        return Group(work, after=self._acceptors[direction].ring)

    def _acceptor(self, direction: Direction) -> Acceptor:
        async def take(most: int, room: Room | None) -> tuple[Sequence[SqliteSession], float | None]:
            return await self._take(direction, most, room)

        return Acceptor(take, self._give_back, self.db.listen, self.now)

    async def _take(
        self, direction: Direction, most: int, room: Room | None
    ) -> tuple[Sequence[SqliteSession], float | None]:
        last, owner = self._turn[direction], f"{self._owner.name}.{next(self._counter)}"
        dead, owed = self._dead(), tuple(self._owed)

        def work(conn: sqlite3.Connection) -> tuple[list[sql.Taken], float | None]:
            now = self.now()
            sql.release_all_of(conn, [one.name for one in dead], now)
            for row, held_by in owed:
                sql.release(conn, row, held_by, now)
            return sql.take(conn, direction, most, room, last, owner, now, now + self._lease_seconds)

        released = False
        try:
            taken, due = await self.db.write(work)
            released = True
        finally:
            for one in dead:
                one.bury(released)
        if taken:
            self._turn[direction] = taken[-1].tenant
        self._owed.difference_update(owed)
        if dead or owed:
            self._ring_all()  # what was released may be of the other direction
        return [SqliteSession(self, direction, one) for one in taken], due

    def _dead(self) -> list[Dead]:
        """Look for dead owners at the start, and then once a second: a few system calls for each other process."""
        now = time.monotonic()
        if now < self._look_for_dead_at:
            return []
        self._look_for_dead_at = now + LOOK_SECONDS
        return self._owner.dead()

    def _ring_all(self) -> None:
        for acceptor in self._acceptors.values():
            acceptor.ring()

    def _give_back(self, session: SqliteSession) -> None:
        task = asyncio.create_task(session.release())
        self._returning.add(task)
        task.add_done_callback(self._returning.discard)


def _number(letter_id: str) -> int | None:
    """Read a letter id; None for what cannot be one."""
    return int(letter_id) if letter_id.isascii() and letter_id.isdigit() and len(letter_id) < 19 else None
