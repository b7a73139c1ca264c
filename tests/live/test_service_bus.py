"""Runs the queue's suite over the Service Bus that the environment names, in two queues that are there for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from azure.servicebus.aio import ServiceBusReceiver
from azure.servicebus.exceptions import OperationTimeoutError

from adapters.azure.service_bus import ServiceBusQueue, open_queue
from adapters.azure.service_bus_side import Side
from adapters.local.files_objects import LocalObjects
from adapters.local.files_secrets import LocalSecrets
from bridge.ports import Queue
from bridge.settings import Settings
from tests.contract.queue_records_suite import QueueRecordsSuite, QueueRoomSuite
from tests.contract.queue_suite import QueueRig, QueueSuite
from tests.live.targets import ask_for, queue_prefix

ask_for("Service Bus")

EMPTY_SECONDS = 150.0
"""Longer than a lock may last that an earlier run left behind."""

WAIT_SECONDS = 0.5
"""How long a receiver waits for one more message: what it misses, the next round takes."""

SESSION_SECONDS = 2.0
"""How long the service looks for a session that is free."""

AT_ONCE = 4


class BusRig:
    """Opens queues, each with a client of its own, like processes; large bodies go through a folder."""

    def __init__(self, settings: Settings, folder: Path, stack: AsyncExitStack) -> None:
        self._settings, self._stack = settings, stack
        self._objects = LocalObjects(folder / "objects", LocalSecrets(folder / "secrets", {}), "http://127.0.0.1")

    async def open(self, lease_seconds: float = 60) -> Queue:
        """Open one more."""
        return await self._stack.enter_async_context(open_queue(self._settings, self._objects))


async def empty(settings: Settings) -> None:
    """Take all messages and dead letters out of both queues; messages that are locked are waited for."""
    async with open_queue(settings) as queue, asyncio.timeout(EMPTY_SECONDS):
        await asyncio.gather(*(_empty_side(queue, side) for side in queue._sides.values()))


async def _empty_side(queue: ServiceBusQueue, side: Side) -> None:
    while (depth := await queue.depth(side.direction)).waiting or depth.dead:
        sessions = (side.open_receiver(SESSION_SECONDS) for _ in range(min(depth.waiting, AT_ONCE)))
        await asyncio.gather(*(_take_all(session, in_session=True) for session in sessions))
        if depth.dead:
            await _take_all(side._open_letters())


async def _take_all(receiver: ServiceBusReceiver, *, in_session: bool = False) -> None:
    """Complete all that a receiver gets, and forget the state of its session; nothing if no session is free."""
    try:
        async with receiver:
            while messages := await receiver.receive_messages(100, max_wait_time=WAIT_SECONDS):
                for message in messages:
                    await receiver.complete_message(message)
            if in_session:
                await receiver.session.set_state(None)
    except OperationTimeoutError:
        return


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bus(settings: Settings) -> AsyncIterator[Settings]:
    """Give the settings of the two queues; leave them empty."""
    chosen = settings.model_copy(update={"servicebus_prefix": queue_prefix(settings)})
    yield chosen
    await empty(chosen)


@pytest.fixture
async def rig(bus: Settings, tmp_path: Path) -> AsyncIterator[QueueRig]:
    await empty(bus)
    async with AsyncExitStack() as stack:
        opening = BusRig(bus, tmp_path, stack)
        yield QueueRig(
            open=opening.open,
            lease_seconds=60,
            fair=False,
            tells_duplicates=False,
            patience=3.0,
            run=f"{uuid.uuid4().hex}/",
        )


class TestServiceBusQueue(QueueSuite, QueueRecordsSuite, QueueRoomSuite):
    """Service Bus keeps the contract."""
