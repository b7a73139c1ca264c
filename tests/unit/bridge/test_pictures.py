"""How large a picture is: read from its bytes, or not known."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.pictures import dimensions

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480)
GIF = b"GIF89a" + struct.pack("<HH", 640, 480)
FRAME = b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 480, 640) + b"\x03" + bytes(9)
EXIF = b"\xff\xe1" + struct.pack(">H", 2 + 60_000) + b"\xff\xc0" * 30_000
TABLE = b"\xff\xc4\x00\x04ab"
JPEG = b"\xff\xd8" + EXIF + b"\xff" + TABLE + b"\xff\x01" + FRAME


@pytest.mark.parametrize("content", [PNG, GIF, JPEG], ids=["png", "gif", "jpeg"])
def test_it_is_read(content):
    """Of a JPEG from its first frame, behind segments that may hold a picture of their own."""
    assert dimensions(content) == (640, 480)
    assert dimensions(content + bytes(1000)) == (640, 480)


ODD = [
    b"",
    b"text",
    PNG[:20],
    GIF[:9],
    JPEG[:-12],
    b"\xff\xd8no marker here",
    PNG[:16] + bytes(8),
    b"\xff\xd8" + b"\xff" * 50,
]


@pytest.mark.parametrize("content", ODD)
def test_what_does_not_tell_is_not_known(content):
    assert dimensions(content) is None


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8", b"\xff\xd8\xff", PNG[:12], b"GIF89a"]))
def test_any_bytes_are_an_answer(content, start):
    """Never an error, and never without end: a JPEG's segment may say that it is empty."""
    found = dimensions(start + content)
    assert found is None or min(found) > 0
