"""Streams on their way into a store."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from io import BytesIO

from bridge.ports.archives import KeptArchive, Label


class Hashed:
    """A stream that counts and hashes what passes."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream, self._digest, self.size = stream, hashlib.sha256(), 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self.size += len(chunk)
            self._digest.update(chunk)
            yield chunk

    def kept(self, name: str, label: Label) -> KeptArchive:
        """Tell of the archive that has passed."""
        return KeptArchive(name=name, label=label, size=self.size, sha256=self._digest.hexdigest())


async def in_blocks(stream: AsyncIterator[bytes], size: int) -> AsyncIterator[BytesIO]:
    """Give a stream in blocks of `size` bytes, the last one shorter; the same memory is used for all of them."""
    block = BytesIO()
    async for chunk in stream:
        rest = memoryview(chunk)
        while rest:
            rest = rest[block.write(rest[: size - block.tell()]) :]
            if block.tell() == size:
                block.seek(0)
                yield block
                block.seek(0)
                block.truncate()
    if block.tell():
        block.seek(0)
        yield block
