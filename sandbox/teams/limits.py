"""The sending limits that Microsoft publishes for Teams, over sliding windows; kept if the settings say so."""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

KEYS_KEPT = 10_000
Window = tuple[int, float]
Limit = tuple[str, Sequence[Window]]

# Bot connector, per bot and conversation.
SEND: Sequence[Window] = ((7, 1), (8, 2), (60, 30), (1800, 3600))
ROSTER: Sequence[Window] = ((14, 1), (16, 2), (120, 30), (3600, 3600))
BOT: Sequence[Window] = ((50, 1),)

# Graph, per app and tenant.
PLACE: Sequence[Window] = ((1, 1),)
TEAM: Sequence[Window] = ((4, 1),)
POST_CHANNEL: Sequence[Window] = ((50, 1),)
POST_CHAT: Sequence[Window] = ((20, 1),)
READ: Sequence[Window] = ((20, 1),)


class Limits:
    """Counts calls by key."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._calls: OrderedDict[str, deque[float]] = OrderedDict()

    def refuse(self, *limits: Limit) -> int | None:
        """Count a call and give None; or the seconds of its Retry-After, and a refused call does not count."""
        now = self._now()
        waits = [
            earlier + seconds - now
            for key, windows in limits
            for count, seconds in windows
            if (earlier := self._earlier(key, count)) is not None
        ]
        if max(waits, default=0.0) > 0:
            return max(math.ceil(max(waits)), 1)
        for key, windows in limits:
            self._count(key, max(count for count, _ in windows), now)
        return None

    def _earlier(self, key: str, count: int) -> float | None:
        calls = self._calls.get(key, ())
        return calls[-count] if len(calls) >= count else None

    def _count(self, key: str, longest: int, now: float) -> None:
        self._calls.setdefault(key, deque(maxlen=longest)).append(now)
        self._calls.move_to_end(key)
        if len(self._calls) > KEYS_KEPT:
            self._calls.popitem(last=False)


def send(place_id: str) -> tuple[Limit, ...]:
    """Limits of a send through the connector; a channel counts as one conversation."""
    return (f"send {place_id}", SEND), ("bot", BOT)


def roster(place_id: str) -> tuple[Limit, ...]:
    """Limits of a look into a list of members."""
    return (f"roster {place_id}", ROSTER), ("bot", BOT)


def graph(place_id: str, team: str | None, reading: bool) -> tuple[Limit, ...]:
    """Limits of a Graph call for a channel or (without a team) a chat."""
    every = READ if reading else POST_CHAT if team is None else POST_CHANNEL
    kind = "read" if reading else "post chat" if team is None else "post channel"
    limits: tuple[Limit, ...] = ((place_id, PLACE), (kind, every))
    return limits if team is None else (*limits, (f"team {team}", TEAM))
