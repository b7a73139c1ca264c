"""Runs the object store's suite over Blob Storage: the real SDK, over a real socket, against Azurite."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob.aio import BlobServiceClient

from adapters.azure.blob import BlobObjects, open_blobs
from adapters.azure.blob_account import limits
from bridge.errors import Forbidden, Misconfigured
from bridge.ports import ObjectStore
from tests.contract.azure_transport import trusting
from tests.contract.object_store_suite import ObjectRig, ObjectStoreSuite, pieces, read
from tests.peers.azurite import Azurite, install
from tests.peers.managed_identity import Issuer
from tests.peers.npm import npm_is_here
from tests.peers.tls import make_certificate

pytestmark = pytest.mark.skipif(not npm_is_here(), reason="npm is missing, so Azurite cannot be installed")
AUDIENCE = "https://storage.azure.com"


class EntraToken:
    """A credential that asks the issuer directly."""

    def __init__(self, audience: str = AUDIENCE) -> None:
        self._issuer, self._audience = Issuer(), audience

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        token = self._issuer.token(self._audience, oid="11111111-2222-3333-4444-555555555555")
        return AccessToken(token, int(time.time()) + 3600)

    async def close(self) -> None: ...


class Account:
    """An account and stores on it, by its key or as an identity."""

    def __init__(self, azurite: Azurite, stack: AsyncExitStack) -> None:
        self.azurite, self.certificate, self._stack = azurite, azurite.tls, stack
        self.container = f"bridge-{uuid.uuid4().hex}"

    def client(self, credential: Any = None) -> BlobServiceClient:
        """Open the real SDK's client."""
        if self.certificate is None:
            return BlobServiceClient.from_connection_string(self.azurite.connection_string, **limits())
        transport = trusting(self.certificate)
        return BlobServiceClient(self.azurite.url, credential or EntraToken(), transport=transport, **limits())

    async def open(self) -> ObjectStore:
        """Open one more store."""
        store = BlobObjects(self.client(), self.container)
        self._stack.push_async_callback(store.close)
        return store

    async def stop(self) -> None:
        """Take the account away."""
        self.azurite.kill()

    async def names(self) -> list[str]:
        """List the blobs."""
        async with self.client() as client:
            container = client.get_container_client(self.container)
            return sorted([name async for name in container.list_blob_names()])


@pytest.fixture(scope="module", params=["account key", "identity"])
def azurite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    certificate = make_certificate(tmp_path_factory.mktemp("tls")) if request.param == "identity" else None
    with Azurite(install(), tls=certificate) as running:
        yield running


@pytest.fixture
async def account(azurite: Azurite) -> AsyncIterator[Account]:
    azurite.start()  # a test may have ended it
    async with AsyncExitStack() as stack:
        yield Account(azurite, stack)


@pytest.fixture
async def session(account: Account) -> AsyncIterator[aiohttp.ClientSession]:
    context = account.certificate.client_context() if account.certificate else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as opened:
        yield opened


@pytest.fixture
def rig(account: Account, session: aiohttp.ClientSession) -> ObjectRig:
    return ObjectRig(open=account.open, session=session, names=account.names, break_it=account.stop)


class TestBlobs(ObjectStoreSuite):
    """Blob Storage keeps the contract."""


async def test_an_address_reads_and_nothing_else(account: Account, session: aiohttp.ClientSession) -> None:
    store = await account.open()
    ref = await store.put("a", pieces(b"x"), "text/plain")
    url = await store.signed_url(ref, 60)
    async with session.delete(url) as answer:
        assert answer.status == 403
    async with session.put(url, data=b"y", headers={"x-ms-blob-type": "BlockBlob"}) as answer:
        assert answer.status == 403
    assert await read(store, ref) == b"x"


async def test_a_token_for_something_else_is_told(account: Account) -> None:
    if account.certificate is None:
        async with BlobServiceClient(account.azurite.url, "d3Jvbmc=", **limits()) as client:
            with pytest.raises(Forbidden):
                await BlobObjects(client, account.container).ping()
        return
    async with account.client(EntraToken("https://vault.azure.net")) as client:
        with pytest.raises(Forbidden) as caught:
            await BlobObjects(client, account.container).ping()
    assert "token" in str(caught.value)


async def test_one_delegation_key_serves_many_addresses(account: Account) -> None:
    """It is asked for once, also by many at the same time."""
    store = await account.open()
    assert isinstance(store, BlobObjects)
    ref = await store.put("a", pieces(b"x"), "text/plain")
    await asyncio.gather(*(store.signed_url(ref, 60) for _ in range(5)))
    first = store._key
    await store.signed_url(ref, 600)
    assert store._key is first
    assert (first is None) == (account.certificate is None)


@pytest.mark.parametrize("url", ["http://name.blob.core.windows.net", "name", ""])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(Misconfigured, match="AZURE_STORAGE_ACCOUNT_URL"):
        open_blobs(url, "", "c", None)


def test_a_connection_string_that_is_none() -> None:
    with pytest.raises(Misconfigured, match="AZURE_STORAGE_CONNECTION_STRING") as caught:
        open_blobs("", "hush", "c", None)
    assert "hush" not in str(caught.value)
