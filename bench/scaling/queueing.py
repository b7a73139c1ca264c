"""One part that messages queue for, by textbook: Erlang's formula, and an exponential tail behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass

FOREVER = 60.0
"""Seconds of waiting that stand for "it does not keep up"."""
REGULAR = 2.0
"""How much faster a line goes down where each visit takes the same time than where times are exponential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """So many visits per second, `servers` at a time, each of `seconds`; `knob` is what to turn when it is full.

    `burst` visits pass at once (token buckets). A message visits it `visits` times. `hard`: more replicas do not help.
    `grows`: twice the tenants fill it twice as much.
    """

    name: str
    rate: float
    seconds: float
    knob: str
    servers: float = 1.0
    burst: float = 1.0
    visits: int = 1
    hard: bool = False
    grows: bool = True

    @property
    def load(self) -> float:
        """The share of what it can do that is asked of it."""
        return self.rate * self.seconds / self.servers

    def mean(self) -> float:
        """Seconds that a visit waits on average."""
        return FOREVER if self.load >= 1.0 else min(self._waiting() / self._drain(), FOREVER)

    def below(self, share: float) -> float:
        """Seconds of waiting that this share of the visits stay below."""
        if self.load >= 1.0:
            return FOREVER
        waiting = max(self._waiting(), 1e-300)
        return min(max(math.log(waiting / (1.0 - share)) / self._drain(), 0.0), FOREVER)

    def _waiting(self) -> float:
        servers = math.ceil(self.servers)
        return math.pow(erlang(servers, self.load * servers), self.burst)

    def _drain(self) -> float:
        return REGULAR * (self.servers / self.seconds - self.rate)


def erlang(servers: int, offered: float) -> float:
    """Tell how probable it is to wait (Erlang C): `offered` is how many of the servers are busy on average."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1.0 - offered / servers * (1.0 - blocked))
