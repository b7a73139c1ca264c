"""Runs the queue's suite over Service Bus: the unmodified SDK, over real sockets, against the AMQP peer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.azure.service_bus import ServiceBusQueue, open_client
from bridge.ports import DIRECTIONS, Queue
from tests.contract.queue_records_suite import QueueRecordsSuite, QueueRoomSuite
from tests.contract.queue_suite import QueueRig, QueueSuite
from tests.peers.service_bus import ServiceBusPeer

OPTIONS: dict[str, Any] = {
    "requires_session": True,
    "duplicate_detection": 7 * 86_400.0,
    "max_delivery_count": 2000,
    "max_size": 1024 * 1024,
}


class BusRig:
    """Opens queues on one peer, each with a client of its own, like processes."""

    def __init__(self, peer: ServiceBusPeer) -> None:
        self.peer = peer
        self.opened: list[ServiceBusQueue] = []

    async def open(self, lease_seconds: float = 30) -> Queue:
        prefix = "short-" if lease_seconds < 30 else ""
        client = open_client(self.peer.connection_string(), "", None, websockets=False)
        self.opened.append(ServiceBusQueue(client, prefix=prefix))
        return self.opened[-1]

    async def close(self) -> None:
        await asyncio.gather(*(queue.close() for queue in self.opened))


@pytest.fixture
async def rig() -> AsyncIterator[QueueRig]:
    async with ServiceBusPeer() as peer:
        for direction in DIRECTIONS:
            peer.create_queue(direction, lock_duration=30, **OPTIONS)
        bus = BusRig(peer)
        yield QueueRig(open=bus.open, lease_seconds=30, fair=False, tells_duplicates=False, patience=2.0)
        await bus.close()


class TestServiceBusQueue(QueueSuite, QueueRecordsSuite, QueueRoomSuite):
    """Service Bus keeps the contract."""
