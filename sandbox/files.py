"""Uploaded and shared files, kept in memory and served under links that cannot be guessed."""

import secrets
import struct
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

#: The oldest files go when all of them together exceed this.
BYTES_KEPT = 200 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file."""

    id: str
    name: str
    content_type: str
    data: bytes

    @property
    def path(self) -> str:
        """The link, relative to the server."""
        return f"/files/{self.id}/{quote(self.name)}"

    @property
    def extension(self) -> str:
        return self.name.rpartition(".")[2].lower() if "." in self.name else ""


class FileShelf:
    """All files of one service."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, StoredFile] = OrderedDict()
        self._bytes = 0

    def add(self, name: str, content_type: str, data: bytes) -> StoredFile:
        """Keep a file."""
        file = StoredFile(secrets.token_hex(16), name.replace("/", "_") or "file", content_type, data)
        self._files[file.id] = file
        self._bytes += len(data)
        while self._bytes > BYTES_KEPT and len(self._files) > 1:
            self._bytes -= len(self._files.popitem(last=False)[1].data)
        return file

    def get(self, file_id: str) -> StoredFile | None:
        return self._files.get(file_id)

    def clear(self) -> None:
        self._files.clear()
        self._bytes = 0

    async def serve(self, request: web.Request) -> web.Response:
        """GET /files/{file}/{name}; the link is the permission, as with the real signed URLs."""
        file = self.get(request.match_info["file"])
        if file is None:
            return web.Response(status=404, text="This link has expired.")
        return download(file)


def download(file: StoredFile) -> web.Response:
    """The bytes, never to be run by a browser that opens the link."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}",
        "X-Content-Type-Options": "nosniff",
        "Content-Type": file.content_type,
    }
    return web.Response(body=file.data, headers=headers)


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG."""
    if len(data) < 24 or not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    width, height = struct.unpack(">II", data[16:24])
    return width, height
