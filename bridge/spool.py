"""A file on this machine's disk while it is looked at: bounded memory, and nothing is left, even after a crash."""

from __future__ import annotations

import asyncio
import errno
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bridge.errors import Unavailable

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file that is wholly here; `head` is its beginning. `file` is for one reader at a time."""

    file: BinaryIO
    size: int
    head: bytes

    async def pieces(self) -> AsyncIterator[bytes]:
        """Read it from the start."""
        await asyncio.to_thread(self.file.seek, 0)
        while piece := await asyncio.to_thread(self.file.read, PIECE):
            yield piece


@asynccontextmanager
async def spooled(folder: Path, stream: AsyncIterator[bytes], head: int) -> AsyncIterator[Spooled]:
    """Write a stream into a file without a name in `folder`; `head` is how many bytes of it are kept at hand.

    Raises Unavailable while the disk cannot take it; what the stream raises passes on.
    """
    with await asyncio.to_thread(_open, folder) as file:
        size, start, waiting = 0, b"", bytearray()
        async for piece in stream:
            size += len(piece)
            start = (start + piece)[:head] if len(start) < head else start
            waiting += piece
            if len(waiting) >= PIECE:
                await asyncio.to_thread(_write, file, waiting)
                waiting = bytearray()
        await asyncio.to_thread(_write, file, waiting)
        yield Spooled(file, size, start)


def _open(folder: Path) -> BinaryIO:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise _unusable(error) from None


def _write(file: BinaryIO, content: bytes | bytearray) -> None:
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise _unusable(error) from None


def _unusable(error: OSError) -> Unavailable:
    word = errno.errorcode.get(error.errno or 0, "OSError")
    return Unavailable(f"the disk cannot take a file ({word})", code="spool_full", component="spool")
