"""The peer as a test component: listens, creates queues, sets faults, tells what happened."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Self

from aiohttp import web

from .cbs import ALL_RIGHTS, SharedKey
from .connection import Connection
from .faults import Fault
from .frames import AmqpError
from .namespace import Namespace
from .queues import Queue, QueueOptions
from .websocket import websocket_app

KEY_NAME, KEY = "RootManageSharedAccessKey", "bG9jYWwgdGVzdCBrZXkgb2YgdGhlIHBlZXI="


class _Stream(asyncio.Protocol):
    """Feeds a connection from a TCP stream."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._connection = Connection(self._namespace, transport)

    def data_received(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        assert self._connection is not None
        self._connection.lost()


class ServiceBusPeer:
    """A namespace of queues behind one port. `async with ServiceBusPeer() as peer: peer.create_queue("q")`.

    `port` 0 takes a free one. `tls` makes it speak TLS only. `jwt_keys` (PEM, public) are whose bearer tokens count.
    `websocket_port` (0: a free one) adds AMQP over WebSocket; clients of the SDK reach it by `custom_endpoint_address`.
    Times in seconds. State is in memory and survives `stop` and `start`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        websocket_port: int | None = None,
        tls: ssl.SSLContext | None = None,
        jwt_keys: tuple[Any, ...] = (),
        idle_timeout: float = 240.0,
        frame_size: int = 65_536,
    ) -> None:
        self.host = host
        self.port = port
        self.websocket_port = websocket_port
        self.namespace = Namespace(idle_timeout=idle_timeout, frame_size=frame_size)
        self.namespace.authority.jwt_keys.extend(jwt_keys)
        self.namespace.authority.shared_keys[KEY_NAME] = SharedKey(KEY)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._web: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()
        self.namespace.broker.close()

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Stream(self.namespace), self.host, self.port, ssl=self._tls, backlog=500
        )
        self.port = self._server.sockets[0].getsockname()[1]
        if self.websocket_port is not None:
            self._web = web.AppRunner(websocket_app(self.namespace), access_log=None, shutdown_timeout=1)
            await self._web.setup()
            await web.TCPSite(self._web, self.host, self.websocket_port, ssl_context=self._tls).start()
            self.websocket_port = self._web.addresses[0][1]

    async def stop(self) -> None:
        """Cut all connections and stop listening, as if the machine went away. Queues keep what they hold."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_connections()
        while any(connection.dead for connection in self.namespace.connections):
            await asyncio.sleep(0)
        if self._web is not None:
            await self._web.cleanup()
            self._web = None

    async def restart(self, seconds: float) -> None:
        """Be away for a while."""
        await self.stop()
        await asyncio.sleep(seconds)
        await self.start()

    # --- set up ---

    def connection_string(self, key_name: str = KEY_NAME, key: str | None = None) -> str:
        """Give what a client connects with; `key` only to give a wrong one."""
        known = self.namespace.authority.shared_keys.get(key_name)
        secret = key if key is not None else known.key if known else ""
        where = f"Endpoint=sb://{self.host}:{self.port};SharedAccessKeyName={key_name};SharedAccessKey={secret}"
        return f"{where};UseDevelopmentEmulator=true;"

    def add_key(self, name: str, key: str, rights: frozenset[str] = ALL_RIGHTS) -> None:
        """Add a shared access policy."""
        self.namespace.authority.shared_keys[name] = SharedKey(key, rights)

    def create_queue(self, name: str, **options: Any) -> Queue:
        """Create a queue (`QueueOptions`: requires_session, duplicate_detection, lock_duration, …)."""
        return self.namespace.broker.create(QueueOptions(name=name, **options))

    def queue(self, name: str) -> Queue:
        """Give a queue, or `name/$DeadLetterQueue`. Raises AmqpError."""
        return self.namespace.broker.find(name)

    # --- trouble ---

    def fault(self, **fields: Any) -> None:
        """Set a fault (`faults.Fault`)."""
        self.namespace.faults.add(Fault(**fields))

    def detach(self, queue: str, condition: str = "amqp:link:detach-forced") -> int:
        """Detach all links of a queue; give how many."""
        found = self.queue(queue)
        links = list(found.links)
        for link in links:
            link.detach(AmqpError(condition, f"The link '{link.name}' is force detached."))
        return len(links)

    def drop_connections(self, queue: str | None = None) -> int:
        """Cut all connections, or those with a link to the queue; give how many."""
        if queue is None:
            found = set(self.namespace.connections)
        else:
            found = {link.session.connection for link in self.queue(queue).links}
        for connection in found:
            connection.abort()
        return len(found)

    def lose_locks(self, queue: str) -> None:
        """Let all locks of a queue expire now."""
        self.queue(queue).lose_locks()

    def expire_tokens(self) -> None:
        """Let all tokens expire now: links end."""
        for connection in list(self.namespace.connections):
            connection.expire_tokens()

    def stall(self, seconds: float) -> None:
        """Neither read nor write on the connections there are, for a while."""
        for connection in list(self.namespace.connections):
            connection.stall(seconds)

    # --- look ---

    def stats(self) -> Mapping[str, Any]:
        """Count what happened: the namespace's events, faults that struck, and each queue."""
        namespace = self.namespace
        return {
            "events": dict(namespace.stats),
            "faults": dict(namespace.faults.fired),
            "connections": len(namespace.connections),
            "queues": {queue.name: queue.snapshot() for queue in namespace.broker.queues.values()},
        }
