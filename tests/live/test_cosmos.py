"""Runs the thread map's suite over the Cosmos DB account that the environment names, in a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, cast

import pytest
import pytest_asyncio
from yarl import URL

from adapters.azure.cosmos import SHAPES, open_threads
from adapters.azure.cosmos_client import CosmosAccount, open_account
from bridge.ports import ThreadMap
from bridge.settings import Settings
from tests.contract.thread_map_suite import ThreadMapSuite, ThreadRig
from tests.live.targets import RUN, ask_for, database

ask_for("Cosmos DB")

LAG = 0.3
"""Seconds after which every replica of the service has a write of another process."""

ALL = 100_000


class Turns:
    """Whose turn it is. Session consistency lets a process read another one's writes a moment later: so it waits."""

    def __init__(self, lag: float) -> None:
        self._lag, self._last = lag, None

    def take(self, threads: ThreadMap) -> ThreadMap:
        """Give a map that waits for the lag whenever it goes on after another one."""
        return cast(ThreadMap, _InTurn(self, threads))

    async def of(self, threads: ThreadMap) -> None:
        """Wait if the last call was another one's."""
        if self._last is not threads:
            self._last = threads
            await asyncio.sleep(self._lag)


class _InTurn:
    def __init__(self, turns: Turns, threads: ThreadMap) -> None:
        self._turns, self._threads = turns, threads

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            await self._turns.of(self._threads)
            return await getattr(self._threads, name)(*arguments, **named)

        return call


def _account(settings: Settings) -> AbstractAsyncContextManager[CosmosAccount]:
    key = settings.cosmos_key.get_secret_value() if settings.cosmos_key else None
    return open_account(settings.cosmos_endpoint, key, settings.cosmos_database, client_id=settings.azure_client_id)


async def empty(settings: Settings) -> None:
    """Delete all items."""
    async with _account(settings) as account:
        containers = await account.containers(SHAPES, create=False)
        for shape in SHAPES:
            for item in await containers[shape.name].list("SELECT * FROM c", {}, ALL):
                partition = item[shape.partition_key.removeprefix("/")]
                await containers[shape.name].delete(item["id"], item["_etag"], partition)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def account(settings: Settings) -> AsyncIterator[Settings]:
    """Give the settings of the database; delete it afterwards if it was made here."""
    chosen = settings.model_copy(update={"cosmos_database": database(settings)})
    async with open_threads(chosen):
        pass  # makes what is missing
    yield chosen
    if chosen.cosmos_database == RUN:
        async with _account(chosen) as opened:
            await opened._client.delete_database(RUN)


@pytest.fixture
async def rig(account: Settings) -> AsyncIterator[ThreadRig]:
    await empty(account)
    turns = Turns(0.0 if URL(account.cosmos_endpoint).host in ("127.0.0.1", "localhost") else LAG)
    async with AsyncExitStack() as stack:

        async def another() -> ThreadMap:
            return turns.take(await stack.enter_async_context(open_threads(account)))

        yield ThreadRig(open=another)
    await empty(account)


class TestCosmosThreadMap(ThreadMapSuite):
    """The thread map in Cosmos DB keeps the contract."""
