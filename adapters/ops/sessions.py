"""Who is logged in, and how often somebody may guess; both in memory and of a bounded size."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

IDLE = 30 * 60.0
"""Seconds without a request after which a session ends. The page asks only while somebody can see it."""
LIFE = 8 * 3600.0
"""Seconds after which a session ends in any case."""
MOST_SESSIONS = 200
MOST_ADDRESSES = 1000


@dataclass(slots=True)
class Session:
    """One logged-in browser. `who` is for the log: the hash of an Entra object id, or `token`.

    `csrf` must come back with every request that changes something. `proof` is the digest of the operator token
    that opened the session (empty for Entra), so that it ends with that token; it was checked at `proved_at`.
    """

    who: str
    proof: str
    began: float
    seen: float
    proved_at: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))


class Sessions:
    """Sessions by their random id, which only the browser's cookie knows. They end with the process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def open(self, who: str, proof: str = "") -> str:
        """Open a session and give its id; the oldest makes room where there are too many."""
        now = self._clock()
        key = secrets.token_urlsafe(32)
        self._kept[key] = Session(who, proof, now, now, now)
        if len(self._kept) > MOST_SESSIONS:
            self._kept.popitem(last=False)
        return key

    def find(self, key: str) -> Session | None:
        """Give a session that still runs, and note that it is used."""
        session = self._kept.get(key)
        if session is None:
            return None
        now = self._clock()
        if now - session.seen >= IDLE or now - session.began >= LIFE:
            self.close(key)
            return None
        session.seen = now
        return session

    def close(self, key: str) -> None:
        """End a session."""
        self._kept.pop(key, None)


class Guesses:
    """Failed logins per network address: `burst` at once, then one every `seconds`.

    An address is the peer of the connection: a gateway in front of the bridge counts as one. Headers that name
    somebody behind it are not believed, since a guesser would write a new one each time.
    """

    def __init__(self, clock: Callable[[], float], burst: int = 5, seconds: float = 30.0) -> None:
        self._clock, self._burst, self._seconds = clock, burst, seconds
        self._free_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, peer: str | None) -> float:
        """Take one guess and give 0, or give the seconds until there is one."""
        address, now = _network(peer), self._clock()
        free_at = max(self._free_at.pop(address, now), now)
        over = free_at + self._seconds - now - self._burst * self._seconds
        self._free_at[address] = free_at if over > 0 else free_at + self._seconds
        if len(self._free_at) > MOST_ADDRESSES:
            self._free_at.popitem(last=False)
        return max(over, 0.0)

    def forgive(self, peer: str | None) -> None:
        """Give the guess back: it was right."""
        address = _network(peer)
        if address in self._free_at:
            self._free_at[address] -= self._seconds


def _network(peer: str | None) -> str:
    """Name who guesses; with IPv6 one subscriber has a whole /64."""
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return peer or ""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))
