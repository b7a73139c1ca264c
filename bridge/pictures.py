"""How large a picture is, by its bytes: only what is known to fit is shown in a message, anything else is a link."""

from __future__ import annotations

import struct

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that begin a frame, which tells its size; the three left out are tables."""
_LONE = frozenset((0x01, *range(0xD0, 0xD8)))
"""JPEG markers without a length."""


def dimensions(content: bytes) -> tuple[int, int] | None:
    """Give width and height in pixels of a whole PNG, JPEG or GIF; None of anything else, or if it does not tell."""
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR" and len(content) >= 24:
        return _known(*struct.unpack_from(">II", content, 16))
    if content.startswith((b"GIF87a", b"GIF89a")) and len(content) >= 10:
        return _known(*struct.unpack_from("<HH", content, 6))
    return _of_jpeg(content) if content.startswith(b"\xff\xd8") else None


def _of_jpeg(content: bytes) -> tuple[int, int] | None:
    """Go from segment to segment to the first frame."""
    at = 2
    while at + 9 <= len(content):
        if content[at] != 0xFF:
            return None
        marker = content[at + 1]
        if marker == 0xFF or marker in _LONE:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return _known(width, height)
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _known(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width and height else None
