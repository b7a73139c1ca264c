"""A peer, and the unmodified SDK on it. Links are closed together at the end: closing one takes a second."""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from azure.servicebus import ServiceBusMessage, ServiceBusReceivedMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusReceiver, ServiceBusSender

from tests.peers.service_bus import ServiceBusPeer

FAST: dict[str, Any] = {"retry_total": 0}
"""Without this the SDK hides errors behind retries for up to 19 seconds."""


_Handler = TypeVar("_Handler", ServiceBusSender, ServiceBusReceiver)


class Rig:
    """Hands out senders and receivers; each test uses queues of its own."""

    def __init__(self, peer: ServiceBusPeer) -> None:
        self.peer = peer
        self.client = self.client_of(peer.connection_string())
        self._open: list[Any] = []
        self._clients: list[Any] = [self.client]
        self._names = 0

    def client_of(self, connection_string: str, **options: Any) -> ServiceBusClient:
        """Make a client that does not retry; `retrying` below does."""
        return ServiceBusClient.from_connection_string(connection_string, **{**FAST, **options})

    def other(self, connection_string: str | None = None, **options: Any) -> ServiceBusClient:
        """Make another client, closed with the rest."""
        client = self.client_of(connection_string or self.peer.connection_string(), **options)
        self._clients.append(client)
        return client

    def queue(self, **options: Any) -> str:
        """Create a queue; give its name."""
        self._names += 1
        name = f"Queue-{self._names}"
        self.peer.create_queue(name, **options)
        return name

    async def sender(self, queue: str, client: ServiceBusClient | None = None) -> ServiceBusSender:
        """Open a sender."""
        return await self._keep((client or self.client).get_queue_sender(queue))

    async def receiver(self, queue: str, client: ServiceBusClient | None = None, **options: Any) -> ServiceBusReceiver:
        """Open a receiver."""
        return await self._keep((client or self.client).get_queue_receiver(queue, **options))

    async def pair(self, queue: str) -> tuple[ServiceBusSender, ServiceBusReceiver]:
        """Open a sender and a receiver."""
        return await asyncio.gather(self.sender(queue), self.receiver(queue))

    async def _keep(self, handler: _Handler) -> _Handler:
        self._open.append(handler)
        await handler.__aenter__()
        return handler

    async def close(self) -> None:
        """Close everything at once."""
        await asyncio.gather(*(handler.close() for handler in self._open), return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))
        self._open.clear()
        self._clients.clear()
        del self.client
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # the SDK forgets to close a socket whose connection broke
            gc.collect()


@asynccontextmanager
async def rig(**options: Any) -> AsyncIterator[Rig]:
    """Run a peer with a client."""
    async with ServiceBusPeer(**options) as peer:
        running = Rig(peer)
        try:
            yield running
        finally:
            await running.close()


def text(message: ServiceBusReceivedMessage) -> str:
    """Give the body."""
    return b"".join(message.body).decode()


async def take(receiver: ServiceBusReceiver, count: int = 1, wait: float = 5) -> list[ServiceBusReceivedMessage]:
    """Receive exactly so many messages."""
    found: list[ServiceBusReceivedMessage] = []
    while len(found) < count:
        more = await receiver.receive_messages(count - len(found), max_wait_time=wait)
        assert more, f"only {len(found)} of {count} messages came"
        found += more
    return found


async def nothing(receiver: ServiceBusReceiver) -> bool:
    """Tell whether there is nothing to receive."""
    return not await receiver.receive_messages(1, max_wait_time=0.5)


async def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.02)


def message(body: str | bytes = "text", **fields: Any) -> ServiceBusMessage:
    """Make a message."""
    return ServiceBusMessage(body, **fields)
