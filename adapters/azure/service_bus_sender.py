"""Sends to one queue over a few links, and looks into the queue without taking anything."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus._common import mgmt_handlers
from azure.servicebus.aio import ServiceBusSender

from adapters.azure.service_bus_errors import call
from adapters.azure.service_bus_link import Closer
from adapters.azure.service_bus_messages import COMPONENT
from bridge.errors import Throttled, Unavailable

SENDERS = 16
"""Most links per queue, opened as they are needed: an SDK sender carries one message per round trip."""

OPENING = 4
"""Links that are opened at the same time."""

SECONDS = 10.0
PAGE = 250


class Senders:
    """Sends messages durably over links that are kept.

    To open one takes half a second, so a message waits for whichever link is free first, an old or a new one.
    """

    def __init__(self, open_sender: Callable[[], ServiceBusSender], closer: Closer) -> None:
        self._open, self._closer = open_sender, closer
        self._idle: list[ServiceBusSender] = []
        self._waiting: deque[asyncio.Future[ServiceBusSender]] = deque()
        self._links = self._opening = 0
        self._closed = False

    async def send(self, message: ServiceBusMessage) -> None:
        """Send; returns when the service has it. Raises StoreFull, Throttled or Unavailable.

        The service drops a link that was idle for ten minutes, so a call that fails is made once more over a new one:
        should both have arrived, duplicate detection keeps one.
        """
        try:
            await self._send(await self._take(), message)
        except Throttled:
            raise
        except Unavailable:
            await self._send(self._new(), message)

    def keep(self, sender: ServiceBusSender) -> None:
        """Take over a link that is open already."""
        self._links += 1
        self._free(sender)

    async def _send(self, sender: ServiceBusSender, message: ServiceBusMessage) -> None:
        try:
            await call(lambda: sender.send_messages(message, timeout=SECONDS), SECONDS + 1)
        except BaseException:
            self._gone(sender)
            raise
        self._free(sender)

    async def _take(self) -> ServiceBusSender:
        if self._idle:
            return self._idle.pop()
        if not self._links:
            return self._new()
        if self._opening < OPENING and self._links + self._opening < SENDERS:
            self._opening += 1
            self._closer.close(self._grow)
        waiting: asyncio.Future[ServiceBusSender] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled():
                self._free(waiting.result())
            raise

    def _new(self) -> ServiceBusSender:
        """Give a link that its first message opens."""
        self._links += 1
        return self._open()

    async def _grow(self) -> None:
        sender = self._open()
        try:
            await call(sender.__aenter__, SECONDS)
        except BaseException:
            self._closer.close(sender.close)
            raise
        finally:
            self._opening -= 1
        self.keep(sender)

    def _free(self, sender: ServiceBusSender) -> None:
        """Give a link to who has waited longest."""
        if self._closed:
            self._gone(sender)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(sender)
                return
        self._idle.append(sender)

    def _gone(self, sender: ServiceBusSender) -> None:
        """Close a link; where it was the last one, who waits gets a new one."""
        self._links -= 1
        self._closer.close(sender.close)
        if not self._links and self._waiting and not self._closed:
            self._free(self._new())

    def close(self) -> None:
        """Close all links: those in use when their message is sent."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(Unavailable("the queue is closed", code="closed", component=COMPONENT))
        while self._idle:
            self._gone(self._idle.pop())


class Browser:
    """Peeks into one queue with sessions.

    The SDK peeks over a receiver, but the service refuses a receiver without a session on such a queue, and one with
    a session sees that session only. The request itself needs neither: here it goes over a sender's connection, with
    the SDK's own (private) request method; `requirements.txt` pins its version.
    """

    def __init__(self, open_sender: Callable[[], ServiceBusSender], closer: Closer) -> None:
        self._open, self._closer = open_sender, closer
        self._turn = asyncio.Lock()
        self._sender: ServiceBusSender | None = None

    async def page(self, begin: int, count: int = PAGE) -> Sequence[ServiceBusReceivedMessage]:
        """Give messages from sequence number `begin` on, oldest first, locked or not; empty at the end of the queue.

        The service may give fewer than there are. Raises Throttled or Unavailable.
        """
        async with self._turn:
            if self._sender is None:
                self._sender = self._open()
            sender = self._sender
            try:
                return await call(lambda: _peek(sender, begin, count), SECONDS)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Close the link."""
        if self._sender is not None:
            self._closer.close(self._sender.close)
            self._sender = None


async def _peek(sender: ServiceBusSender, begin: int, count: int) -> Sequence[ServiceBusReceivedMessage]:
    transport = sender._amqp_transport
    request: dict[str, Any] = {
        "from-sequence-number": transport.AMQP_LONG_VALUE(begin),
        "message-count": count,
    }
    answer = partial(mgmt_handlers.peek_op, receiver=sender, amqp_transport=transport)
    found: Sequence[ServiceBusReceivedMessage] = await sender._mgmt_request_response_with_retry(
        b"com.microsoft:peek-message", request, answer, timeout=SECONDS, keep_alive_associated_link=False
    )
    return found
