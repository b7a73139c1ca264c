"""Performatives and frames (AMQP 1.0, part 2) and the SASL frames (part 5).

A performative is a NamedTuple whose fields follow the specification's order; `_LAYOUT` gives each its number and the
encoders of its fields. A frame is size, data offset, type, channel, performative, payload.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

from . import codec
from .codec import DecodeError, Described, Encoded, Symbol

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_FRAME, SASL_FRAME = 0, 1
SENDER, RECEIVER = False, True
"""The `role` field: which end of the link the frame's author is."""


class AmqpError(Exception):
    """What the peer refuses: an error condition as the wire names it, and a text for people."""

    def __init__(self, condition: str, description: str, **info: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description
        self.info = info

    def encoded(self) -> Encoded:
        """Give the error as it goes on the wire. The info map is never empty: the SDK wants all three fields."""
        info = {Symbol(key): value for key, value in (self.info or {"tracking": "service-bus-peer"}).items()}
        fields = (codec.symbol(self.condition), codec.string(self.description), codec.encode(info))
        return codec.described(0x1D, codec.sequence(fields))


class Open(NamedTuple):
    container_id: Any = None
    hostname: Any = None
    max_frame_size: Any = None
    channel_max: Any = None
    idle_time_out: Any = None
    outgoing_locales: Any = None
    incoming_locales: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Begin(NamedTuple):
    remote_channel: Any = None
    next_outgoing_id: Any = None
    incoming_window: Any = None
    outgoing_window: Any = None
    handle_max: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Attach(NamedTuple):
    name: Any = None
    handle: Any = None
    role: Any = None
    snd_settle_mode: Any = None
    rcv_settle_mode: Any = None
    source: Any = None
    target: Any = None
    unsettled: Any = None
    incomplete_unsettled: Any = None
    initial_delivery_count: Any = None
    max_message_size: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Flow(NamedTuple):
    next_incoming_id: Any = None
    incoming_window: Any = None
    next_outgoing_id: Any = None
    outgoing_window: Any = None
    handle: Any = None
    delivery_count: Any = None
    link_credit: Any = None
    available: Any = None
    drain: Any = None
    echo: Any = None
    properties: Any = None


class Transfer(NamedTuple):
    handle: Any = None
    delivery_id: Any = None
    delivery_tag: Any = None
    message_format: Any = None
    settled: Any = None
    more: Any = None
    rcv_settle_mode: Any = None
    state: Any = None
    resume: Any = None
    aborted: Any = None
    batchable: Any = None


class Disposition(NamedTuple):
    role: Any = None
    first: Any = None
    last: Any = None
    settled: Any = None
    state: Any = None
    batchable: Any = None


class Detach(NamedTuple):
    handle: Any = None
    closed: Any = None
    error: Any = None


class End(NamedTuple):
    error: Any = None


class Close(NamedTuple):
    error: Any = None


class SaslMechanisms(NamedTuple):
    mechanisms: Any = None


class SaslInit(NamedTuple):
    mechanism: Any = None
    initial_response: Any = None
    hostname: Any = None


class SaslOutcome(NamedTuple):
    code: Any = None
    additional_data: Any = None


_FieldEncoder = Callable[[Any], bytes]
_any, _bool, _str = codec.encode, codec.boolean, codec.string
_u8, _u16, _u32, _u64 = codec.ubyte, codec.ushort, codec.uint, codec.ulong

_LAYOUT: dict[type, tuple[int, tuple[_FieldEncoder, ...]]] = {
    Open: (0x10, (_str, _str, _u32, _u16, _u32, _any, _any, _any, _any, _any)),
    Begin: (0x11, (_u16, _u32, _u32, _u32, _u32, _any, _any, _any)),
    Attach: (0x12, (_str, _u32, _bool, _u8, _u8, _any, _any, _any, _bool, _u32, _u64, _any, _any, _any)),
    Flow: (0x13, (_u32, _u32, _u32, _u32, _u32, _u32, _u32, _u32, _bool, _bool, _any)),
    Transfer: (0x14, (_u32, _u32, codec.binary, _u32, _bool, _bool, _u8, _any, _bool, _bool, _bool)),
    Disposition: (0x15, (_bool, _u32, _u32, _bool, _any, _bool)),
    Detach: (0x16, (_u32, _bool, _any)),
    End: (0x17, (_any,)),
    Close: (0x18, (_any,)),
    SaslMechanisms: (0x40, (_any,)),
    SaslInit: (0x41, (codec.symbol, codec.binary, _str)),
    SaslOutcome: (0x44, (_u8, codec.binary)),
}
_BY_CODE: dict[int, tuple[type, int]] = {code: (kind, len(fields)) for kind, (code, fields) in _LAYOUT.items()}
_HEAD = Struct(">IBBH")


def encode_performative(performative: Any) -> Encoded:
    """Encode a performative, without the nulls at its end."""
    code, encoders = _LAYOUT[type(performative)]
    parts = [
        codec.NULL if value is None else encoder(value) for encoder, value in zip(encoders, performative, strict=True)
    ]
    while parts and parts[-1] == codec.NULL:
        parts.pop()
    return codec.described(code, codec.sequence(parts))


def frame(channel: int, performative: Any, payload: bytes = b"", kind: int = AMQP_FRAME) -> bytes:
    """Build a whole frame."""
    body = encode_performative(performative)
    return b"".join((_HEAD.pack(8 + len(body) + len(payload), 2, kind, channel), body, payload))


HEARTBEAT = _HEAD.pack(8, 2, AMQP_FRAME, 0)


def parse(data: bytes) -> tuple[int, int, Any, bytes]:
    """Take a frame apart: type, channel, performative (None: a heartbeat), payload. Raises DecodeError."""
    _, offset, kind, channel = _HEAD.unpack_from(data)
    start = offset * 4
    if start < 8 or start > len(data):
        raise DecodeError("a frame's data offset points nowhere")
    if start == len(data):
        return kind, channel, None, b""
    value, end = codec.decode(data, start)
    return kind, channel, _performative(value), data[end:]


def _performative(value: Any) -> Any:
    if not isinstance(value, Described) or not isinstance(value.value, list):
        raise DecodeError("a frame without a performative")
    kind, width = _BY_CODE.get(value.descriptor, (None, 0)) if isinstance(value.descriptor, int) else (None, 0)
    if kind is None or len(value.value) > width:
        raise DecodeError(f"unknown performative {value.descriptor!r}")
    return kind(*value.value)


class Splitter:
    """Cuts a byte stream into protocol headers (b"AMQP…") and frames of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes; give the headers and frames that are complete. Raises DecodeError for impossible sizes."""
        buffer, pieces, at = self._buffer, [], 0
        buffer += data
        while len(buffer) - at >= 8:
            size = 8 if buffer.startswith(b"AMQP", at) else int.from_bytes(buffer[at : at + 4], "big")
            if not 8 <= size <= self._limit:
                raise DecodeError(f"a frame of {size} bytes")
            if len(buffer) - at < size:
                break
            pieces.append(bytes(buffer[at : at + size]))
            at += size
        del buffer[:at]
        return pieces


_FIRST = Struct(">IBBH4sBBBIBIBB16sBBB")
_NEXT = Struct(">IBBH4sBBBI3sBB")
_TRUE, _FALSE = 0x41, 0x42
TAG_SIZE = 16


def transfer_frames(
    channel: int, handle: int, delivery_id: int, tag: bytes, settled: bool, payload: bytes, max_frame: int
) -> list[bytes]:
    """Build the frames of one message, message-format 0, laid out by hand because every message passes here.

    `tag` has 16 bytes. Delivery id and tag are in the first frame only; every frame says whether more follow.
    """
    mark = _TRUE if settled else _FALSE
    rest = len(payload) - (max_frame - _FIRST.size)
    first = payload if rest <= 0 else payload[:-rest]
    more = _TRUE if rest > 0 else _FALSE
    size = _FIRST.size + len(first)
    head = _FIRST.pack(size, 2, 0, channel, b"\x00\x53\x14\xc0", 32, 6, 0x70, handle, 0x70, delivery_id, 0xA0, 16, tag, 0x43, mark, more)  # fmt: skip  # noqa: E501
    frames = [head + first]
    step = max_frame - _NEXT.size
    for at in range(len(first), len(payload), step):
        piece = payload[at : at + step]
        more = _TRUE if at + step < len(payload) else _FALSE
        head = _NEXT.pack(_NEXT.size + len(piece), 2, 0, channel, b"\x00\x53\x14\xc0", 11, 6, 0x70, handle, b"\x40" * 3, mark, more)  # fmt: skip  # noqa: E501
        frames.append(head + piece)
    return frames
