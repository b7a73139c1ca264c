"""A file on the disk while it is looked at: whole, with its beginning at hand, and gone afterwards."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import Unavailable
from bridge.spool import PIECE, _write, spooled

MB = 1024 * 1024


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize(
    "parts", [(), (b"",), (b"short",), (b"a" * 7, b"b" * PIECE, b"", b"c"), (b"x" * (3 * PIECE + 1),)]
)
async def test_what_is_put_in_is_read_as_often_as_one_likes(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    """From the start each time, wherever somebody else has read meanwhile."""
    whole = b"".join(parts)
    async with spooled(tmp_path, pieces(*parts), head=10) as file:
        assert (file.size, file.head) == (len(whole), whole[:10])
        for _ in range(2):
            assert b"".join([piece async for piece in file.pieces()]) == whole
            file.file.seek(3)


async def test_nothing_is_left(tmp_path: Path) -> None:
    """Not even a name while it is there, so that a crash leaves nothing either."""
    folder = tmp_path / "made" / "here"
    async with spooled(folder, pieces(b"private"), head=4) as file:
        assert list(folder.iterdir()) == []
    assert file.file.closed


async def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """And its error passes on."""

    class Broken(Exception): ...

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise Broken

    with pytest.raises(Broken):
        async with spooled(tmp_path, broken(), head=4):
            pytest.fail("it was taken for whole")
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_does_not_take_it(tmp_path: Path) -> None:
    """It is to be tried again, and no path is told."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable) as error:
        async with spooled(tmp_path / "file", pieces(b"x"), head=4):
            pytest.fail("there is no folder")
    assert str(tmp_path) not in str(error.value)


async def test_a_disk_that_is_full() -> None:
    """The device that is always full stands for it."""
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(Unavailable, match="ENOSPC"):
        _write(full, b"x")


async def test_memory_is_bounded(tmp_path: Path) -> None:
    """However long the file is, in and out."""

    async def long() -> AsyncIterator[bytes]:
        for _ in range(50 * 16):
            yield bytes(64 * 1024)

    tracemalloc.start()
    try:
        async with spooled(tmp_path, long(), head=4096) as file:
            assert sum([len(piece) async for piece in file.pieces()]) == 50 * MB
        assert tracemalloc.get_traced_memory()[1] < 3 * MB
    finally:
        tracemalloc.stop()
