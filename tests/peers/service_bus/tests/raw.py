"""A bare AMQP client on the peer's own codec: for what the SDK does not do, and to measure without the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.peers.service_bus import ServiceBusPeer, codec, frames
from tests.peers.service_bus.cbs import shared_access_signature
from tests.peers.service_bus.frames import Attach, Begin, Disposition, Flow, Open, SaslInit, Transfer, frame
from tests.peers.service_bus.peer import KEY, KEY_NAME

ACCEPTED = codec.described(0x24, codec.sequence([]))


def section(code: int, value: bytes) -> bytes:
    """Build a section."""
    return codec.described(code, value)


class RawClient:
    """One connection with one session (channel 1)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._splitter = frames.Splitter(1 << 20)
        self._pieces: list[bytes] = []
        self._delivery = 0

    def send(self, performative: Any, payload: bytes = b"", *, channel: int = 1, kind: int = 0) -> None:
        """Send a frame."""
        self._writer.write(frame(channel, performative, payload, kind))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def piece(self) -> bytes:
        """Read a protocol header or a frame; empty when the peer has closed."""
        while not self._pieces:
            data = await asyncio.wait_for(self._reader.read(1 << 16), 10)
            if not data:
                return b""
            self._pieces = self._splitter.feed(data)[::-1]
        return self._pieces.pop()

    async def expect(self, kind: type) -> tuple[Any, bytes]:
        """Read until a performative of this kind comes; give it and its payload."""
        while True:
            piece = await self.piece()
            assert piece, f"closed before a {kind.__name__} came"
            if not piece.startswith(b"AMQP"):
                _, _, performative, payload = frames.parse(piece)
                if isinstance(performative, kind):
                    return performative, payload

    async def handshake(self) -> None:
        """SASL, open, begin; wait until the peer has begun too."""
        self.greet()
        await self.expect(Begin)

    def greet(self) -> None:
        """Send SASL, open and begin."""
        self.send_bytes(frames.SASL_HEADER)
        self.send(SaslInit(codec.Symbol("ANONYMOUS")), channel=0, kind=frames.SASL_FRAME)
        self.send_bytes(frames.AMQP_HEADER)
        self.send(Open("raw", "localhost", 1 << 20), channel=0)
        self.send(Begin(None, 0, 1 << 30, 1 << 30))

    def attach(self, name: str, handle: int, *, sends: bool, address: str, mode: int = 0) -> None:
        """Ask for a link."""
        here = codec.described(0x28 if not sends else 0x29, codec.sequence([codec.string(address)]))
        there = codec.described(0x29 if not sends else 0x28, codec.sequence([codec.string(name)]))
        source, target = (there, here) if sends else (here, there)
        self.send(Attach(name, handle, not sends, mode, 0, source, target, None, None, 0 if sends else None))

    async def open_tokens(self) -> None:
        """Attach to `$cbs` on handles 0 and 1."""
        self.attach("tokens-in", 0, sends=False, address="$cbs")
        self.attach("tokens-out", 1, sends=True, address="$cbs")
        self.send(Flow(0, 1 << 30, 0, 1 << 30, 0, 0, 100))
        await self.expect(Flow)

    async def put_token(self, queue: str, seconds: float = 3600) -> int:
        """Put a shared access token; give the status."""
        audience = f"sb://localhost/{queue}"
        token = shared_access_signature(audience, KEY_NAME, KEY, time.time() + seconds)
        properties = {"operation": "put-token", "type": "servicebus.windows.net:sastoken", "name": audience}
        answer, _ = await self.request(1, properties, token)
        return int(answer["status-code"])

    async def request(self, handle: int, properties: dict[str, Any], body: Any) -> tuple[dict[str, Any], Any]:
        """Ask a node; give the answer's application properties and body."""
        sections = ((0x73, [uuid4()]), (0x74, properties), (0x77, body))
        self.transfer(handle, b"".join(section(code, codec.encode(value)) for code, value in sections))
        _, payload = await self.expect(Transfer)
        answer, end = codec.decode(payload, codec.skip(payload, 3) + 3)
        return answer, codec.decode(payload, end + 3)[0]

    async def accept(self, name: str, handle: int, queue: str, session_id: str | None, credit: int = 0) -> None:
        """Ask for a message session and wait until it is granted."""
        filters = codec.encode({codec.Symbol("com.microsoft:session-filter"): session_id})
        source = codec.described(0x28, codec.sequence([codec.string(queue), *(codec.NULL,) * 6, filters]))
        self.send(Attach(name, handle, True, 0, 0, source))
        self.send(Flow(0, 1 << 30, 0, 1 << 30, handle, 0, credit))
        await self.expect(Attach)

    def transfer(self, handle: int, payload: bytes, *, settled: bool = False) -> int:
        """Send a message in one frame; give its delivery id."""
        delivery, self._delivery = self._delivery, self._delivery + 1
        self.send(Transfer(handle, delivery, delivery.to_bytes(4, "big"), 0, settled), payload)
        return delivery

    def settle(self, first: int, last: int | None = None, state: Any = ACCEPTED, *, settled: bool = True) -> None:
        """Settle what was received."""
        self.send(Disposition(frames.RECEIVER, first, last, settled, state))

    async def drain(self) -> None:
        """Let the socket take what was written."""
        await self._writer.drain()

    async def close(self) -> None:
        """Close the socket."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def raw_client(peer: ServiceBusPeer, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawClient]:
    """Connect, without a word yet."""
    client = RawClient(*await asyncio.open_connection(peer.host, peer.port, ssl=tls))
    try:
        yield client
    finally:
        await client.close()


async def ready(client: RawClient, queue: str, seconds: float = 3600) -> None:
    """Shake hands and put a token for a queue."""
    await client.handshake()
    await client.open_tokens()
    assert await client.put_token(queue, seconds) == 202
