"""Icons are read to their last pixel, and each rule of Microsoft's page is looked at."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import pytest

from bridgectl.doctor.report import Report
from bridgectl.manifest import png, template
from bridgectl.manifest.icons import look_at_color, look_at_outline

Pixel = tuple[int, int, int, int]
BLUE, WHITE, NOTHING = (34, 85, 136, 255), (255, 255, 255, 255), (0, 0, 0, 0)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def file(
    width: int, height: int, rows: bytes, kind: int = 6, *, depth: int = 8, interlace: int = 0, more: bytes = b""
) -> bytes:
    """Write a PNG file of filtered rows."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlace)
    data = chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return png.SIGNATURE + data


def drawn(size: int, pixel: Callable[[int, int], Pixel]) -> bytes:
    """Draw a square picture, as RGB with alpha."""
    rows = [b"\0" + b"".join(bytes(pixel(x, y)) for x in range(size)) for y in range(size)]
    return file(size, size, b"".join(rows))


def filtered(method: int, line: bytes, above: bytes, step: int) -> bytes:
    """Filter a line as the specification says (section 9.2)."""
    found = bytearray([method])
    for at, value in enumerate(line):
        a, b, c = (line[at - step] if at >= step else 0), above[at], (above[at - step] if at >= step else 0)
        p = a + b - c
        pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
        paeth = a if pa <= pb and pa <= pc else b if pb <= pc else c
        found.append((value - (0, a, b, (a + b) // 2, paeth)[method]) % 256)
    return bytes(found)


@pytest.mark.parametrize("kind", sorted(png.CHANNELS))
def test_every_filter_and_type_of_colour_is_read(kind: int) -> None:
    """The pixels that come out are those that went in."""
    dice, width, height, step = random.Random(kind), 13, 10, png.CHANNELS[kind]
    lines = [dice.randbytes(width * step) for _ in range(height)]
    palette = dice.randbytes(256 * 3)
    above, rows = bytes(width * step), b""
    for number, line in enumerate(lines):
        rows += filtered(number % 5, line, above, step)
        above = line
    clear = bytes([7, 99])
    more = chunk(b"PLTE", palette) + chunk(b"tRNS", clear) if kind == 3 else b""
    wanted: list[Pixel] = []
    for raw in (line[x * step : (x + 1) * step] for line in lines for x in range(width)):
        if kind == 3:
            at = raw[0]
            wanted.append((*palette[3 * at : 3 * at + 3], clear[at] if at < 2 else 255))  # type: ignore[arg-type]
        else:
            colors = tuple(raw[:3]) if kind in (2, 6) else (raw[0],) * 3
            wanted.append((*colors, raw[-1] if kind in (4, 6) else 255))  # type: ignore[arg-type]
    assert png.read(file(width, height, rows, kind, more=more)).pixels() == wanted


def test_one_colour_can_be_declared_clear() -> None:
    """In a file without an alpha channel (`tRNS`, two bytes per channel)."""
    rows = b"\0" + bytes([1, 2, 3, 4, 5, 6])
    clear = chunk(b"tRNS", bytes([0, 1, 0, 2, 0, 3]))
    assert png.read(file(2, 1, rows, 2, more=clear)).pixels() == [(1, 2, 3, 0), (4, 5, 6, 255)]


def symbol(x: int, y: int) -> Pixel:
    return WHITE if 48 <= x < 144 and 48 <= y < 144 else BLUE


def frame(x: int, y: int) -> Pixel:
    return WHITE if {x, y} & {0, 31} else NOTHING


def told(look: Callable[[Report, str, bytes], None], data: bytes) -> tuple[str, str]:
    """Look at one icon; give the only finding's status and words."""
    report = Report("app")
    look(report, "icon.png", data)
    (finding,) = report.findings
    assert (finding.status == "ok") == (not finding.todo)
    return finding.status, f"{finding.seen} {finding.todo}"


GOOD_COLOR, GOOD_OUTLINE = drawn(192, symbol), drawn(32, frame)


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (GOOD_COLOR, "ok", "192×192"),
        (drawn(180, symbol), "problem", "180×180 pixels Draw it with 192×192"),
        (drawn(192, lambda x, y: NOTHING if x + y < 9 else symbol(x, y)), "problem", "do not round its corners"),
        (drawn(192, lambda x, y: (*symbol(x, y)[:3], 254) if (x, y) == (96, 96) else symbol(x, y)), "problem", "Fill"),
        (drawn(192, lambda x, y: WHITE if (x, y) == (47, 96) else symbol(x, y)), "warning", "48 pixels"),
        (b"GIF89a", "problem", "is no PNG"),
        (b"", "problem", "is no PNG"),
    ],
)
def test_colour_icon(data: bytes, status: str, words: str) -> None:
    found, said = told(look_at_color, data)
    assert found == status
    assert words in said


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (GOOD_OUTLINE, "ok", "32×32"),
        (drawn(33, frame), "problem", "33×33"),
        (drawn(32, lambda x, y: BLUE if (x, y) == (31, 31) else frame(x, y)), "problem", "#FFFFFF"),
        (drawn(32, lambda x, y: WHITE), "problem", "shows nothing"),
        (drawn(32, lambda x, y: NOTHING), "problem", "shows nothing"),
        (drawn(32, lambda x, y: (255, 255, 255, 128) if (x, y) == (5, 0) else frame(x, y)), "warning", "anti-aliasing"),
        (drawn(32, lambda x, y: WHITE if 4 < x < 20 and 4 < y < 20 else NOTHING), "warning", "fill the square"),
    ],
)
def test_outline_icon(data: bytes, status: str, words: str) -> None:
    found, said = told(look_at_outline, data)
    assert found == status
    assert words in said


ROWS = bytes(32 * (1 + 32 * 4))


@pytest.mark.parametrize(
    "data",
    [
        GOOD_OUTLINE[:-20],
        GOOD_OUTLINE[:20],
        GOOD_OUTLINE.replace(b"IDAT", b"IDAX"),
        GOOD_OUTLINE[:-1] + b"x",
        bytes([*GOOD_OUTLINE[:60], GOOD_OUTLINE[60] ^ 1, *GOOD_OUTLINE[61:]]),
        file(32, 32, ROWS[:-1]),
        file(32, 32, ROWS + b"\0"),
        file(32, 32, b"\x05" + ROWS[1:]),
        file(32, 32, ROWS, 5),
        file(32, 32, ROWS, depth=16),
        file(32, 32, ROWS, interlace=1),
        file(32, 32, bytes(32 * 33), 3),
        png.SIGNATURE + chunk(b"IHDR", bytes(13)),
        png.SIGNATURE + chunk(b"IDAT", b"x") + chunk(b"IEND", b""),
    ],
)
def test_a_damaged_icon_is_named(data: bytes) -> None:
    """Whatever is in it, it ends in words."""
    status, said = told(look_at_outline, data)
    assert status == "problem"
    assert "plain PNG of 32×32" in said or "Draw it with" in said


def test_a_bomb_is_not_unpacked() -> None:
    """No more than the pixels of an icon, however much is packed into the file."""
    bomb = file(32, 32, bytes(50_000_000))
    tracemalloc.start()
    try:
        told(look_at_outline, bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_our_icons_keep_the_rules() -> None:
    assert told(look_at_color, (template.FOLDER / "color.png").read_bytes())[0] == "ok"
    assert told(look_at_outline, (template.FOLDER / "outline.png").read_bytes())[0] == "ok"
