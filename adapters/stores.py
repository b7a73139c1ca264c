"""Which adapter serves which port: one row per adapter, chosen by the settings."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from dotenv import dotenv_values

from adapters.local.files_secrets import LocalSecrets
from adapters.local.sqlite import Database
from adapters.local.sqlite_queue import SqliteQueue
from adapters.local.sqlite_threads import SqliteThreadMap
from bridge.errors import Misconfigured
from bridge.ports import Queue, SecretSource, ThreadMap
from bridge.settings import Settings


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


def open_ports(settings: Settings, clock: Callable[[], float] = time.time) -> AbstractAsyncContextManager[Ports]:
    """Open the stores that the settings name, and close them at the end. Misconfigured if one cannot be used."""
    chosen = {"BRIDGE_QUEUE": settings.queue, "BRIDGE_THREADS": settings.threads, "BRIDGE_SECRETS": settings.secrets}
    for name, adapter in chosen.items():
        if adapter != EMBEDDED[name]:
            raise Misconfigured(f"{name}: there is no adapter {adapter!r}; use {EMBEDDED[name]!r}.")
    return _embedded(settings, clock)


@asynccontextmanager
async def _embedded(settings: Settings, clock: Callable[[], float]) -> AsyncIterator[Ports]:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Misconfigured(f"BRIDGE_DATA_DIR {settings.data_dir} cannot be used: {error.strerror}") from None
    environment = {name: value for name, value in dotenv_values(".env").items() if value} | dict(os.environ)
    async with Database(settings.data_dir / "bridge.db", now=clock) as database:
        queue = SqliteQueue(database, now=clock)
        try:
            yield Ports(
                queue=queue,
                threads=SqliteThreadMap(database, now=clock),
                secrets=LocalSecrets(settings.data_dir / "secrets", environment),
            )
        finally:
            await queue.close()
