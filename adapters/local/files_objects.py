"""The embedded `ObjectStore`: one file per object in a folder, and signed addresses below `/files/`.

A file begins with a line of JSON that says how it is served; the content follows. It gets its name when it is whole and
on disk, so what has a name is complete. Objects older than `KEEP_SECONDS` are removed.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from adapters.local.files import refusals
from bridge.errors import Rejected, Unavailable
from bridge.objects import content_disposition, safe_type
from bridge.ports import Disposition, ObjectRef, SecretSource

KEY_SECRET = "files-key"  # noqa: S105 - the name of the secret
KEEP_SECONDS = 30 * 24 * 3600.0
SWEEP_SECONDS = 3600.0
CHUNK = 256 * 1024
MAX_HEAD = 4096
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}
_ID = re.compile(r"[0-9a-f]{32}")
_TOKEN = re.compile(r"([0-9a-f]{32})\.(\d{1,12})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Head:
    """How an object is served, and where its content begins."""

    content_type: str
    disposition: str
    start: int


_refusals = partial(refusals, "the folder for files", "objects", "files_objects")


class LocalObjects:
    """The `ObjectStore` port; every process on the machine that uses the folder serves the same objects."""

    def __init__(
        self,
        folder: Path,
        source: SecretSource,
        public_url: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`source` keeps the key that signs addresses; `public_url` is where the outside reaches this bridge."""
        self._folder, self._source, self._clock = folder, source, clock
        self._base = f"{public_url.rstrip('/')}/files/"
        self._swept_at = 0.0

    async def put(
        self, name: str, stream: AsyncIterator[bytes], content_type: str, disposition: Disposition = "attachment"
    ) -> ObjectRef:
        """Store a stream under a new id."""
        kind = safe_type(content_type)
        head = json.dumps({"type": kind, "disposition": content_disposition(name, kind, disposition)}).encode() + b"\n"
        await self._sweep()
        with _refusals(writing=True):
            file, temporary = await asyncio.to_thread(self._begin, head)
        try:
            size = 0
            async for chunk in stream:
                size += len(chunk)
                with _refusals(writing=True):
                    await asyncio.to_thread(file.write, chunk)
            ref = ObjectRef(id=secrets.token_hex(16), size=size)
            with _refusals(writing=True):
                await asyncio.to_thread(self._finish, file, temporary, self._path(ref.id))
            return ref
        except BaseException:
            _discard(file, temporary)
            raise

    async def signed_url(self, ref: ObjectRef, seconds: float) -> str:
        """Sign the id and the time, with the newest key."""
        expires = int(self._clock() + seconds)
        return f"{self._base}{ref.id}.{expires}.{_signature(await self._key(), ref.id, expires)}"

    async def open(self, ref: ObjectRef) -> AsyncIterator[bytes]:
        """Read an object in pieces of 256 kB."""
        with _refusals():
            file, head = await asyncio.to_thread(self._open, ref.id)
        async for chunk in _chunks(file, head.start):
            yield chunk

    async def delete(self, ref: ObjectRef) -> None:
        """Remove the file."""
        with _refusals(writing=True):
            await asyncio.to_thread(self._path(ref.id).unlink, True)

    async def ping(self) -> None:
        """Look whether the folder can be written to."""
        with _refusals(writing=True):
            await asyncio.to_thread(self._look)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    # --- the route

    def routes(self) -> list[web.RouteDef]:
        """Give the route that signed addresses lead to."""
        return [web.get("/files/{token}", self.serve)]

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer with the object; 404 for an address that is not ours or ran out, without saying which."""
        object_id = await self._verified(request.match_info["token"])
        try:
            if object_id is None:
                raise web.HTTPNotFound(headers=HEADERS)
            with _refusals():
                file, head = await asyncio.to_thread(self._open, object_id)
        except Rejected:
            raise web.HTTPNotFound(headers=HEADERS) from None
        except Unavailable:
            raise web.HTTPServiceUnavailable(headers={**HEADERS, "Retry-After": "5"}) from None
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": head.content_type, "Content-Disposition": head.disposition}
        )
        response.content_length = os.fstat(file.fileno()).st_size - head.start
        with file:
            await response.prepare(request)
            if request.method != "HEAD":
                async for chunk in _chunks(file, head.start):
                    await response.write(chunk)
        return response

    async def _verified(self, token: str) -> str | None:
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        object_id, expires, given = match.group(1), int(match.group(2)), match.group(3)
        keys = await self._source.get(KEY_SECRET)
        signed = [hmac.compare_digest(_signature(key, object_id, expires), given) for key in keys]
        return object_id if any(signed) and self._clock() < expires else None

    async def _key(self) -> str:
        """Give the newest key; the first that asks makes one."""
        keys = await self._source.get(KEY_SECRET)
        if not keys:
            await self._source.change(KEY_SECRET, lambda key: key or secrets.token_urlsafe(32))
            keys = await self._source.get(KEY_SECRET)
        return keys[0]

    # --- files

    def _path(self, object_id: str) -> Path:
        if _ID.fullmatch(object_id) is None:
            raise _gone()
        return self._folder / object_id[:2] / object_id

    def _look(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(self._folder, os.R_OK | os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "not writable")

    def _begin(self, head: bytes) -> tuple[BinaryIO, Path]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
        file = os.fdopen(handle, "wb", buffering=CHUNK)
        file.write(head)
        return file, Path(temporary)

    @staticmethod
    def _finish(file: BinaryIO, temporary: Path, path: Path) -> None:
        with file:
            file.flush()
            os.fsync(file.fileno())
        path.parent.mkdir(exist_ok=True, mode=0o700)
        temporary.replace(path)

    def _open(self, object_id: str) -> tuple[BinaryIO, Head]:
        try:
            file = self._path(object_id).open("rb")
        except FileNotFoundError:
            raise _gone() from None
        line = file.readline(MAX_HEAD)
        told = json.loads(line)
        return file, Head(told["type"], told["disposition"], len(line))

    async def _sweep(self) -> None:
        if self._clock() - self._swept_at > SWEEP_SECONDS:
            self._swept_at = self._clock()
            with suppress(OSError):
                await asyncio.to_thread(self._remove_old, self._clock() - KEEP_SECONDS)

    def _remove_old(self, before: float) -> None:
        for path in [*self._folder.glob("??/*"), *self._folder.glob(".new-*")]:
            if path.stat().st_mtime < before:
                path.unlink(missing_ok=True)


async def _chunks(file: BinaryIO, start: int) -> AsyncIterator[bytes]:
    with file:
        file.seek(start)
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk


def _signature(key: str, object_id: str, expires: int) -> str:
    digest = hmac.digest(key.encode(), f"{object_id}.{expires}".encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _discard(file: BinaryIO, temporary: Path) -> None:
    with suppress(OSError):
        file.close()
    with suppress(OSError):
        temporary.unlink()


def _gone() -> Rejected:
    return Rejected("the file is not kept any more", code="object_gone", component="files_objects")
