"""Two directions of durable messages: what travels, what was given up, and who holds what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Direction = Literal["to-freshchat", "to-teams"]
DIRECTIONS: tuple[Direction, ...] = ("to-freshchat", "to-teams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One accepted request: the raw body, and the three keys that a door takes from it.

    `message_id` is the dedupe key, `session` the ordering key (both made in `bridge/ids.py`), `kind` a short word
    for lists, `trace` a W3C trace id, `span` the id of the span that accepted it (empty if there was none).
    """

    direction: Direction
    tenant: str
    message_id: str
    session: str
    kind: str
    trace: str
    body: bytes
    received_at: float
    span: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a delivery did not go through: nothing personal, no body.

    `transient`: the same message may go through later without anybody changing anything.
    """

    code: str
    message: str
    component: str
    transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An envelope taken from the queue. `attempts` counts earlier failures, `first_failed_at` dates the first.

    `replays` counts how often it came back from the dead letters without a person.
    """

    envelope: Envelope
    attempts: int
    first_failed_at: float | None
    lease: str
    replays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up, whole, so that it can be replayed. `id` is what `dlq` commands take."""

    id: str
    envelope: Envelope
    failure: Failure
    first_failed_at: float
    last_failed_at: float
    attempts: int
    replays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A message that is in the queue, for people who ask; `failure` is why it was given back last, if it was."""

    envelope: Envelope
    attempts: int
    first_failed_at: float | None
    failure: Failure | None


RECENT = 900.0
"""Seconds that `Depth.dead_recently` looks back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How full one direction is; `oldest_age` is the age in seconds of the oldest waiting message (0 if none).

    `dead_recently` counts the letters that came in within the last `RECENT` seconds and are still there.
    """

    waiting: int
    dead: int
    oldest_age: float
    dead_recently: int = 0


class Session(Protocol):
    """All waiting messages of one ordering key, leased to one worker, in order of arrival.

    Every method but `release` raises LeaseLost when the lease has run out or is somebody else's, and StoreFull or
    Unavailable when the store cannot do it now (the caller then just drops the session: the lease runs out).
    The adapter renews the lease while the session is held.
    """

    key: str
    tenant: str

    async def next(self) -> Delivery | None:
        """Take the oldest message; None when the session is empty (it is then released). Idempotent until settled."""

    async def complete(self, delivery: Delivery) -> None:
        """Settle as done: the message is gone, its dedupe key stays."""

    async def retry(self, delivery: Delivery, after: float, failure: Failure, *, count: bool = True) -> None:
        """Give back the whole session until `after` seconds from now; order is kept and the lease ends.

        `count=False` does not add to `attempts` and leaves `first_failed_at` (used while an upstream is held).
        """

    async def dead_letter(self, delivery: Delivery, failure: Failure) -> None:
        """Settle as given up, with its reason; the session goes on with the next message."""

    async def release(self) -> None:
        """Give the session back at once, unsettled messages first in order again. Never raises."""


class Queue(Protocol):
    """Two directions of durable messages: in order per session, in parallel across sessions."""

    async def put(self, envelope: Envelope) -> bool:
        """Store durably, then return True; False if this `message_id` was accepted before (within 7 days).

        A store that drops duplicates without telling says True for them too: what is counted may then be off, what is
        delivered is not. Raises StoreFull when it cannot be stored.
        """

    async def accept(
        self, direction: Direction, wait: float, room: Callable[[str], int] | None = None
    ) -> Session | None:
        """Lease the session that has waited longest among those ready; None after `wait` seconds without one.

        Tenants with ready sessions take turns. `room(tenant)` tells how many more of a tenant's sessions may be
        taken now; it is asked whenever the queue looks, possibly from another thread. When it grows, call `ring`.
        """

    def ring(self, direction: Direction) -> None:
        """Tell those who wait in `accept` to look again."""

    async def dead_letters(
        self, direction: Direction | None = None, *, limit: int = 100, after: str | None = None
    ) -> Sequence[DeadLetter]:
        """List letters, oldest first, at most `limit`, those behind letter id `after`."""

    async def find_dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Give one letter, or None."""

    async def replay(self, letter_id: str, *, automatic: bool = False) -> bool:
        """Put a letter back at the end of its session under its old message id; False if there is no such letter.

        For a person it starts afresh, as if it had never failed. `automatic` adds to its `replays` and keeps its
        `attempts` and `first_failed_at`, so that it does not hold its thread for another whole window.
        """

    async def drop(self, letter_id: str) -> bool:
        """Delete a letter for good; False if there is no such letter."""

    async def find(self, trace: str, *, limit: int = 20) -> Sequence[Waiting]:
        """Give waiting messages whose trace id begins with `trace` (lower case hex). May read the whole queue."""

    async def depth(self, direction: Direction) -> Depth:
        """Tell how full it is."""

    async def ping(self) -> None:
        """Raise Unavailable or StoreFull if the queue cannot be used now."""

    async def close(self) -> None:
        """Finish what is under way and let go of the store."""
