"""Sends to one queue over a few links, and looks into the queue without taking anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus._common import mgmt_handlers
from azure.servicebus.aio import ServiceBusSender

from adapters.azure.service_bus_errors import call
from adapters.azure.service_bus_link import Closer
from bridge.errors import Throttled, Unavailable

SENDERS = 4
"""Links per queue. One carries a message per round trip; an SDK sender allows one call at a time."""

SECONDS = 10.0
PAGE = 250


class Senders:
    """Sends messages durably; links are opened when they are needed and kept."""

    def __init__(self, open_sender: Callable[[], ServiceBusSender], closer: Closer) -> None:
        self._open, self._closer = open_sender, closer
        self._slots = asyncio.Semaphore(SENDERS)
        self._idle: list[ServiceBusSender] = []

    async def send(self, message: ServiceBusMessage) -> None:
        """Send; returns when the service has it. Raises StoreFull, Throttled or Unavailable.

        The service drops a link that was idle for ten minutes, so a call that fails is made once more over a new one:
        should both have arrived, duplicate detection keeps one.
        """
        async with self._slots:
            try:
                await self._send(self._idle.pop() if self._idle else self._open(), message)
            except Throttled:
                raise
            except Unavailable:
                await self._send(self._open(), message)

    async def _send(self, sender: ServiceBusSender, message: ServiceBusMessage) -> None:
        try:
            await call(lambda: sender.send_messages(message, timeout=SECONDS), SECONDS + 1)
        except BaseException:
            self._closer.close(sender.close)
            raise
        self._idle.append(sender)

    def close(self) -> None:
        """Close all links that are not in use."""
        while self._idle:
            self._closer.close(self._idle.pop().close)


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
