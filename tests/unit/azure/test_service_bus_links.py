"""Links that are used again: sessions one after the other over the same connections, messages over the same senders."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from itertools import count

import pytest

from adapters.azure import service_bus_spares
from adapters.azure.service_bus import ServiceBusQueue, open_client
from bridge.ports import DIRECTIONS, Envelope, Session
from tests.peers.service_bus import ServiceBusPeer

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # the SDK forgets to close a socket whose connection broke
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and says so while collecting it
]
_NUMBERS = count(1)


@pytest.fixture
async def peer() -> AsyncIterator[ServiceBusPeer]:
    async with ServiceBusPeer() as peer:
        for direction in DIRECTIONS:
            peer.create_queue(direction, requires_session=True, max_delivery_count=2000)
        yield peer


@pytest.fixture
async def queue(peer: ServiceBusPeer) -> AsyncIterator[ServiceBusQueue]:
    queue = ServiceBusQueue(open_client(peer.connection_string(), "", None, websockets=False))
    yield queue
    await queue.close()
    gc.collect()  # here, where its warnings are expected


async def put(queue: ServiceBusQueue, session: str) -> None:
    number = next(_NUMBERS)
    await queue.put(
        Envelope(
            direction="to-teams",
            tenant="t",
            message_id=f"t|m{number}",
            session=f"t/{session}",
            kind="message",
            trace="0" * 32,
            body=session.encode(),
            received_at=time.time(),
        )
    )


async def take(queue: ServiceBusQueue) -> Session:
    session = await queue.accept("to-teams", 5)
    assert session is not None
    return session


async def work(queue: ServiceBusQueue) -> str:
    """Take a session and complete what is in it; give its key."""
    session = await take(queue)
    while delivery := await session.next():
        await session.complete(delivery)
    return session.key


async def freed(peer: ServiceBusPeer) -> None:
    """Wait until no session is held."""
    while any(lane.consumers for lane in peer.queue("to-teams").sessions._lanes.values()):
        await asyncio.sleep(0.01)


async def test_sessions_one_after_the_other_share_connections(peer: ServiceBusPeer, queue: ServiceBusQueue) -> None:
    await put(queue, "first")
    await work(queue)
    await freed(peer)
    before = peer.namespace.stats["connect"]
    for number in range(10):
        await put(queue, f"s{number}")
        assert await work(queue) == f"t/s{number}"
        await freed(peer)
    assert peer.namespace.stats["connect"] == before
    assert peer.queue("to-teams").stats["completed"] == 11


async def test_a_message_that_was_not_settled_comes_again_uncounted(
    peer: ServiceBusPeer, queue: ServiceBusQueue
) -> None:
    await put(queue, "given back")
    for _ in range(3):
        session = await take(queue)
        assert await session.next() is not None
        await session.release()
    (message,) = peer.queue("to-teams").messages.values()
    assert message.delivery_count == 0
    assert await work(queue) == "t/given back"


async def test_a_kept_connection_that_broke_is_replaced(peer: ServiceBusPeer, queue: ServiceBusQueue) -> None:
    await put(queue, "before")
    await work(queue)
    await freed(peer)
    peer.drop_connections()
    await put(queue, "after")
    assert await work(queue) == "t/after"


async def test_a_connection_that_was_idle_for_long_is_not_used(
    peer: ServiceBusPeer, queue: ServiceBusQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_bus_spares, "IDLE_SECONDS", 0.0)
    await put(queue, "before")
    await work(queue)
    await freed(peer)
    before = peer.namespace.stats["connect"]
    await put(queue, "after")
    await work(queue)
    assert peer.namespace.stats["connect"] > before


# --- links to send over


async def test_messages_do_not_wait_for_new_links_while_one_works(peer: ServiceBusPeer, queue: ServiceBusQueue) -> None:
    """A burst is sent over the link that there is, although no other can be opened."""
    await put(queue, "first")
    peer.fault(point="connect", action="silence", times=None)
    await asyncio.wait_for(asyncio.gather(*(put(queue, f"s{number}") for number in range(20))), 5)
    assert peer.queue("to-teams").stats["accepted"] == 21


async def test_a_burst_survives_the_loss_of_its_link(peer: ServiceBusPeer, queue: ServiceBusQueue) -> None:
    """Messages that waited for a link which then broke are sent over new ones, each once."""
    await put(queue, "first")
    peer.fault(point="send", action="drop")
    await asyncio.gather(*(put(queue, f"s{number}") for number in range(20)))
    assert peer.queue("to-teams").stats["accepted"] == 21


async def test_the_first_message_finds_a_link_open(peer: ServiceBusPeer, queue: ServiceBusQueue) -> None:
    await queue.check()
    peer.fault(point="connect", action="silence", times=None)
    await asyncio.wait_for(put(queue, "first"), 5)
