"""Runs the thread map's suite over Cosmos DB: the real SDK, over a real socket, against the peer in `tests/peers/`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from adapters.azure.cosmos import open_threads
from bridge.ports import ThreadMap
from bridge.settings import load
from tests.contract.queue_suite import Clock
from tests.contract.thread_map_suite import DAY, LINK, ThreadMapSuite, ThreadRig
from tests.peers.cosmos import CosmosPeer
from tests.peers.http_peer import Fault

WRITES = ("create", "upsert", "replace", "patch", "delete")


class CosmosRig:
    """Opens maps on one account, each with a client of its own, like processes."""

    def __init__(self, peer: CosmosPeer, stack: AsyncExitStack, clock: Clock | None) -> None:
        self.peer, self.stack = peer, stack
        self.now = clock or time.time

    async def open(self) -> ThreadMap:
        settings = load(AZURE_COSMOS_ENDPOINT=self.peer.url, AZURE_COSMOS_KEY=self.peer.key)
        return await self.stack.enter_async_context(open_threads(settings, self.now))

    async def lock(self, _: ThreadMap) -> None:
        self.peer.faults += [Fault(operation, status=503, count=1000) for operation in WRITES]

    async def unlock(self, _: ThreadMap) -> None:
        self.peer.faults.clear()


@pytest.fixture(params=["set clock", "real clock"])
async def cosmos(request: pytest.FixtureRequest) -> AsyncIterator[CosmosRig]:
    clock = Clock() if request.param == "set clock" else None
    async with CosmosPeer(clock=clock or time.time) as peer, AsyncExitStack() as stack:
        yield CosmosRig(peer, stack, clock)


@pytest.fixture
def rig(cosmos: CosmosRig) -> ThreadRig:
    clock = cosmos.now if isinstance(cosmos.now, Clock) else None
    return ThreadRig(open=cosmos.open, clock=clock, lock=cosmos.lock, unlock=cosmos.unlock)


class TestCosmosThreadMap(ThreadMapSuite):
    """The thread map in Cosmos DB keeps the contract."""

    async def test_the_journal_is_kept_for_thirty_days(self, cosmos: CosmosRig) -> None:
        """After its last write; links and lasting facts are kept for good."""
        threads = await cosmos.open()
        await threads.link(LINK, "nobody")
        await threads.start("t", "old", 1.0)
        await threads.done("t", "adopted", "sent-1")
        await threads.learn("t", "team", "kept", {"a": "2"}, None)
        cosmos.peer.advance(30 * DAY - 2)
        assert await threads.attempted("t", "old")
        assert await threads.origin("t", "sent-1") == "adopted"
        cosmos.peer.advance(4)
        assert not await threads.attempted("t", "old")
        assert await threads.origin("t", "sent-1") is None
        assert await threads.fact("t", "team", "kept") == {"a": "2"}
        assert await threads.by_conversation("t", "c1") == LINK
