"""How many messages may wait in one direction, and how tenants share that room."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from bridge.errors import StoreFull

_WAITING = "SELECT waiting FROM depth WHERE direction = ?"
_OF_TENANT = "SELECT waiting FROM tenant_depth WHERE direction = ? AND tenant = ?"


@dataclass(frozen=True, slots=True)
class Limit:
    """`most` messages may wait (0: any number); where there are several tenants, they share that room.

    Each may then have as many waiting as there is room for more (as in `bridge/turns.py`): one flooding tenant gets
    half of it, two get a third each, and the others always find some.
    """

    most: int = 0
    shared: bool = False


NO_LIMIT = Limit()


class Space:
    """What is left of that room for one batch of messages."""

    def __init__(self, conn: sqlite3.Connection, direction: int, limit: Limit, tenants: Collection[str]) -> None:
        """`tenants` has the tenant of each message of the batch."""
        self._limit, self._left = limit, 0
        self._waiting: dict[str, int] = {}
        if not limit.most:
            return
        self._left = limit.most - conn.execute(_WAITING, (direction,)).fetchone()[0]
        if limit.shared and limit.most - self._left + len(tenants) > self._left - len(tenants):
            self._waiting = {tenant: _waiting(conn, direction, tenant) for tenant in set(tenants)}

    def take(self, tenant: str) -> StoreFull | None:
        """Take room for one message; why not, if there is none."""
        if not self._limit.most:
            return None
        if self._left <= 0:
            return StoreFull(f"{self._limit.most} messages are waiting already")
        if self._waiting.get(tenant, 0) >= self._left:
            return StoreFull(f"{self._waiting[tenant]} messages of this tenant are waiting already, its share")
        self._left -= 1
        if tenant in self._waiting:
            self._waiting[tenant] += 1
        return None


def _waiting(conn: sqlite3.Connection, direction: int, tenant: str) -> int:
    row = conn.execute(_OF_TENANT, (direction, tenant)).fetchone()
    return int(row[0]) if row else 0
