"""Which adapter serves which port: one row per adapter, chosen by the settings."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from dotenv import dotenv_values

from adapters.local.files_secrets import LocalSecrets
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import Misconfigured
from bridge.ports import Queue, SecretSource, ThreadMap
from bridge.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The stores that every part of one process shares."""

    queue: Queue
    threads: ThreadMap
    secrets: SecretSource


EMBEDDED = {
    "BRIDGE_QUEUE": "local.sqlite_queue",
    "BRIDGE_THREADS": "local.sqlite_threads",
    "BRIDGE_SECRETS": "local.files_secrets",
}


class Opening:
    """What is being opened for one process. The stack closes it, the last first."""

    def __init__(self, settings: Settings, clock: Callable[[], float], stack: AsyncExitStack) -> None:
        self.settings, self.clock, self.stack = settings, clock, stack
        self._embedded: Database | None = None

    async def database(self) -> Database:
        """Open the embedded database, once for all that keep something in it."""
        if self._embedded is None:
            folder = self.settings.data_dir
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise Misconfigured(f"BRIDGE_DATA_DIR {folder} cannot be used: {error.strerror}") from None
            self._embedded = await self.stack.enter_async_context(Database(folder / "bridge.db", now=self.clock))
        return self._embedded


async def _sqlite_queue(opening: Opening) -> Queue:
    queue = SqliteQueue(await opening.database(), limit=opening.settings.queue_limit, now=opening.clock)
    opening.stack.push_async_callback(queue.close)
    return queue


async def _sqlite_threads(opening: Opening) -> ThreadMap:
    return SqliteThreadMap(await opening.database(), now=opening.clock)


QUEUES: dict[str, Callable[[Opening], Awaitable[Queue]]] = {"local.sqlite_queue": _sqlite_queue}
THREADS: dict[str, Callable[[Opening], Awaitable[ThreadMap]]] = {"local.sqlite_threads": _sqlite_threads}


@asynccontextmanager
async def open_ports(settings: Settings, clock: Callable[[], float] = time.time) -> AsyncIterator[Ports]:
    """Open the stores that the settings name, and close them at the end. Misconfigured if one cannot be used."""
    queue = _chosen("BRIDGE_QUEUE", settings.queue, QUEUES)
    threads = _chosen("BRIDGE_THREADS", settings.threads, THREADS)
    _chosen("BRIDGE_SECRETS", settings.secrets, {EMBEDDED["BRIDGE_SECRETS"]: None})
    async with AsyncExitStack() as stack:
        opening = Opening(settings, clock, stack)
        yield Ports(queue=await queue(opening), threads=await threads(opening), secrets=open_secrets(settings))


def _chosen(setting: str, name: str, adapters: Mapping[str, T]) -> T:
    if name not in adapters:
        known = " or ".join(repr(adapter) for adapter in adapters)
        raise Misconfigured(f"{setting}: there is no adapter {name!r}; use {known}.")
    return adapters[name]


def open_secrets(settings: Settings) -> SecretSource:
    """Open the secret source alone; it needs no closing. Misconfigured if it cannot be used."""
    environment = {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)
    return LocalSecrets(settings.data_dir / "secrets", environment)
