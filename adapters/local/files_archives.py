"""The embedded `ArchiveStore`: a folder for each archive, with the sealed file and its label.

An archive gets its name when both files are whole and on disk, by one renaming that fails where the name is taken. What
a process that died has left is removed by the next that stores: the lock of its folder is free.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from adapters.hashed import Hashed
from adapters.local.files import refusals
from bridge.errors import Rejected
from bridge.in_thread import in_thread
from bridge.ports.archives import KeptArchive, Label, read_kept

try:
    import fcntl
except ImportError:  # not on Windows: what a process that died has left stays there
    fcntl = None  # type: ignore[assignment]

CHUNK = 1024 * 1024
LABEL, SUFFIX, NEW = "label.json", ".tar.age", ".new-"
EMPTY_SECONDS = 3600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_refusals = partial(refusals, "the folder for archives", "archives", "files_archives")


class LocalArchives:
    """The `ArchiveStore` port, in a folder that only its owner can read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, label: Label, stream: AsyncIterator[bytes]) -> KeptArchive:
        """Write into a hidden folder, then give that its name."""
        path = self._path(name)
        with _refusals(writing=True):
            file = await in_thread(self._begin, path.name)
        place = Path(file.name).parent
        try:
            hashed = Hashed(stream)
            async for chunk in hashed:
                with _refusals(writing=True):
                    await in_thread(file.write, chunk)
            kept = hashed.kept(name, label)
            with _refusals(writing=True):
                await in_thread(_finish, file, kept, path.parent)
            return kept
        finally:
            with suppress(OSError):
                file.close()
            await in_thread(shutil.rmtree, place, True)

    async def all(self) -> AsyncIterator[KeptArchive]:
        """Read the labels."""
        with _refusals():
            found = await in_thread(self._labels)
        for kept in found:
            yield kept

    async def open(self, kept: KeptArchive) -> AsyncGenerator[bytes, None]:
        """Read an archive in pieces of 1 MB."""
        with _refusals():
            try:
                file = await in_thread(self._path(kept.name).open, "rb")
            except FileNotFoundError:
                raise _gone() from None
        with file:
            while chunk := await in_thread(_read, file):
                yield chunk

    async def delete(self, kept: KeptArchive) -> None:
        """Take its name, then remove it."""
        with _refusals(writing=True):
            await in_thread(self._delete, self._path(kept.name).parent)

    async def ping(self) -> None:
        """Look whether the folder can be written to."""
        with _refusals(writing=True):
            await in_thread(self._look)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, name: str) -> Path:
        if _NAME.fullmatch(name) is None:
            raise _gone()
        return self._folder / name.removesuffix(SUFFIX) / name

    def _look(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable")

    def _begin(self, name: str) -> BinaryIO:
        self._look()
        for left in self._folder.glob(f"{NEW}*"):
            if _abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(dir=self._folder, prefix=NEW))
        (place / name).touch(mode=0o600, exist_ok=False)
        file = (place / name).open("wb", buffering=CHUNK)
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def _labels(self) -> list[KeptArchive]:
        return [kept for path in sorted(self._folder.glob("[!.]*/*" + SUFFIX)) if (kept := _labelled(path))]

    def _delete(self, place: Path) -> None:
        gone = place.with_name(f"{NEW}{place.name}")
        with suppress(FileNotFoundError):
            place.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def _labelled(path: Path) -> KeptArchive | None:
    try:
        return read_kept(path.name, json.loads((path.parent / LABEL).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None


def _abandoned(place: Path) -> bool:
    """Tell whether no process writes there; one that has just made the folder has no file in it yet."""
    with suppress(OSError):
        for path in place.glob("*" + SUFFIX):
            with path.open("rb") as file:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
            return False
        return place.stat().st_mtime < time.time() - EMPTY_SECONDS
    return False


def _read(file: BinaryIO) -> bytes:
    with _refusals():
        return file.read(CHUNK)


def _finish(file: BinaryIO, kept: KeptArchive, place: Path) -> None:
    """Put everything on disk, then give the folder its name; Rejected if the name is taken."""
    made = Path(file.name).parent
    with (made / LABEL).open("x", encoding="utf-8") as label:
        json.dump(kept.written(), label, indent=1)
        label.flush()
        os.fsync(label.fileno())
    file.flush()
    os.fsync(file.fileno())
    _sync(made)
    try:
        made.rename(place)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise Rejected(
            f"there is another archive {kept.name}", code="archive_name", component="files_archives"
        ) from None
    _sync(place.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _gone() -> Rejected:
    return Rejected("there is no such archive", code="archive_gone", component="files_archives")
