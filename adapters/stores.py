"""Which adapter serves which port: one row per adapter, chosen by the settings."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from dotenv import dotenv_values

from adapters.local.files_objects import LocalObjects
from adapters.local.files_secrets import LocalSecrets
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import Misconfigured, Unavailable
from bridge.ports import ObjectStore, Queue, SecretSource, ThreadMap
from bridge.settings import Settings

T = TypeVar("T")
PATIENCE = 5.0
"""Seconds that a store may be away at the start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The stores that every part of one process shares."""

    queue: Queue
    threads: ThreadMap
    secrets: SecretSource
    objects: ObjectStore


EMBEDDED = {
    "BRIDGE_QUEUE": "local.sqlite_queue",
    "BRIDGE_THREADS": "local.sqlite_threads",
    "BRIDGE_SECRETS": "local.files_secrets",
    "BRIDGE_OBJECTS": "local.files_objects",
}


class Opening:
    """What is being opened for one process. The stack closes it, the last first."""

    def __init__(self, settings: Settings, clock: Callable[[], float], stack: AsyncExitStack, tenants: int = 1) -> None:
        """`tenants` is how many share what is opened."""
        self.settings, self.clock, self.stack, self.tenants = settings, clock, stack, tenants
        self.objects: ObjectStore | None = None
        self._embedded: Database | None = None
        self._turn = asyncio.Lock()

    async def database(self) -> Database:
        """Open the embedded database, once for all that keep something in it."""
        async with self._turn:
            if self._embedded is None:
                folder = self.settings.data_dir
                try:
                    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                except OSError as error:
                    raise Misconfigured(f"BRIDGE_DATA_DIR {folder} cannot be used: {error.strerror}") from None
                self._embedded = await self.stack.enter_async_context(Database(folder / "bridge.db", now=self.clock))
        return self._embedded


async def _sqlite_queue(opening: Opening) -> Queue:
    settings = opening.settings
    queue = SqliteQueue(
        await opening.database(), limit=settings.queue_limit, tenants=opening.tenants, now=opening.clock
    )
    opening.stack.push_async_callback(queue.close)
    return queue


async def _service_bus_queue(opening: Opening) -> Queue:
    from adapters.azure.service_bus import open_queue  # noqa: PLC0415 - the SDK is for those who use it

    return await opening.stack.enter_async_context(open_queue(opening.settings, opening.objects))


async def _sqlite_threads(opening: Opening) -> ThreadMap:
    return SqliteThreadMap(await opening.database(), now=opening.clock)


async def _cosmos_threads(opening: Opening) -> ThreadMap:
    from adapters.azure.cosmos import open_threads  # noqa: PLC0415 - 0.3 s for those who use it

    return await opening.stack.enter_async_context(open_threads(opening.settings, opening.clock))


def _files_secrets(settings: Settings) -> SecretSource:
    environment = {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)
    return LocalSecrets(settings.data_dir / "secrets", environment)


def _key_vault(settings: Settings) -> SecretSource:
    from adapters.azure.key_vault import open_key_vault  # noqa: PLC0415 - the SDK is for those who use it

    return open_key_vault(settings.key_vault_url, settings.azure_client_id)


def _files_objects(settings: Settings, secrets: SecretSource) -> ObjectStore:
    url = settings.public_url or f"http://127.0.0.1:{settings.port}"
    return LocalObjects(settings.data_dir / "objects", secrets, url)


def _blobs(settings: Settings, _secrets: SecretSource) -> ObjectStore:
    from adapters.azure.blob import open_blobs  # noqa: PLC0415 - the SDK is for those who use it

    given = settings.storage_connection_string
    connection_string = given.get_secret_value() if given else ""
    return open_blobs(
        settings.storage_account_url, connection_string, settings.storage_container, settings.azure_client_id
    )


QUEUES: dict[str, Callable[[Opening], Awaitable[Queue]]] = {
    "local.sqlite_queue": _sqlite_queue,
    "azure.service_bus": _service_bus_queue,
}
THREADS: dict[str, Callable[[Opening], Awaitable[ThreadMap]]] = {
    "local.sqlite_threads": _sqlite_threads,
    "azure.cosmos": _cosmos_threads,
}
SECRETS: dict[str, Callable[[Settings], SecretSource]] = {
    "local.files_secrets": _files_secrets,
    "azure.key_vault": _key_vault,
}
OBJECTS: dict[str, Callable[[Settings, SecretSource], ObjectStore]] = {
    "local.files_objects": _files_objects,
    "azure.blob": _blobs,
}


@asynccontextmanager
async def open_ports(
    settings: Settings, clock: Callable[[], float] = time.time, *, tenants: int = 1, ask_all: bool = False
) -> AsyncIterator[Ports]:
    """Open the stores that the settings name, all at once, and close them at the end.

    `tenants` is how many there are, where messages of theirs are put into the queue; `ask_all` asks also secrets and
    objects outside of this machine, which otherwise are asked when they are needed. Misconfigured or Forbidden if one
    cannot be used; Unavailable if it has been away for `PATIENCE`.
    """
    queue = _chosen("BRIDGE_QUEUE", settings.queue, QUEUES)
    threads = _chosen("BRIDGE_THREADS", settings.threads, THREADS)
    open_objects = _chosen("BRIDGE_OBJECTS", settings.objects, OBJECTS)
    async with AsyncExitStack() as stack:
        secrets = open_secrets(settings)
        stack.push_async_callback(secrets.close)
        objects = open_objects(settings, secrets)
        stack.push_async_callback(objects.close)
        opening = Opening(settings, clock, stack, tenants)
        opening.objects = None if settings.objects == EMBEDDED["BRIDGE_OBJECTS"] else objects
        outside = (one for one in (secrets, objects) if not isinstance(one, LocalSecrets | LocalObjects))
        asked = [one.ping for one in outside] if ask_all else []
        opened, mapped, *_ = await _all_at_once(partial(queue, opening), partial(threads, opening), *asked)
        yield Ports(queue=opened, threads=mapped, secrets=secrets, objects=objects)


async def _all_at_once(*steps: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Take all steps; where one fails for good, the others are stopped, and its error is raised."""
    tasks = [asyncio.create_task(_patiently(step), name="open a store") for step in steps]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Take a step again while a store is away: it may restart just now, or the network may come up."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return await step()
        except Unavailable:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.5)


@asynccontextmanager
async def open_queue(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[Queue]:
    """Open the queue alone; as `open_ports`."""
    async with AsyncExitStack() as stack:
        yield await _chosen("BRIDGE_QUEUE", settings.queue, QUEUES)(Opening(settings, clock, stack))


@asynccontextmanager
async def open_threads(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[ThreadMap]:
    """Open the thread map alone; as `open_ports`."""
    async with AsyncExitStack() as stack:
        yield await _chosen("BRIDGE_THREADS", settings.threads, THREADS)(Opening(settings, clock, stack))


def _chosen(setting: str, name: str, adapters: Mapping[str, T]) -> T:
    if name not in adapters:
        known = " or ".join(repr(adapter) for adapter in adapters)
        raise Misconfigured(f"{setting}: there is no adapter {name!r}; use {known}.")
    return adapters[name]


def open_secrets(settings: Settings) -> SecretSource:
    """Open the secret source alone, for who closes it. Misconfigured if it cannot be used."""
    return _chosen("BRIDGE_SECRETS", settings.secrets, SECRETS)(settings)
