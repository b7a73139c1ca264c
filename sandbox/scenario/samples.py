"""Files to send."""

import base64
import struct
import zlib
from typing import Any

WIDTH, HEIGHT = 420, 236
_CASE, _GLASS, _LIGHT = (58, 64, 78), (24, 60, 52), (98, 205, 140)
_GREY, _RED = (198, 203, 214), (190, 38, 30)
#: Left, top, right, bottom, colour; later ones lie on top.
_Shape = tuple[int, int, int, int, tuple[int, int, int]]
_PANEL: tuple[_Shape, ...] = (
    (0, 0, WIDTH, HEIGHT, _CASE),
    (32, 32, 292, 152, _GLASS),
    (52, 56, 212, 66, _LIGHT),
    (52, 80, 252, 90, _LIGHT),
    (52, 104, 172, 114, _LIGHT),
    (324, 32, 388, 64, _LIGHT),
    (324, 76, 388, 108, _GREY),
    (324, 120, 388, 152, _GREY),
    *((32 + 52 * n, 176, 72 + 52 * n, 206, _GREY) for n in range(5)),
    (324, 176, 388, 206, _RED),
)


def panel() -> bytes:
    """A PNG of a device's panel with all in order."""
    return _png(_PANEL)


def _png(shapes: tuple[_Shape, ...]) -> bytes:
    rows = [bytearray(bytes(_CASE) * WIDTH) for _ in range(HEIGHT)]
    for left, top, right, bottom, colour in shapes:
        for row in rows[top:bottom]:
            row[3 * left : 3 * right] = bytes(colour) * (right - left)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\x00" + bytes(row) for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def as_file(name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """A file as calls of the control interface take it."""
    return {"name": name, "content_type": content_type, "base64": base64.b64encode(data).decode()}
