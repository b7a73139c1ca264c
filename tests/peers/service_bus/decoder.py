"""AMQP 1.0 values from bytes: a table of decoders by constructor byte.

A decoder gets the buffer, the position after the constructor, and the depth; it gives the value and its end.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct, error
from typing import Any, NamedTuple
from uuid import UUID

MAX_DEPTH = 32
MAX_ARRAY = 65_536
"""Elements of an array of constants: they take no bytes, so the frame's size does not bound them."""


class DecodeError(Exception):
    """The bytes are not AMQP 1.0, or nested deeper than anybody means."""


class Symbol(str):
    """An AMQP symbol: ASCII, distinct from a string on the wire."""

    __slots__ = ()


class Described(NamedTuple):
    """A described value; `descriptor` is the number or symbol that names its type."""

    descriptor: Any
    value: Any


_U16, _U32, _U64 = Struct(">H"), Struct(">I"), Struct(">Q")
_I8, _I16, _I32, _I64 = Struct(">b"), Struct(">h"), Struct(">i"), Struct(">q")
_F32, _F64 = Struct(">f"), Struct(">d")

Decoder = Callable[[bytes, int, int], tuple[Any, int]]


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """Decode the value at `at`; give it and the position behind it. Raises DecodeError."""
    try:
        return _DECODERS[data[at]](data, at + 1, 0)
    except (error, IndexError, ValueError, TypeError, OverflowError) as cause:
        raise DecodeError(f"no AMQP value at byte {at}: {cause}") from cause


def skip(data: bytes, at: int) -> int:
    """Give the position behind the value at `at`. Raises DecodeError."""
    try:
        end = _skip(data, at)
    except (error, IndexError) as cause:
        raise DecodeError(f"no AMQP value at byte {at}: {cause}") from cause
    if end > len(data):
        raise DecodeError(f"the value at byte {at} is cut short")
    return end


_FIXED = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}


def _skip(data: bytes, at: int, depth: int = 0) -> int:
    code = data[at]
    if code == 0:
        if depth > MAX_DEPTH:
            raise DecodeError("nested too deeply")
        return _skip(data, _skip(data, at + 1, depth + 1), depth + 1)
    kind = code >> 4
    if kind in _FIXED:
        return at + 1 + _FIXED[kind]
    if kind in (0xA, 0xC, 0xE):
        return at + 2 + data[at + 1]
    if kind in (0xB, 0xD, 0xF):
        return at + 5 + int(_U32.unpack_from(data, at + 1)[0])
    raise DecodeError(f"unknown constructor 0x{code:02x}")


def _fixed(layout: Struct) -> Decoder:
    size, unpack = layout.size, layout.unpack_from
    return lambda data, at, depth: (unpack(data, at)[0], at + size)


def _constant(value: Any) -> Decoder:
    return lambda data, at, depth: (value, at)


def _byte(data: bytes, at: int, depth: int) -> tuple[int, int]:
    return data[at], at + 1


def _boolean(data: bytes, at: int, depth: int) -> tuple[bool, int]:
    return data[at] != 0, at + 1


def _take(data: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(data):
        raise DecodeError("a value is cut short")
    return data[at:end], end


def _uuid(data: bytes, at: int, depth: int) -> tuple[UUID, int]:
    raw, end = _take(data, at, 16)
    return UUID(bytes=raw), end


def _opaque(size: int) -> Decoder:
    """Decimals: kept as bytes; nobody here computes with them."""
    return lambda data, at, depth: _take(data, at, size)


def _char(data: bytes, at: int, depth: int) -> tuple[str, int]:
    return chr(_U32.unpack_from(data, at)[0]), at + 4


def _variable(make: Callable[[bytes], Any], wide: bool) -> Decoder:
    def narrow_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        raw, end = _take(data, at + 1, data[at])
        return make(raw), end

    def wide_value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        raw, end = _take(data, at + 4, _U32.unpack_from(data, at)[0])
        return make(raw), end

    return wide_value if wide else narrow_value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8")


_symbols: dict[bytes, Symbol] = {}


def _symbol(raw: bytes) -> Symbol:
    known = _symbols.get(raw)
    if known is None:
        known = Symbol(raw.decode("ascii"))
        if len(_symbols) < 1_000:
            _symbols[raw] = known
    return known


def _sizes(data: bytes, at: int, wide: bool) -> tuple[int, int, int]:
    """Read size and count of a compound; give the first element's position, the end, and the count."""
    if wide:
        size, count = _U32.unpack_from(data, at)[0], _U32.unpack_from(data, at + 4)[0]
        start, end = at + 8, at + 4 + size
    else:
        size, count = data[at], data[at + 1]
        start, end = at + 2, at + 1 + size
    if end > len(data) or count > max(size, MAX_ARRAY):
        raise DecodeError("a compound value is cut short")
    return start, end, count


def _elements(data: bytes, at: int, wide: bool, depth: int) -> tuple[list[Any], int]:
    if depth > MAX_DEPTH:
        raise DecodeError("nested too deeply")
    position, end, count = _sizes(data, at, wide)
    values = []
    for _ in range(count):
        value, position = _DECODERS[data[position]](data, position + 1, depth + 1)
        values.append(value)
    if position != end:
        raise DecodeError("a compound value has another size than it says")
    return values, end


def _list(wide: bool) -> Decoder:
    return lambda data, at, depth: _elements(data, at, wide, depth)


def _map(wide: bool) -> Decoder:
    def value(data: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
        flat, end = _elements(data, at, wide, depth)
        if len(flat) % 2:
            raise DecodeError("a map with a key and no value")
        return dict(zip(flat[::2], flat[1::2], strict=True)), end

    return value


def _array(wide: bool) -> Decoder:
    def value(data: bytes, at: int, depth: int) -> tuple[list[Any], int]:
        if depth > MAX_DEPTH:
            raise DecodeError("nested too deeply")
        position, end, count = _sizes(data, at, wide)
        if count > MAX_ARRAY:
            raise DecodeError("an array with too many elements")
        descriptor = None
        described = data[position] == 0
        if described:
            descriptor, position = _DECODERS[data[position + 1]](data, position + 2, depth + 1)
        element = _DECODERS[data[position]]
        position += 1
        values = []
        for _ in range(count):
            one, position = element(data, position, depth + 1)
            values.append(Described(descriptor, one) if described else one)
        if position != end:
            raise DecodeError("an array has another size than it says")
        return values, end

    return value


def _described(data: bytes, at: int, depth: int) -> tuple[Described, int]:
    if depth > MAX_DEPTH:
        raise DecodeError("nested too deeply")
    descriptor, at = _DECODERS[data[at]](data, at + 1, depth + 1)
    value, at = _DECODERS[data[at]](data, at + 1, depth + 1)
    return Described(descriptor, value), at


def _unknown(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    raise DecodeError(f"unknown constructor 0x{data[at - 1]:02x}")


_DECODERS: list[Decoder] = [_unknown] * 256
_DECODERS[0x00] = _described
for _code, _decoder in {
    0x40: _constant(None), 0x41: _constant(True), 0x42: _constant(False), 0x56: _boolean,
    0x43: _constant(0), 0x52: _byte, 0x70: _fixed(_U32),
    0x44: _constant(0), 0x53: _byte, 0x80: _fixed(_U64),
    0x50: _byte, 0x60: _fixed(_U16),
    0x51: _fixed(_I8), 0x61: _fixed(_I16), 0x54: _fixed(_I8), 0x71: _fixed(_I32), 0x55: _fixed(_I8), 0x81: _fixed(_I64),
    0x72: _fixed(_F32), 0x82: _fixed(_F64), 0x74: _opaque(4), 0x84: _opaque(8), 0x94: _opaque(16),
    0x73: _char, 0x83: _fixed(_I64), 0x98: _uuid,
    0xA0: _variable(bytes, False), 0xB0: _variable(bytes, True),
    0xA1: _variable(_text, False), 0xB1: _variable(_text, True),
    0xA3: _variable(_symbol, False), 0xB3: _variable(_symbol, True),
    0x45: lambda data, at, depth: ([], at), 0xC0: _list(False), 0xD0: _list(True),
    0xC1: _map(False), 0xD1: _map(True), 0xE0: _array(False), 0xF0: _array(True),
}.items():  # fmt: skip
    _DECODERS[_code] = _decoder
