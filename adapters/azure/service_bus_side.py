"""One direction of the queue: everything that talks to one queue of the namespace, and how its links are opened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from uuid import uuid4

from azure.servicebus import NEXT_AVAILABLE_SESSION, ServiceBusSubQueue
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender
from azure.servicebus.exceptions import OperationTimeoutError

from adapters.azure.service_bus_acceptor import Acceptor
from adapters.azure.service_bus_errors import RIGHTS, call, clock_problem, misconfigured
from adapters.azure.service_bus_letters import Letters
from adapters.azure.service_bus_link import Closer, Link
from adapters.azure.service_bus_parcels import Parcels
from adapters.azure.service_bus_sender import Browser, Senders
from adapters.azure.service_bus_spares import Spares
from bridge.errors import Throttled, Unavailable
from bridge.ports import Direction

T = TypeVar("T")
L = TypeVar("L", ServiceBusReceiver, ServiceBusSender)
POLL_SECONDS = 30.0
"""How long the service waits for a session before it tells that there is none."""

OPEN_SECONDS = 15.0


class Side:
    """One direction: its queue's name and everything that talks to it."""

    def __init__(self, client: ServiceBusClient, direction: Direction, name: str, parcels: Parcels) -> None:
        self.direction: Direction = direction
        self.name = name
        self._client = client
        self.closer = Closer()
        self.spares = Spares(self.closer)
        self.senders = Senders(self.open_sender, self.closer)
        self.browser = Browser(self.open_sender, self.closer)
        self.letters = Letters(direction, self._open_letters, self.senders, parcels, self.closer)
        self.acceptor = Acceptor(self.poll)
        self.held: set[Link] = set()

    def open_sender(self) -> ServiceBusSender:
        """Give a sender, not yet open."""
        return self._client.get_queue_sender(self.name)

    def _open_letters(self) -> ServiceBusReceiver:
        return self._client.get_queue_receiver(self.name, sub_queue=ServiceBusSubQueue.DEAD_LETTER)

    def open_receiver(self, wait: float) -> ServiceBusReceiver:
        """Give a receiver for the next session; the service waits `wait` seconds for one."""
        return self._client.get_queue_receiver(self.name, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=wait)

    async def poll(self, on_lost: Callable[[], None]) -> Link | None:
        """Wait for a session that has a message; None if there was none."""
        receiver = await self._next_session()
        if receiver is None:
            return None
        link = Link(receiver, self.closer, self.spares.keep, on_lost)
        try:
            if await link.begin():
                return link
        except BaseException:
            link.close()
            raise
        link.close()
        return None

    async def _next_session(self) -> ServiceBusReceiver | None:
        kept = self.spares.take()
        if kept is not None:
            try:
                return await call(lambda: self.spares.attach(kept), POLL_SECONDS + OPEN_SECONDS)
            except Throttled:
                raise
            except Unavailable:
                pass  # that connection is broken: try another one
            except asyncio.CancelledError:
                self.closer.close(kept.close)  # it may have the session already
                raise
        receiver = self.open_receiver(POLL_SECONDS)
        return await call(lambda: _open(receiver, self.closer), POLL_SECONDS + OPEN_SECONDS)

    async def check(self) -> None:
        """Raise Misconfigured if this queue cannot be used as it is; what may pass by itself passes.

        The session that is asked for is nobody's: the service has it at once, and no message waits for this look.
        """
        nobodys = self._client.get_queue_receiver(self.name, session_id=f"check-{uuid4().hex}")
        tries = (_in_time(_open(self.open_sender(), self.closer)), _in_time(_open(nobodys, self.closer)))
        answers = await asyncio.gather(*tries, return_exceptions=True)
        until = nobodys.session.locked_until_utc
        for answer in answers:
            if isinstance(answer, ServiceBusSender):
                self.senders.keep(answer)  # for the first message
            elif isinstance(answer, ServiceBusReceiver):
                self.closer.close(answer.close)
        for right, answer in zip(RIGHTS, answers, strict=True):
            if isinstance(answer, BaseException) and (problem := misconfigured(answer, self.name, right)) is not None:
                raise problem
        if until is not None and (problem := clock_problem(until.timestamp() - time.time())) is not None:
            raise problem

    async def close(self, seconds: float) -> None:
        """Give back what is held, close all links, and wait for that at most `seconds`."""
        await self.acceptor.close()
        for link in list(self.held):
            link.close()
        for part in (self.spares, self.senders, self.browser, self.letters):
            part.close()
        await self.closer.finish(seconds)


async def _in_time(work: Awaitable[T]) -> T:
    async with asyncio.timeout(OPEN_SECONDS):
        return await work


async def _open(link: L, closer: Closer) -> L | None:
    """Open; None if the service had no session in time. What cannot be opened is closed."""
    opening = asyncio.create_task(link.__aenter__(), name="service-bus-open")
    try:
        await asyncio.shield(opening)
    except OperationTimeoutError:
        closer.close(link.close)
        return None
    except BaseException:
        closer.close(partial(_stop, opening, link))
        raise
    return link


async def _stop(opening: asyncio.Task[Any], link: ServiceBusReceiver | ServiceBusSender) -> None:
    """Stop an opening once its AMQP session has begun: cancelled earlier, the SDK leaves its socket open."""
    while not opening.done() and getattr(link._handler, "_session", None) is None:  # noqa: ASYNC110 - the SDK tells no event
        await asyncio.sleep(0.05)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await link.close()
