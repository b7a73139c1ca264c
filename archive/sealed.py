"""An archive as one stream: a tar of its folder, encrypted with age for the holders of some private keys.

No part of the bridge is needed to read it, now or in ten years: `age -d -i key.txt X.tar.age | tar x`. The stream is
made in a thread while it is read, so neither memory nor the disk ever holds a copy.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tarfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import pyrage

from archive import layout
from bridge.in_thread import ended

SUFFIX = ".tar.age"
PIECE = 1024 * 1024
AHEAD = 2
"""Pieces that may wait for who reads the stream."""


class Changed(OSError):
    """A file of the archive is not as its checksum says."""


async def sealed(root: Path, folder: str, recipients: Sequence[str]) -> AsyncGenerator[bytes, None]:
    """Give the sealed tar of an archive that `verify` found to be whole, in pieces of about 1 MB.

    It has the files that `checksums.sha256` names, and that file, below one folder of this name. Changed if one is not
    as it was; OSError if one cannot be read. Close it (`aclosing`) where it may not be read to its end: the thread ends
    with it.
    """
    outlet = _Outlet(asyncio.get_running_loop())
    work = asyncio.create_task(asyncio.to_thread(_seal, tar(root, folder), recipients, outlet), name="seal an archive")
    try:
        while piece := await outlet.pieces.get():
            yield piece
        await asyncio.shield(work)
    finally:
        outlet.end()
        await ended(work)


class _Outlet:
    """What the thread writes to, and the loop reads from; the thread waits while `AHEAD` pieces are not taken."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue(AHEAD)
        self._loop, self._piece, self._ended = loop, bytearray(), False

    def write(self, data: bytes) -> int:
        """Take some bytes; called in the thread."""
        self._piece += data
        if len(self._piece) >= PIECE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand over what there is; called in the thread. BrokenPipeError if nobody wants it any more."""
        if self._piece:
            piece = bytes(self._piece)
            self._piece.clear()
            self._put(piece)

    def close(self) -> None:
        """Tell that no more comes; called in the thread."""
        if not self._ended:
            self._put(b"")

    def end(self) -> None:
        """Take no more; called in the loop."""
        self._ended = True
        while not self.pieces.empty():
            self.pieces.get_nowait()

    def _put(self, piece: bytes) -> None:
        if self._ended:
            raise BrokenPipeError
        asyncio.run_coroutine_threadsafe(self.pieces.put(piece), self._loop).result()


class _Inlet:
    """A generator of bytes as a file; keeps what it raised, of which pyrage tells the words only."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """Give at most `size` bytes; none at the end."""
        try:
            while not self._rest:
                self._rest = next(self._pieces)
        except StopIteration:
            return b""
        except Exception as error:
            self.error = error
            raise
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _seal(packed: Iterator[bytes], recipients: Sequence[str], outlet: _Outlet) -> None:
    keys = [pyrage.x25519.Recipient.from_str(key) for key in recipients]
    inlet = _Inlet(packed)
    try:
        pyrage.encrypt_io(cast("BinaryIO", inlet), cast("BinaryIO", outlet), keys)  # type: ignore[arg-type]
        outlet.flush()
    except pyrage.EncryptError as error:
        raise inlet.error or BrokenPipeError(str(error)) from None
    finally:
        outlet.close()


def tar(root: Path, folder: str) -> Iterator[bytes]:
    """Write a tar of the archive below a folder of this name: names and times of files, nothing of their owner."""
    size = 0
    for path, digest in _listed(root):
        for piece in _entry(root / path, f"{folder}/{path}", digest):
            size += len(piece)
            yield piece
    yield bytes(tarfile.RECORDSIZE - size % tarfile.RECORDSIZE or tarfile.RECORDSIZE)


def _listed(root: Path) -> Iterator[tuple[str, str]]:
    """Give each file's path and hash, as `checksums.sha256` has them, and that file last, which has none."""
    with (root / layout.CHECKSUMS).open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            digest, _, path = line.rstrip("\n").partition("  ./")
            yield path, digest
    yield layout.CHECKSUMS, ""


def _entry(path: Path, name: str, digest: str) -> Iterator[bytes]:
    info, read, hashed = tarfile.TarInfo(name), 0, hashlib.sha256()
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        info.size, info.mtime, info.mode = found.st_size, int(found.st_mtime), 0o600
        yield info.tobuf(tarfile.PAX_FORMAT)
        while chunk := file.read(PIECE):
            read += len(chunk)
            hashed.update(chunk)
            yield chunk
    if read != info.size or digest not in ("", hashed.hexdigest()):
        raise Changed(f"{name} was changed while the archive was being stored")
    yield bytes(-read % tarfile.BLOCKSIZE)
