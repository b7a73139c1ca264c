"""Files to send: a picture of an error, a program, and the test file that every virus scanner knows."""

import base64
import struct
import zlib
from typing import Any

WIDTH, HEIGHT = 420, 236
_PAPER, _BAR, _GREY, _RED, _WHITE = (245, 246, 250), (77, 80, 181), (198, 203, 214), (190, 38, 30), (255, 255, 255)
_CASE, _GLASS, _LIGHT = (58, 64, 78), (24, 60, 52), (98, 205, 140)
#: Left, top, right, bottom, colour; later ones lie on top.
_Shape = tuple[int, int, int, int, tuple[int, int, int]]
_ERROR: tuple[_Shape, ...] = (
    (0, 0, WIDTH, 30, _BAR),
    (12, 11, 92, 19, _WHITE),
    (396, 9, 408, 21, _RED),
    (28, 62, 92, 126, _RED),
    (56, 74, 64, 102, _WHITE),
    (56, 108, 64, 116, _WHITE),
    (116, 64, 376, 74, _GREY),
    (116, 86, 340, 96, _GREY),
    (116, 108, 290, 118, _GREY),
    (236, 180, 312, 208, _GREY),
    (324, 180, 400, 208, _BAR),
)
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


def screenshot() -> bytes:
    """A PNG of a window that reports an error."""
    return _png(_ERROR)


def panel() -> bytes:
    """A PNG of a device's panel with all in order."""
    return _png(_PANEL)


def _png(shapes: tuple[_Shape, ...]) -> bytes:
    rows = [bytearray(bytes(_PAPER) * WIDTH) for _ in range(HEIGHT)]
    for left, top, right, bottom, colour in shapes:
        for row in rows[top:bottom]:
            row[3 * left : 3 * right] = bytes(colour) * (right - left)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\x00" + bytes(row) for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def a_program() -> bytes:
    """What a computer would start: the beginning of a Windows program, and nothing behind it."""
    return b"MZ" + bytes(1022)


def eicar() -> bytes:
    """EICAR's test file: harmless, and found by every scanner; made here, so that none finds this source."""
    pieces = ("X5O!P%@AP[4", "PZX54(P^)7CC)7}$", "EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!", "$H+H*")
    return "".join((pieces[0], "\\", *pieces[1:])).encode()


def as_file(name: str, content_type: str, data: bytes) -> dict[str, Any]:
    """A file as calls of the control interface take it."""
    return {"name": name, "content_type": content_type, "base64": base64.b64encode(data).decode()}
