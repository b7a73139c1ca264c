"""The way back: a sealed archive as a folder.

Whoever may write to the store can seal anything for a public key, so what comes out is not trusted: plain files and
folders below one folder of the expected name, nothing else. Two threads, decrypting and unpacking, are joined by pipes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pyrage
from pyrage import x25519

from bridge.in_thread import ended, in_thread


class WrongKey(OSError):
    """No private key opens the archive, or its first bytes were changed."""


class Damaged(OSError):
    """The sealed bytes are not those that were written, or not all of them."""


class Unsafe(OSError):
    """The tar holds what an archive never has."""


def identities(text: str) -> list[x25519.Identity]:
    """Read a file of private keys as age writes it; ValueError if there is none, or something else."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        keys = [x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        raise ValueError("it holds something else than private keys of age (AGE-SECRET-KEY-1…)") from None
    if not keys:
        raise ValueError("it holds no private key of age (AGE-SECRET-KEY-1…)")
    return keys


async def unsealed(stream: AsyncIterator[bytes], keys: Sequence[x25519.Identity], folder: str, out: Path) -> Path:
    """Decrypt and unpack a stream into the new folder `out`/`folder`, which appears when everything is in it.

    FileExistsError if there is one already; WrongKey, Damaged or Unsafe; what the stream raises passes on.
    """
    part = await in_thread(_new_part, folder, out)
    try:
        await _through(stream, keys, folder, part)
        (part / folder).rename(out / folder)
    finally:
        await in_thread(shutil.rmtree, part, True)
    return out / folder


def _new_part(folder: str, out: Path) -> Path:
    if (out / folder).exists():
        raise FileExistsError(f"{out / folder} is there already")
    out.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=out, prefix=".fetching-"))
    (part / folder).mkdir(mode=0o700)
    return part


async def _through(stream: AsyncIterator[bytes], keys: Sequence[x25519.Identity], folder: str, part: Path) -> None:
    """Let a stream run through both threads; raise what came first."""
    sealed_out, sealed_in = _pipe()
    plain_out, plain_in = _pipe()
    decrypting = asyncio.create_task(asyncio.to_thread(_decrypt, sealed_out, plain_in, keys), name="decrypt")
    unpacking = asyncio.create_task(asyncio.to_thread(_unpack, plain_out, folder, part), name="unpack")
    try:
        with suppress(BrokenPipeError):  # a thread has ended, and says why
            async for chunk in stream:
                await in_thread(sealed_in.write, chunk)
    finally:
        await in_thread(_closed, sealed_in)
        await ended(decrypting, unpacking)
    await decrypting
    await unpacking


def _decrypt(source: BinaryIO, target: BinaryIO, keys: Sequence[x25519.Identity]) -> None:
    out = _Outlet(target)
    try:
        pyrage.decrypt_io(source, out, keys)  # type: ignore[arg-type]
    except pyrage.DecryptError as error:
        raise (WrongKey if "No matching keys" in str(error) else Damaged)(str(error)) from None
    except OSError as error:
        if not out.refused:  # else: who unpacks says why
            raise Damaged(str(error)) from None
    finally:
        _closed(target)
        _closed(source)


class _Outlet:
    """A pipe that remembers whether its reader has gone, because pyrage does not tell."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe, self.refused = pipe, False

    def write(self, data: bytes) -> int:
        try:
            return self._pipe.write(data)
        except OSError:
            self.refused = True
            raise

    def flush(self) -> None:
        self._pipe.flush()


def _unpack(source: BinaryIO, folder: str, part: Path) -> None:
    try:
        with tarfile.open(fileobj=source, mode="r|") as packed:
            for member in packed:
                _check(member, folder)
                packed.extract(member, part, filter="data")
                packed.members.clear()  # type: ignore[attr-defined]  # or it remembers every file
        while source.read(tarfile.RECORDSIZE):  # up to the proof at the end
            pass
    except tarfile.TarError as error:
        raise Unsafe(f"it is no tar of an archive: {error}") from None
    finally:
        _closed(source)


def _check(member: tarfile.TarInfo, folder: str) -> None:
    path = PurePosixPath(member.name)
    plain = member.isdir() or (member.type == tarfile.REGTYPE and not member.issparse())
    if not plain or path.parts[:1] != (folder,) or ".." in path.parts:
        raise Unsafe(f"it holds what an archive never has: {ascii(member.name)[:200]}")


def _pipe() -> tuple[BinaryIO, BinaryIO]:
    out, into = os.pipe()
    return os.fdopen(out, "rb"), os.fdopen(into, "wb")


def _closed(file: BinaryIO) -> None:
    with suppress(OSError):
        file.close()
