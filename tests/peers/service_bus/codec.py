"""AMQP 1.0 types on the wire (OASIS AMQP 1.0, part 1): one small encoder per type; decoding is in `decoder.py`.

Numbers are plain `int` once decoded. An encoder for a number must be named (`uint(5)`): the width is part of the
value on the wire; such encoders give `Encoded` bytes, which `encode` passes through. `skip` finds the end of a value
without building it, so that what the broker only keeps is kept byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Any
from uuid import UUID

from .decoder import DecodeError, Described, Symbol, decode, skip

__all__ = ["DecodeError", "Described", "Encoded", "Symbol", "decode", "encode", "skip"]


class Encoded(bytes):
    """A value that is encoded already, constructor included."""

    __slots__ = ()


NULL = Encoded(b"\x40")
_U16, _U32, _U64 = Struct(">H"), Struct(">I"), Struct(">Q")
_I8, _I32, _I64 = Struct(">b"), Struct(">i"), Struct(">q")
_F64 = Struct(">d")
_COMPOUND = Struct(">BII")


def uint(value: int) -> Encoded:
    """Encode an unsigned 32-bit number."""
    if value == 0:
        return Encoded(b"\x43")
    return Encoded(bytes((0x52, value)) if value < 256 else b"\x70" + _U32.pack(value))


def ulong(value: int) -> Encoded:
    """Encode an unsigned 64-bit number."""
    if value == 0:
        return Encoded(b"\x44")
    return Encoded(bytes((0x53, value)) if value < 256 else b"\x80" + _U64.pack(value))


def ubyte(value: int) -> Encoded:
    """Encode an unsigned 8-bit number."""
    return Encoded(bytes((0x50, value)))


def ushort(value: int) -> Encoded:
    """Encode an unsigned 16-bit number."""
    return Encoded(b"\x60" + _U16.pack(value))


def integer(value: int) -> Encoded:
    """Encode a signed 32-bit number (`int`)."""
    return Encoded(b"\x54" + _I8.pack(value) if -128 <= value < 128 else b"\x71" + _I32.pack(value))


def long(value: int) -> Encoded:
    """Encode a signed 64-bit number."""
    return Encoded(b"\x55" + _I8.pack(value) if -128 <= value < 128 else b"\x81" + _I64.pack(value))


def timestamp(seconds: float) -> Encoded:
    """Encode epoch seconds as milliseconds."""
    return Encoded(b"\x83" + _I64.pack(round(seconds * 1000)))


def boolean(value: bool) -> Encoded:
    """Encode a truth value."""
    return Encoded(b"\x41" if value else b"\x42")


def _sized(narrow: int, raw: bytes) -> bytes:
    """Encode variable bytes: the wide constructor is the narrow one plus 0x10."""
    size = len(raw)
    return bytes((narrow, size)) + raw if size < 256 else bytes((narrow + 0x10,)) + _U32.pack(size) + raw


def string(value: str) -> Encoded:
    """Encode text."""
    return Encoded(_sized(0xA1, value.encode()))


def symbol(value: str) -> Encoded:
    """Encode a symbol."""
    return Encoded(_sized(0xA3, value.encode("ascii")))


def binary(value: bytes) -> Encoded:
    """Encode bytes."""
    return Encoded(_sized(0xA0, value))


def _compound(narrow: int, count: int, body: bytes) -> Encoded:
    if count < 256 and len(body) < 255:
        return Encoded(bytes((narrow, len(body) + 1, count)) + body)
    return Encoded(_COMPOUND.pack(narrow + 0x10, len(body) + 4, count) + body)


def sequence(values: Iterable[bytes]) -> Encoded:
    """Encode a list of encoded values."""
    parts = list(values)
    return _compound(0xC0, len(parts), b"".join(parts)) if parts else Encoded(b"\x45")


def mapping(pairs: int, body: bytes) -> Encoded:
    """Encode a map of `pairs` keys whose keys and values lie encoded in `body`."""
    return _compound(0xC1, 2 * pairs, body)


def array(constructor: int, elements: Iterable[bytes]) -> Encoded:
    """Encode a true AMQP array: one constructor, then the elements without theirs (in the wide form)."""
    parts = list(elements)
    body = bytes((constructor,)) + b"".join(parts)
    return Encoded(_COMPOUND.pack(0xF0, len(body) + 4, len(parts)) + body)


def longs(values: Iterable[int]) -> Encoded:
    """Encode an array of signed 64-bit numbers."""
    return array(0x81, map(_I64.pack, values))


def timestamps(values: Iterable[float]) -> Encoded:
    """Encode an array of epoch seconds."""
    return array(0x83, (_I64.pack(round(value * 1000)) for value in values))


def described(code: int, value: bytes) -> Encoded:
    """Encode a value described by a small number."""
    return Encoded(b"\x00\x53" + bytes((code,)) + value)


def _encode_map(value: dict[Any, Any]) -> Encoded:
    return mapping(len(value), b"".join(encode(part) for pair in value.items() for part in pair))


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: NULL,
    bool: boolean,
    str: string,
    Symbol: symbol,
    bytes: binary,
    Encoded: lambda value: value,
    UUID: lambda value: b"\x98" + value.bytes,
    float: lambda value: b"\x82" + _F64.pack(value),
    list: lambda value: sequence(map(encode, value)),
    dict: _encode_map,
}


def encode(value: Any) -> Encoded:
    """Encode a value of an unambiguous Python type; a bare number is refused (TypeError): name its width."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"{type(value).__name__} has no AMQP encoding of its own")
    raw = encoder(value)
    return raw if type(raw) is Encoded else Encoded(raw)
