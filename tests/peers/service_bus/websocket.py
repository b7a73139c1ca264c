"""AMQP over WebSocket, as the service offers it on `/$servicebus/websocket` (subprotocol AMQPWSB10)."""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from .connection import Connection
from .namespace import Namespace

PATH = "/$servicebus/websocket"
SUBPROTOCOL = "AMQPWSB10"
_MAX_MESSAGE = 4 * 1024 * 1024
_MAX_WAITING = 10_000


class _Wire:
    """The transport of a connection over a WebSocket: what is written waits for one task that sends it in order."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None) -> None:
        self._socket = socket
        self._transport = transport
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_WAITING)
        self._readable = asyncio.Event()
        self._readable.set()

    def write(self, data: bytes) -> None:
        self._put(data)

    def close(self) -> None:
        self._put(None)

    def _put(self, data: bytes | None) -> None:
        """A client that does not read for so long is cut off."""
        try:
            self._queue.put_nowait(data)
        except asyncio.QueueFull:
            self._cut()

    def _cut(self) -> None:
        if isinstance(self._transport, asyncio.Transport):
            self._transport.abort()

    def abort(self) -> None:
        self._cut()
        self.close()

    def pause_reading(self) -> None:
        self._readable.clear()

    def resume_reading(self) -> None:
        self._readable.set()

    async def readable(self) -> None:
        """Wait while reading is paused."""
        await self._readable.wait()

    async def send_all(self) -> None:
        """Send what is written until the connection ends."""
        while (data := await self._queue.get()) is not None:
            try:
                await self._socket.send_bytes(data)
            except ConnectionError:
                return
        await self._socket.close()


def websocket_app(namespace: Namespace) -> web.Application:
    """Make the HTTP side: one route that turns a WebSocket into a connection."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=_MAX_MESSAGE)
        await socket.prepare(request)
        wire = _Wire(socket, request.transport)
        connection = Connection(namespace, wire)
        sender = asyncio.create_task(wire.send_all())
        try:
            async for message in socket:
                await wire.readable()
                if message.type is WSMsgType.BINARY:
                    connection.feed(message.data)
        finally:
            connection.lost()
            wire.close()
            sender.cancel()
        return socket

    app = web.Application()
    app.router.add_get(PATH, serve)
    return app
