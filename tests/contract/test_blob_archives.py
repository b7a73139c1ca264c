"""Runs the archive store's suite over Blob Storage: the real SDK, over a real socket, against Azurite."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from azure.storage.blob.aio import BlobServiceClient
from yarl import URL

from adapters.azure.blob_account import limits
from adapters.azure.blob_archives import BlobArchives
from bridge.errors import Misconfigured
from bridge.ports.archives import ArchiveStore
from tests.contract.archive_store_suite import MB, ArchiveRig, ArchiveStoreSuite, label, listed, pieces, read
from tests.peers.azurite import Azurite, install
from tests.peers.npm import npm_is_here

pytestmark = pytest.mark.skipif(not npm_is_here(), reason="npm is missing, so Azurite cannot be installed")


@pytest.fixture(scope="module")
def azurite() -> Iterator[Azurite]:
    with Azurite(install()) as running:
        yield running


class Containers:
    """Both containers of a test, and stores on them."""

    def __init__(self, azurite: Azurite, stack: AsyncExitStack) -> None:
        self.azurite, self._stack = azurite, stack
        self.names = [f"{kind}-{uuid.uuid4().hex}" for kind in ("monthly", "final")]

    def client(self) -> BlobServiceClient:
        return BlobServiceClient.from_connection_string(self.azurite.connection_string, **limits())

    async def make(self) -> None:
        async with self.client() as client:
            for name in self.names:
                await client.create_container(name)

    async def open(self) -> ArchiveStore:
        store = BlobArchives(self.client(), *self.names, block=4 * MB)
        self._stack.push_async_callback(store.close)
        return store

    async def held(self) -> list[str]:
        async with self.client() as client:
            found = [
                name
                async for one in client.list_containers()
                if one.name in self.names
                async for name in client.get_container_client(one.name).list_blob_names()
            ]
            return sorted(found)

    async def stop(self) -> None:
        self.azurite.kill()


@pytest.fixture
async def containers(azurite: Azurite) -> AsyncIterator[Containers]:
    azurite.start()  # a test may have ended it
    async with AsyncExitStack() as stack:
        made = Containers(azurite, stack)
        await made.make()
        yield made


@pytest.fixture
def rig(containers: Containers) -> ArchiveRig:
    return ArchiveRig(open=containers.open, held=containers.held, break_it=containers.stop, block=4 * MB)


class TestBlobArchives(ArchiveStoreSuite):
    """Blob Storage keeps the contract."""


async def test_each_kind_has_its_container(containers: Containers) -> None:
    """Only monthly archives are where a lifecycle rule deletes."""
    store = await containers.open()
    for kind in ("monthly", "event", "final"):
        await store.put(f"{kind}.tar.age", label(kind), pieces(b"x"))
    async with containers.client() as client:
        found = [
            sorted([name async for name in client.get_container_client(name).list_blob_names()])
            for name in containers.names
        ]
    assert found == [["monthly.tar.age"], ["event.tar.age", "final.tar.age"]]


async def test_a_container_that_is_missing_is_named_by_its_setting(containers: Containers) -> None:
    """It is not made: nobody would have set its rules."""
    store = BlobArchives(containers.client(), containers.names[0], "missing")
    try:
        with pytest.raises(Misconfigured, match="ARCHIVE_FINAL_CONTAINER"):
            await store.ping()
        with pytest.raises(Misconfigured, match="ARCHIVE_FINAL_CONTAINER"):
            await store.put("a.tar.age", label("final"), pieces(b"x"))
    finally:
        await store.close()


async def test_blobs_of_others_are_left_out(containers: Containers) -> None:
    store = await containers.open()
    async with containers.client() as client:
        await client.get_blob_client(containers.names[0], "notes.txt").upload_blob(b"x", metadata={"kind": "monthly"})
    assert await listed(store) == []


async def test_a_block_that_is_refused_for_a_while_is_sent_again(containers: Containers) -> None:
    """Whole, and the list too where its answer was lost."""
    refused: list[str] = []

    async def front(request: web.Request) -> web.Response:
        body, part = await request.read(), request.query.get("comp", "")
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        url = URL(f"http://127.0.0.1:{containers.azurite.port}{request.raw_path}", encoded=True)
        early = part == "block" and refused.count(part) < 2
        if not early:
            async with session.request(request.method, url, data=body or None, headers=headers) as answer:
                told, status, more = await answer.read(), answer.status, answer.headers
        if early or (part == "blocklist" and part not in refused):
            refused.append(part)
            return web.Response(status=503)
        kept = {
            name: value for name, value in more.items() if name.lower() not in ("transfer-encoding", "content-length")
        }
        return web.Response(status=status, body=told, headers=kept)

    app = web.Application(client_max_size=16 * MB)
    app.router.add_route("*", "/{path:.*}", front)
    async with aiohttp.ClientSession(auto_decompress=False) as session, TestServer(app) as server:
        text = containers.azurite.connection_string.replace(f":{containers.azurite.port}/", f":{server.port}/")
        store = BlobArchives(BlobServiceClient.from_connection_string(text, **limits()), *containers.names, block=MB)
        kept = await store.put("a.tar.age", label(), pieces(b"1" * MB, b"2" * 10))
        await store.close()
    assert refused == ["block", "block", "blocklist"]
    direct = await containers.open()
    assert await read(direct, kept) == b"1" * MB + b"2" * 10
