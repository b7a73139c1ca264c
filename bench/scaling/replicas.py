"""The simulated replicas: doors that send, and workers that take sessions and deliver them.

A worker shares its slots with the bridge's own `Turns`, and calls at the bridge's own `Pace` and within its `Buckets`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from adapters.buckets import Buckets
from adapters.pace import Pace
from adapters.teams.limits import sending
from bench.scaling.inputs import Inputs
from bench.scaling.people import LARGEST, Kind, Message, conversations
from bench.scaling.services import Broker, Services, Session
from bench.scaling.virtual import Core
from bridge.errors import Throttled
from bridge.turns import Turns

BUNDLE = 0.1
"""Seconds of reading back whose calls are worked off together."""
Spawn = Callable[[Coroutine[Any, Any, None]], None]


def direction(kind: Kind) -> str:
    """Tell which way a message goes."""
    return "to-freshchat" if kind in ("opening", "following") else "to-teams"


class Web:
    """A replica of the doors."""

    def __init__(self, given: Inputs, services: Services) -> None:
        self._given, self._services = given, services
        self._core = Core()
        self._senders = {name: asyncio.Semaphore(int(given.senders)) for name in services.brokers}

    async def receive(self, message: Message) -> None:
        """Check and store a request."""
        way = direction(message.kind)
        await self._core.work(self._given.web_ms / 1000)
        async with self._senders[way]:
            await self._services.bus(1)
        self._services.brokers[way].put(message)

    def ignore(self) -> None:
        """Drop an echo."""
        self._core.add(self._given.ignored_ms / 1000)


class Worker:
    """A replica that delivers; both directions share its core."""

    def __init__(self, given: Inputs, services: Services, echo: Callable[[], None]) -> None:
        """`echo` is told of each question that was posted."""
        loop = asyncio.get_running_loop()
        self.given, self.services, self.echo, self.core = given, services, echo, Core()
        self._paces: dict[int, Pace] = {}
        self._buckets = Buckets("connector", learn=True, clock=loop.time)
        self._halves = [_Half(self, broker) for broker in services.brokers.values()]

    def start(self, reading_back: float, spawn: Spawn) -> None:
        """Start everything that runs until the end; `reading_back` is its part of the calls per second."""
        for half in self._halves:
            half.start(spawn)
        if reading_back:
            spawn(self._read_back(reading_back))

    async def _read_back(self, calls: float) -> None:
        while True:
            await asyncio.sleep(BUNDLE)
            self.core.add(BUNDLE * calls * self.given.reconcile_ms / 1000)

    async def read_back_largest(self) -> None:
        """Read the largest tenant's conversations back, one at a time: they share its account with live messages."""
        given, loop = self.given, asyncio.get_running_loop()
        count = round(conversations(given) * given.largest / (given.largest + given.tenants - 1))
        while count:
            began = loop.time()
            for _ in range(count):
                for _ in range(int(given.reconcile_calls)):
                    await self._call_back()
                await asyncio.sleep(given.reconcile_gap)
            await asyncio.sleep(max(began + given.reconcile_seconds - loop.time(), 0.0))

    async def _call_back(self) -> None:
        while True:
            try:
                await self._call(LARGEST)
                return
            except Throttled as throttled:
                await asyncio.sleep(throttled.after or 1.0)

    async def deliver(self, message: Message) -> None:
        """Deliver one message; raises Throttled with the time to come back."""
        given, services = self.given, self.services
        calls: float = getattr(given, f"{message.kind}_calls")
        half = calls * given.cosmos_ms / 2
        await self.core.work((given.message_ms + given.handler_ms + half) / 1000)
        await services.cosmos(calls / 2, getattr(given, f"{message.kind}_units"))
        if message.kind == "answer":
            await self._answer(message)
        elif message.kind != "status":
            await self._ask(message)
        await services.cosmos(calls / 2, 0)
        await self.core.work(half / 1000)
        await services.bus(given.bus_operations - 1)

    async def _ask(self, message: Message) -> None:
        posts = self.given.opening_posts if message.kind == "opening" else 1
        for _ in range(int(posts)):
            await self._call(message.tenant)
        self.echo()

    async def _call(self, tenant: int) -> None:
        """Call Freshchat at the account's pace."""
        pace = self._paces.get(tenant)
        if pace is None:
            pace = self._paces[tenant] = Pace("freshchat", clock=asyncio.get_running_loop().time)
        await pace.turn()
        if after := await self.services.freshchat(tenant):
            pace.refused(after)
            raise Throttled("429", code="freshchat_429", component="freshchat", after=after)
        pace.went(None, None, None)

    async def _answer(self, message: Message) -> None:
        place = "busiest" if message.in_busiest else str(message.thread)
        limits = sending(f"https://connector/{message.tenant}", f"{message.tenant}/{place}")
        call = await self._buckets.turn(str(message.thread), *limits)
        if after := await self.services.connector(message):
            self._buckets.refused(call, after)
            raise Throttled("429", code="connector_429", component="connector", after=after)
        self._buckets.went(call)


class _Half:
    """One direction of a worker."""

    def __init__(self, worker: Worker, broker: Broker) -> None:
        given = worker.given
        self._worker, self._given, self._broker = worker, given, broker
        self._slots = asyncio.Semaphore(int(given.concurrency))
        clock = asyncio.get_running_loop().time
        self._turns = Turns(int(given.concurrency), tenants=round(given.tenants), clock=clock)
        self._held: deque[Session] = deque()
        self._opening = given.polls / given.accepts - given.link_ms / 1000

    def start(self, spawn: Spawn) -> None:
        """Poll with so many links at once."""
        self._spawn = spawn
        for _ in range(int(self._given.polls)):
            spawn(self._poll())

    async def _poll(self) -> None:
        while True:
            await self._slots.acquire()
            await asyncio.sleep(self._opening)
            await self._worker.core.work(self._given.link_ms / 1000)
            session = await self._broker.take()
            if self._turns.room(session.tenant) > 0:
                self._begin(session)
            else:
                self._held.append(session)
                self._slots.release()

    def _begin(self, session: Session) -> None:
        self._turns.begin(session.tenant)
        self._spawn(self._work(session))

    def _end(self, tenant: str) -> None:
        """Free a slot; a session that is held gets it if its tenant has room."""
        self._turns.end(tenant)
        for session in itertools.islice(self._held, len(self._held)):
            if self._turns.room(session.tenant) > 0:
                self._held.remove(session)
                self._begin(session)
                return
        self._slots.release()

    async def _work(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        while session.messages:
            message = session.messages[0]
            try:
                await self._worker.deliver(message)
            except Throttled as throttled:
                self._end(session.tenant)
                await asyncio.sleep(max(throttled.after or 0.0, 0.001))
                await self._slots.acquire()
                self._turns.begin(session.tenant)
                continue
            message.done = loop.time()
            session.messages.popleft()
            if not session.messages:
                await self._listen(session)
        self._broker.give_back(session)
        self._end(session.tenant)

    async def _listen(self, session: Session) -> None:
        session.arrived.clear()
        try:
            async with asyncio.timeout(self._given.listen):
                await session.arrived.wait()
        except TimeoutError:
            pass
