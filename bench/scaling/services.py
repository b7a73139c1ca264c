"""What the simulated bridge talks to: a queue of sessions, Cosmos DB, Freshchat and Teams with their limits."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import deque

from bench.scaling.inputs import Inputs, Size
from bench.scaling.people import Message
from bench.scaling.virtual import Bucket, Windows

SHORTEST = 0.05
"""Seconds of the shortest pause before a refused call of a store is made again."""
CERTAIN = 0.5
"""The share of an upstream's mean time that each call takes at least."""


class Session:
    """The waiting messages of one thread and direction."""

    def __init__(self, key: int, tenant: str) -> None:
        self.key, self.tenant = key, tenant
        self.messages: deque[Message] = deque()
        self.arrived = asyncio.Event()


class Broker:
    """One direction of the queue: a session goes to one worker at a time, the longest waiting first."""

    def __init__(self) -> None:
        self._sessions: dict[int, Session] = {}
        self._ready: deque[Session] = deque()
        self._takers: deque[asyncio.Future[Session]] = deque()

    def put(self, message: Message) -> None:
        """Add a message at the end of its session."""
        session = self._sessions.get(message.thread)
        if session is None:
            session = self._sessions[message.thread] = Session(message.thread, str(message.tenant))
            self._offer(session)
        session.messages.append(message)
        session.arrived.set()

    async def take(self) -> Session:
        """Wait for a session that nobody has."""
        if self._ready:
            return self._ready.popleft()
        taker: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        return await taker

    def give_back(self, session: Session) -> None:
        """End a lease."""
        if session.messages:
            self._offer(session)
        else:
            del self._sessions[session.key]

    def _offer(self, session: Session) -> None:
        if self._takers:
            self._takers.popleft().set_result(session)
        else:
            self._ready.append(session)


class Services:
    """Everything outside, shared by all replicas."""

    def __init__(self, given: Inputs, size: Size, chance: random.Random) -> None:
        self._given, self._chance = given, chance
        self.brokers = {"to-freshchat": Broker(), "to-teams": Broker()}
        self._cosmos = Bucket(size.cosmos, size.cosmos)
        self._bus = Bucket(size.bus_rate, size.bus_rate)
        self._accounts: dict[int, Bucket] = {}
        self._channels: dict[int, Windows] = {}
        self._tenants: dict[int, Windows] = {}

    async def cosmos(self, calls: float, units: float) -> None:
        """Make calls of Cosmos DB one after the other; those that are refused come back when they are told to."""
        await _insist(self._cosmos, units)
        await asyncio.sleep(calls * self._given.cosmos_seconds)

    async def bus(self, operations: float) -> None:
        """Make a round trip to Service Bus that costs so many operations."""
        await _insist(self._bus, operations)
        await asyncio.sleep(self._given.bus_seconds)

    async def freshchat(self, tenant: int) -> float:
        """Call an account: 0 when it answers 2xx, else 429 with the seconds of `Retry-After`."""
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = Bucket(self._given.account_rate, self._given.account_burst)
        refused = account.ask()
        await self._travel(self._given.freshchat_seconds)
        return math.ceil(refused)

    async def connector(self, message: Message) -> float:
        """Send through the connector; answers as `freshchat` does."""
        given, tenant = self._given, message.tenant
        if tenant not in self._tenants:
            self._tenants[tenant] = Windows([(given.tenant_rate, 1.0)])
            self._channels[tenant] = Windows(
                [(given.channel_burst, 1.0), (given.channel_rate * 30, 30.0), (given.channel_hour, 3600.0)]
            )
        refused = self._tenants[tenant].ask()
        if message.in_busiest and not refused:
            refused = self._channels[tenant].ask()
        await self._travel(given.teams_seconds)
        return math.ceil(refused)

    async def _travel(self, mean: float) -> None:
        await asyncio.sleep(mean * (CERTAIN + (1 - CERTAIN) * self._chance.expovariate(1.0)))


async def _insist(bucket: Bucket, tokens: float) -> None:
    """Ask again and again, with growing pauses, until it is granted."""
    for times in itertools.count(1):
        wait = bucket.ask(tokens)
        if wait <= 0.0:
            return
        await asyncio.sleep(max(wait, SHORTEST) * times)
