"""The arithmetic of a data set: which user, conversation and ticket belong together, and when things happen.

Everything follows from a number and the seed, in constant time; nothing is kept.
"""

import hashlib
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from sandbox.lazy import Every
from sandbox.wire import parse_iso

#: When the first thing happened, in epoch milliseconds.
BEGIN_MS = int((parse_iso("2024-01-01T00:00:00Z") or 0) * 1000)
SPAN_MS = 730 * 24 * 3600 * 1000
HOUR_MS = 3600 * 1000
#: A conversation lasts no longer.
LONGEST_MS = 20 * HOUR_MS

#: Conversations of ten users in a row.
_PER_USER = (1, 1, 2, 1, 3, 0, 1, 1, 4, 2)
_USER_PERIOD = 50
_USER_ROLES = {
    2: "deleted",
    8: "deleted",
    14: "merged",
    21: "vanishing",
    24: "twice",
    31: "twice",
    33: "alias",
    37: "korean alias",
    42: "nameless",
    46: "alias",
}
_PERIOD = 40
_MARKS = {
    3: "bridge",
    7: "empty",
    9: "unreported",
    13: "gone",
    17: "shared",
    25: "bare",
    29: "shared",
    35: "bridge",
    38: "unlisted",
}
_MESSAGES = (3, 1, 5, 2, 8, 1, 4, 12, 2, 6, 1, 3, 55, 2, 7, 1, 4, 9, 2, 3, 1, 5, 20, 2, 6)
_HUGE_PERIOD, _HUGE = 50_021, 11

#: Of so many ticket ids in a row, so many exist.
_ID_PERIOD, _EXISTING = 46, 40
_ID_GAPS = (4, 11, 12, 13, 30, 45)
_KINDS = {5: "deleted", 6: "deleted", 12: "spam", 27: "spam", 33: "gone"} | dict.fromkeys(
    (1, 8, 15, 22, 36), "archived"
)
#: Tickets whose last changes fell into one second; a block keeps its place in the order of changes.
_BLOCK = 64


@dataclass(frozen=True)
class Shape:
    """How large a data set is, and what it follows from."""

    conversations: int = 1000
    tickets: int = 500
    seed: str = "archive"
    #: Messages of a huge thread; there is one in about 50,000 conversations, and the first comes early.
    huge: int = 2500
    #: So many tickets (rounded up to 64) were changed in the same second, as a mass update does it.
    same_second: int = 512
    #: Seconds between two conversations; 0 spreads them over two years. With a fixed value a larger data set
    #: of the same proportions continues a smaller one.
    spacing: float = 0.0


class Seeded:
    """Texts and ids that follow from the seed."""

    def __init__(self, seed: str) -> None:
        self._key = hashlib.sha256(seed.encode()).digest()
        self._mask = int.from_bytes(self._key[:6], "big")

    def number(self, *of: object) -> int:
        """A number of 64 bits."""
        return int.from_bytes(self.bytes(*of)[:8], "big")

    def bytes(self, *of: object) -> bytes:
        """Sixteen bytes."""
        return hashlib.blake2b("/".join(map(str, of)).encode(), key=self._key, digest_size=16).digest()

    def uuid(self, kind: str, number: int) -> str:
        """A version 4 uuid from which the number can be read back."""
        tail = (number ^ self._mask).to_bytes(6, "big")
        return str(uuid.UUID(bytes=self.bytes(kind, number)[:10] + tail, version=4))

    def number_of(self, kind: str, text: str) -> int | None:
        """The number of a uuid of this kind, or None for any other text."""
        try:
            number = self.unmasked(uuid.UUID(text).int)
        except ValueError:
            return None
        return number if self.uuid(kind, number) == text else None

    def unmasked(self, value: int) -> int:
        """The number inside a uuid's value."""
        return (value & 0xFFFF_FFFF_FFFF) ^ self._mask


class Plan:
    """Who and what there is, by number."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.seeded = Seeded(shape.seed)
        self.conversations = shape.conversations
        self._moments = max(shape.conversations, 1)
        self.spacing_ms = round(shape.spacing * 1000) or max(1, SPAN_MS // self._moments)
        self._turn = Random(shape.seed).randrange(5) * 10  # noqa: S311  test data, not secrets
        self._shuffle = self.seeded.number("shuffle") % (_BLOCK - 1) + 1
        self._before_user = list(accumulate(_PER_USER * (_USER_PERIOD // len(_PER_USER)), initial=0))
        self.users = self.user_of(self._moments - 1) + 1
        self.listed_users = self._users_that(lambda role: role not in ("deleted", "merged"))

    @property
    def end_ms(self) -> int:
        """The data set's present: shortly after the last conversation."""
        return self.began_ms(self._moments) + 24 * HOUR_MS

    # --- conversations

    def began_ms(self, conversation: int) -> int:
        """When a conversation began; the order of numbers is the order of time."""
        return BEGIN_MS + HOUR_MS + conversation * self.spacing_ms

    def conversations_between(self, start_ms: int, end_ms: int) -> range:
        """Those that began in a window, both ends included."""
        everyone = range(self.conversations)
        return everyone[
            bisect_left(everyone, start_ms, key=self.began_ms) : bisect_right(everyone, end_ms, key=self.began_ms)
        ]

    def mark(self, conversation: int) -> str:
        """What is odd about a conversation, or an empty text."""
        return _MARKS.get(conversation % _PERIOD, "")

    def messages(self, conversation: int) -> int:
        """How many messages it has."""
        if conversation % _HUGE_PERIOD == _HUGE:
            return self.shape.huge
        return 0 if self.mark(conversation) == "empty" else _MESSAGES[conversation % len(_MESSAGES)]

    def said_ms(self, conversation: int, message: int) -> int:
        """When a message was written; every seventh shares its millisecond with the one before."""
        gap = min(90_000, LONGEST_MS // max(1, self.messages(conversation)))
        return self.began_ms(conversation) + (message - (message % 7 == 6)) * gap

    # --- users

    def role(self, user: int) -> str:
        """What is odd about a user, or an empty text."""
        return _USER_ROLES.get((user + self._turn) % _USER_PERIOD, "")

    def user_of(self, conversation: int) -> int:
        """Whose conversation it is."""
        full, rest = divmod(conversation, self._before_user[-1])
        return full * _USER_PERIOD + bisect_right(self._before_user, rest) - 1

    def conversations_of(self, user: int) -> range:
        """A user's own conversations."""
        return range(min(self._first(user), self.conversations), min(self._first(user + 1), self.conversations))

    def moments_of(self, user: int) -> range:
        """The same, also in a data set without conversations."""
        return range(min(self._first(user), self._moments), min(self._first(user + 1), self._moments))

    def joined_ms(self, user: int) -> int:
        """When a user was created; the order of numbers is the order of time."""
        return self.began_ms(self._first(user)) - 1000

    def _first(self, user: int) -> int:
        full, rest = divmod(user, _USER_PERIOD)
        return full * self._before_user[-1] + self._before_user[rest]

    def _users_that(self, wanted: Callable[[str], bool]) -> Every:
        slots = [slot for slot in range(_USER_PERIOD) if wanted(self.role(slot))]
        return Every(_USER_PERIOD, slots + [slot for slot in slots if self.role(slot) == "twice"], self.users)

    # --- tickets

    def ticket_id(self, ticket: int) -> int:
        """The id of a ticket; the sequence of ids has gaps."""
        full, rest = divmod(ticket, _EXISTING)
        return full * _ID_PERIOD + _OFFSETS[rest] + 1

    def ticket_by_id(self, ticket_id: int) -> int | None:
        """The ticket with an id, or None where there never was one."""
        full, rest = divmod(ticket_id - 1, _ID_PERIOD)
        if ticket_id < 1 or rest not in _OFFSETS:
            return None
        ticket = full * _EXISTING + _OFFSETS.index(rest)
        return ticket if ticket < self.shape.tickets else None

    def kind(self, ticket: int) -> str:
        """live, deleted, spam, archived, or gone: still listed, but not readable."""
        return _KINDS.get(ticket % _EXISTING, "live")

    def tickets_that(self, *kinds: str) -> Every:
        """The tickets of some kinds."""
        slots = [slot for slot in range(_EXISTING) if self.kind(slot) in kinds]
        return Every(_EXISTING, slots, self.shape.tickets)

    def moment_of(self, ticket: int) -> int:
        """The conversation during which a ticket was created."""
        stride, per = self._ratio()
        return ticket * stride // per

    def ticket_of(self, conversation: int) -> int | None:
        """The first ticket that was created during a conversation."""
        stride, per = self._ratio()
        ticket = -(-conversation * per // stride)
        return ticket if ticket < self.shape.tickets and self.moment_of(ticket) == conversation else None

    def tickets_during(self, conversations: range) -> range:
        """The tickets that were created during these conversations."""
        stride, per = self._ratio()
        first, last = -(-conversations.start * per // stride), -(-conversations.stop * per // stride)
        return range(min(first, self.shape.tickets), min(last, self.shape.tickets))

    def created_s(self, ticket: int) -> int:
        """When a ticket was created, in epoch seconds; the order of numbers is the order of time."""
        return self.began_ms(self.moment_of(ticket)) // 1000 + 120

    def block_of(self, rank: int, count: int) -> range:
        """The ranks, among so many tickets of one list, that were changed in the same second as this one."""
        mass = min(count, -(-self.shape.same_second // _BLOCK) * _BLOCK)
        if rank < mass:
            return range(mass)
        begin = rank - rank % _BLOCK
        return range(begin, min(begin + _BLOCK, count))

    def shuffled(self, rank: int, count: int) -> int:
        """A place in the order of changes for a rank in the order of creation, and the other way round."""
        whole = (rank | (_BLOCK - 1)) < count
        return rank ^ self._shuffle if whole else rank

    def _ratio(self) -> tuple[int, int]:
        """So many conversations in the time of so many tickets; whole where a larger set continues a smaller one."""
        tickets = max(self.shape.tickets, 1)
        if not self.shape.spacing:
            return self._moments, tickets
        return (self._moments // tickets, 1) if self._moments >= tickets else (1, -(-tickets // self._moments))


_OFFSETS = [offset for offset in range(_ID_PERIOD) if offset not in _ID_GAPS]
