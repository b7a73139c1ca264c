"""One Cosmos DB account: how it is called, and which containers it must have."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.identity.aio import ManagedIdentityCredential
from yarl import URL

from adapters.azure.cosmos_container import TERRAFORM, Container, Missing, answer, look_for_throttling
from bridge.errors import Misconfigured

CONNECTIONS = 256
MISSING = "is not there"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_OPTIONS: dict[str, Any] = {
    "consistency_level": "Session",
    "connection_timeout": 5,
    "read_timeout": 6,
    "retry_total": 1,  # of a lost connection; 429 is waited for here
    "retry_connect": 1,
    "retry_read": 1,
}
_log = logging.getLogger("bridge.cosmos")
_log.setLevel(logging.WARNING)  # the SDK would write a line of headers per request to it, below that


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a container must be. `ttl`: None is off, -1 is as each item says, else seconds after the last write.

    `indexed` are the paths that lists are made by; what is found by its id alone needs no index, and a write that
    keeps none costs about half.
    """

    name: str
    partition_key: str
    ttl: int | None = None
    indexed: Sequence[str] = ()

    def indexing(self) -> dict[str, Any]:
        """Give the indexing policy to make it with."""
        included = [{"path": f"{path}/?"} for path in self.indexed]
        return {"indexingMode": "consistent", "includedPaths": included, "excludedPaths": [{"path": "/*"}]}


class CosmosAccount:
    """A client with its session; one per process. `open_account` makes it."""

    def __init__(self, client: CosmosClient, database: str) -> None:
        self._client, self._database = client, database

    async def containers(self, shapes: Sequence[Shape], *, create: bool) -> dict[str, Container]:
        """Give the containers by name, after a look at each; Misconfigured if one cannot be used.

        `create` makes what is missing.
        """
        if create:
            await answer(lambda: self._client.create_database_if_not_exists(self._database))
            await asyncio.gather(*(answer(partial(_make, self._reach(), shape)) for shape in shapes))
        for name, problem in (await self.problems(shapes)).items():
            if problem:
                raise Misconfigured(f"Cosmos DB: container {self._database}/{name} {problem}. {TERRAFORM}")
        return {shape.name: Container(self._reach().get_container_client(shape.name)) for shape in shapes}

    async def problems(self, shapes: Sequence[Shape]) -> dict[str, str]:
        """Say what is wrong with each container, by name; an empty text if nothing is."""
        found = await asyncio.gather(*(self._problem(shape) for shape in shapes))
        return {shape.name: problem for shape, problem in zip(shapes, found, strict=True)}

    async def _problem(self, shape: Shape) -> str:
        proxy = self._reach().get_container_client(shape.name)
        try:
            there = await answer(proxy.read)
        except Missing:
            there = None
        return MISSING if there is None else _difference(shape, there)

    def _reach(self) -> DatabaseProxy:
        return self._client.get_database_client(self._database)


@asynccontextmanager
async def open_account(
    endpoint: str, key: str | None, database: str, *, client_id: str | None = None
) -> AsyncIterator[CosmosAccount]:
    """Open an account by its key, or as the machine's managed identity (`client_id`: a user-assigned one).

    Misconfigured if the endpoint or the key cannot be used; Forbidden or Unavailable as the account answers.
    """
    _check(endpoint, key)
    identity = ManagedIdentityCredential(client_id=client_id) if client_id else ManagedIdentityCredential()
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    )
    try:
        client = CosmosClient(
            endpoint,
            key or identity,
            transport=AioHttpTransport(session=session, session_owner=False),
            raw_response_hook=look_for_throttling,
            logger=_log,
            **_OPTIONS,
        )
        try:
            await answer(client.__aenter__)
            yield CosmosAccount(client, database)
        finally:
            await client.close()
    finally:
        await session.close()
        await identity.close()


def _check(endpoint: str, key: str | None) -> None:
    url = URL(endpoint)
    if not url.host or (url.scheme != "https" and url.host not in _LOOPBACK):
        raise Misconfigured(
            "AZURE_COSMOS_ENDPOINT must be the account's https address, such as https://NAME.documents.azure.com:443/"
        )
    if not key and url.scheme != "https":
        raise Misconfigured("AZURE_COSMOS_KEY is missing: over plain http a managed identity is of no use")
    try:
        b64decode(key or "", validate=True)
    except ValueError:
        raise Misconfigured("AZURE_COSMOS_KEY is not a key: copy the primary or secondary key of the account") from None


async def _make(database: DatabaseProxy, shape: Shape) -> ContainerProxy:
    return await database.create_container_if_not_exists(
        shape.name,
        PartitionKey(path=shape.partition_key),
        default_ttl=shape.ttl,
        indexing_policy=shape.indexing(),
    )


def _difference(shape: Shape, there: Mapping[str, Any]) -> str:
    """Say what makes a container unusable; a missing index only makes a list dear."""
    paths = there.get("partitionKey", {}).get("paths", [])
    if paths != [shape.partition_key]:
        return f"has the partition key {', '.join(paths)}, and needs {shape.partition_key}"
    if there.get("defaultTtl") != shape.ttl:
        return f"has the default time to live {there.get('defaultTtl') or 'off'}, and needs {shape.ttl or 'off'}"
    return ""
