"""The sections of a message (AMQP 1.0, part 3): taken apart once on arrival, put together for each delivery.

The broker understands what it must (ttl, message id, session id, schedule) and keeps the rest byte for byte.
"""

from __future__ import annotations

import time
from asyncio import TimerHandle
from dataclasses import dataclass
from struct import Struct
from typing import Any, Literal

from . import codec
from .codec import DecodeError
from .frames import AmqpError

BATCH_FORMAT = 0x80013700
"""The message-format of a batch: each data section holds one complete message."""

_HEADER, _DELIVERY_ANNOTATIONS, _ANNOTATIONS, _PROPERTIES, _APPLICATION, _DATA, _FOOTER = (
    0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x78,
)  # fmt: skip
# Sections in a public message: 0x70 header, 0x72 message annotations, 0x73 properties, 0x74 application properties,
# 0x75/0x76/0x77 body, 0x78 footer.
_SCHEDULED = "x-opt-scheduled-enqueue-time"
_OURS = {
    "x-opt-enqueued-time",
    "x-opt-sequence-number",
    "x-opt-enqueue-sequence-number",
    "x-opt-locked-until",
    "x-opt-message-state",
    "x-opt-deadletter-source",
}
"""Annotations the broker writes; a sender's own are dropped."""

State = Literal["active", "deferred", "scheduled"]
_STATES: dict[State, int] = {"active": 0, "deferred": 1, "scheduled": 2}
_PRIORITY = 4


@dataclass(slots=True, eq=False)
class Message:
    """One message in a queue. Times are epoch seconds; `ttl` seconds or None; the rest of the fields are as sent."""

    durable: bool
    priority: int
    ttl: float | None
    message_id: Any
    session_id: str | None
    scheduled_at: float | None
    annotations: bytes
    annotation_count: int
    properties: bytes
    application: bytes
    application_count: int
    body: bytes
    size: int
    sequence: int = 0
    enqueued_sequence: int = 0
    enqueued_at: float = 0.0
    expires_at: float | None = None
    delivery_count: int = 0
    state: State = "active"
    source: str | None = None
    lock: bytes | None = None
    locked_until: float = 0.0
    timer: TimerHandle | None = None

    def set_application(self, values: dict[str, Any]) -> None:
        """Set application properties: new ones, and those that were sent under the same name."""
        known = dict(self._application_pairs())
        known.update({codec.string(key): codec.encode(value) for key, value in values.items()})
        self.application = b"".join(key + value for key, value in known.items())
        self.application_count = len(known)

    def _application_pairs(self) -> list[tuple[bytes, bytes]]:
        pairs, at = [], 0
        for _ in range(self.application_count):
            middle = codec.skip(self.application, at)
            end = codec.skip(self.application, middle)
            pairs.append((self.application[at:middle], self.application[middle:end]))
            at = end
        return pairs


# --- taking apart -----------------------------------------------------------------------------------------------------


def split(payload: bytes, message_format: int) -> list[Message]:
    """Take what one transfer brought apart: one message, or those of a batch. Raises AmqpError for a broken one."""
    try:
        if message_format != BATCH_FORMAT:
            return [_message(payload)]
        return [_message(_data(payload, value)) for code, _, value, _ in _sections(payload) if code == _DATA]
    except DecodeError as error:
        raise AmqpError("amqp:decode-error", f"the message is not AMQP: {error}") from error


def _sections(payload: bytes) -> list[tuple[int, int, int, int]]:
    """List sections: code, start, start of the value, end."""
    at, found = 0, []
    while at < len(payload):
        if payload[at] != 0:
            raise DecodeError("a section without a descriptor")
        begin = at
        code, value = codec.decode(payload, at + 1)
        at = codec.skip(payload, value)
        if not isinstance(code, int) or not _HEADER <= code <= _FOOTER:
            raise DecodeError(f"unknown section {code!r}")
        found.append((code, begin, value, at))
    return found


def _data(payload: bytes, at: int) -> bytes:
    value, _ = codec.decode(payload, at)
    if not isinstance(value, bytes):
        raise DecodeError("a data section without bytes")
    return value


def _message(payload: bytes) -> Message:
    header: list[Any] = []
    known: list[Any] = []
    annotations, annotation_count, scheduled_at = b"", 0, None
    properties, application, application_count, body_at = b"", b"", 0, len(payload)
    for code, begin, start, end in _sections(payload):
        if code == _HEADER:
            header = _a_list(payload, start)
        elif code == _ANNOTATIONS:
            annotations, annotation_count, scheduled_at = _annotations(payload, start)
        elif code == _PROPERTIES:
            known, properties = _a_list(payload, start), payload[start:end]
        elif code == _APPLICATION:
            application, application_count = _pairs(payload, start, end)
        elif code >= _DATA:
            body_at = min(body_at, begin)
    header += [None] * (5 - len(header))
    known += [None] * (11 - len(known))
    return Message(
        durable=bool(header[0]),
        priority=_PRIORITY if header[1] is None else header[1],
        ttl=None if header[2] is None else header[2] / 1000,
        message_id=known[0],
        session_id=known[10],
        scheduled_at=scheduled_at,
        annotations=annotations,
        annotation_count=annotation_count,
        properties=properties,
        application=application,
        application_count=application_count,
        body=payload[body_at:],
        size=len(payload),
    )


def _a_list(payload: bytes, start: int) -> list[Any]:
    value, _ = codec.decode(payload, start)
    if not isinstance(value, list):
        raise DecodeError("a section that is no list")
    return value


_MAP_HEAD = {0xC1: (2, 3), 0xD1: (5, 9)}
"""Constructor of a map → where its count is, and where its first key is, counted from the constructor."""


def _pairs(payload: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Give the encoded keys and values of a map, and how many pairs they are."""
    code = payload[start]
    if code not in _MAP_HEAD:
        raise DecodeError("a section that is no map")
    count_at, first = _MAP_HEAD[code]
    count = int.from_bytes(payload[start + count_at : start + first], "big")
    at = start + first
    for _ in range(count):
        at = codec.skip(payload, at)
    if at != end or count % 2:
        raise DecodeError("a map of another size than it says")
    return payload[start + first : end], count // 2


def _annotations(payload: bytes, start: int) -> tuple[bytes, int, float | None]:
    """Give what is kept of the annotations, how many pairs, and the scheduled time (epoch seconds)."""
    raw, count = _pairs(payload, start, codec.skip(payload, start))
    kept, scheduled_at, at = [], None, 0
    for _ in range(count):
        key, middle = codec.decode(raw, at)
        end = codec.skip(raw, middle)
        if key == _SCHEDULED:
            value, _ = codec.decode(raw, middle)
            scheduled_at = None if value is None else value / 1000
        if key not in _OURS:
            kept.append(raw[at:end])
        at = end
    return b"".join(kept), len(kept), scheduled_at


# --- putting together -------------------------------------------------------------------------------------------------

_LONG = Struct(">Bq")
_KEYS = {name: codec.symbol(name) for name in (*_OURS, _SCHEDULED)}


def _stamp(name: str, seconds: float) -> bytes:
    return _KEYS[name] + _LONG.pack(0x83, round(seconds * 1000))


def _number(name: str, value: int) -> bytes:
    return _KEYS[name] + _LONG.pack(0x81, value)


def assemble(message: Message, locked_until: float | None) -> bytes:
    """Build the message as a receiver gets it, with the broker's annotations."""
    ttl = None if message.ttl is None else codec.uint(round(message.ttl * 1000))
    header = (
        codec.boolean(message.durable),
        codec.ubyte(message.priority),
        ttl or codec.NULL,
        codec.NULL,
        codec.uint(message.delivery_count),
    )
    count, annotations = _stamped(message, locked_until)
    parts: list[bytes] = [
        codec.described(_HEADER, codec.sequence(header)),
        codec.described(_ANNOTATIONS, codec.mapping(count, annotations)),
    ]
    if message.properties:
        parts.append(codec.described(_PROPERTIES, message.properties))
    if message.application_count:
        parts.append(codec.described(_APPLICATION, codec.mapping(message.application_count, message.application)))
    parts.append(message.body)
    return b"".join(parts)


def _stamped(message: Message, locked_until: float | None) -> tuple[int, bytes]:
    """Give the annotations: what was sent, then the broker's."""
    pairs = [
        _stamp("x-opt-enqueued-time", message.enqueued_at),
        _number("x-opt-sequence-number", message.sequence),
        _number("x-opt-enqueue-sequence-number", message.enqueued_sequence),
        _KEYS["x-opt-message-state"] + codec.integer(_STATES[message.state]),
    ]
    if locked_until is not None:
        pairs.append(_stamp("x-opt-locked-until", locked_until))
    if message.source:
        pairs.append(_KEYS["x-opt-deadletter-source"] + codec.string(message.source))
    return message.annotation_count + len(pairs), message.annotations + b"".join(pairs)


_ahead = 0.0


def now() -> float:
    """Give the wall clock: locks, schedules and expiry are in wall time on both sides."""
    return time.time() + _ahead


def set_clock(ahead: float) -> None:
    """Let the peer's clock differ from the machine's by so many seconds; for a process that does nothing else."""
    global _ahead
    _ahead = ahead
