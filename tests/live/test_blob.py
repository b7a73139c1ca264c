"""Runs the object store's suite over the storage account that the environment names, in containers of its own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError

from adapters.azure.blob import BlobObjects, open_blobs
from bridge.ports import ObjectStore
from bridge.settings import Settings
from tests.contract.object_store_suite import ObjectRig, ObjectStoreSuite
from tests.live.targets import RUN, ask_for

ask_for("Blob Storage")


class Container:
    """A container, and stores on it."""

    def __init__(self, settings: Settings, stack: AsyncExitStack) -> None:
        self._settings, self._stack = settings, stack
        self.name = f"{RUN}-{uuid.uuid4().hex[:8]}"

    async def open(self) -> ObjectStore:
        """Open one more store."""
        return self._open()

    async def names(self) -> list[str]:
        """List the blobs."""
        return sorted([name async for name in self._open()._client.list_blob_names()])

    async def delete(self) -> None:
        """Delete it with all blobs; nothing if no test made it."""
        try:
            await self._open()._client.delete_container()
        except ResourceNotFoundError:
            return

    def _open(self) -> BlobObjects:
        given = self._settings.storage_connection_string
        text = given.get_secret_value() if given else ""
        store = open_blobs(self._settings.storage_account_url, text, self.name, self._settings.azure_client_id)
        self._stack.push_async_callback(store.close)
        return store


@pytest.fixture
async def rig(settings: Settings) -> AsyncIterator[ObjectRig]:
    async with AsyncExitStack() as stack, aiohttp.ClientSession() as session:
        container = Container(settings, stack)
        yield ObjectRig(open=container.open, session=session, names=container.names)
        await container.delete()


class TestBlobs(ObjectStoreSuite):
    """Blob Storage keeps the contract."""
