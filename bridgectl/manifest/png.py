"""Reads the pixels of a PNG file, as far as icons need it: eight bits per channel, not interlaced."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Bytes per pixel of each colour type: grey, RGB, palette, grey with alpha, RGB with alpha."""

Pixel = tuple[int, int, int, int]
"""Red, green, blue, alpha: 0 to 255."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG file whose pixels are not unpacked yet, so that its size can be looked at first."""

    width: int
    height: int
    kind: int
    plain: bool
    """Eight bits per channel and not interlaced."""
    palette: bytes
    clear: bytes
    """The chunk `tRNS`."""
    packed: bytes

    def pixels(self) -> list[Pixel]:
        """Unpack, row by row; raise ValueError with words."""
        if not self.plain:
            raise ValueError("has 16 bits or fewer than 8 per channel, or is interlaced")
        return [self._pixel(raw) for line in self._lines() for raw in _cut(line, CHANNELS[self.kind])]

    def _lines(self) -> Iterator[bytes]:
        step = CHANNELS[self.kind]
        wide = self.width * step
        size = self.height * (wide + 1)
        try:
            data = zlib.decompressobj().decompress(self.packed, size + 1)
        except zlib.error:
            raise ValueError("is damaged") from None
        if len(data) != size:
            raise ValueError("is damaged")
        above = bytes(wide)
        for start in range(0, size, wide + 1):
            above = _restored(data[start], data[start + 1 : start + 1 + wide], above, step)
            yield above

    def _pixel(self, raw: bytes) -> Pixel:
        if self.kind == 3:
            red, green, blue = _color(self.palette, raw[0])
            return red, green, blue, self.clear[raw[0]] if raw[0] < len(self.clear) else 255
        grey = self.kind in (0, 4)
        red, green, blue = (raw[0], raw[0], raw[0]) if grey else (raw[0], raw[1], raw[2])
        if self.kind in (4, 6):
            return red, green, blue, raw[-1]
        return red, green, blue, 0 if self.clear and self.clear[1::2] == raw else 255


def read(data: bytes) -> Picture:
    """Read the chunks of a PNG file; raise ValueError with words if it is none."""
    if not data.startswith(SIGNATURE):
        raise ValueError("is no PNG")
    chunks: dict[bytes, bytes] = {}
    try:
        for name, content in _chunks(data):
            chunks[name] = chunks.get(name, b"") + content if name == b"IDAT" else content
        width, height, depth, kind, _, _, interlace = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    except (struct.error, KeyError):
        raise ValueError("is damaged") from None
    if kind not in CHANNELS or b"IDAT" not in chunks or b"IEND" not in chunks:
        raise ValueError("is damaged")
    return Picture(
        width,
        height,
        kind,
        depth == 8 and not interlace,
        chunks.get(b"PLTE", b""),
        chunks.get(b"tRNS", b""),
        chunks[b"IDAT"],
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        content, (check,) = (
            data[at + 8 : at + 8 + length],
            struct.unpack(">I", data[at + 8 + length : at + 12 + length]),
        )
        if zlib.crc32(name + content) != check:
            raise ValueError("is damaged")
        yield name, content
        at += 12 + length


def _cut(line: bytes, step: int) -> Iterator[bytes]:
    return (line[start : start + step] for start in range(0, len(line), step))


def _color(palette: bytes, index: int) -> tuple[int, int, int]:
    found = palette[3 * index : 3 * index + 3]
    if len(found) < 3:
        raise ValueError("is damaged")
    return found[0], found[1], found[2]


def _restored(method: int, line: bytes, above: bytes, step: int) -> bytes:
    """Undo a line's filter (PNG specification, section 9)."""
    if method > 4:
        raise ValueError("is damaged")
    found = bytearray(line)
    for at, value in enumerate(line if method else b""):
        left = found[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        found[at] = (value + _guess(method, left, above[at], corner)) & 0xFF
    return bytes(found)


def _guess(method: int, left: int, above: int, corner: int) -> int:
    if method == 4:
        guess = left + above - corner
        return min((left, above, corner), key=lambda value: abs(guess - value))
    return (0, left, above, (left + above) // 2)[method]
