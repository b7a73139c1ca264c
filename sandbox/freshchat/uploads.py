"""Freshchat's uploads: a file becomes a hash, an image becomes a URL."""

from collections.abc import Callable

from aiohttp import BodyPartReader, web

from sandbox.files import FileShelf, StoredFile, png_size
from sandbox.freshchat.errors import invalid, refuse
from sandbox.wire import JsonObject, answer

#: Reported by implementers; the readable documentation names no limit.
FILE_LIMIT = 25 * 1024 * 1024


class UploadApi:
    """The two upload calls."""

    def __init__(self, files: FileShelf, origin: Callable[[], str]) -> None:
        self._files = files
        self._origin = origin

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/v2/files/upload", self.file), web.post("/v2/images/upload", self.image)]

    async def file(self, request: web.Request) -> web.Response:
        """Field `file`; the answer has a hash and no URL."""
        stored = await self._received(request, "file")
        return answer(
            {
                "file_name": stored.name,
                "file_size": len(stored.data),
                "file_content_type": stored.content_type,
                "file_extension_type": stored.extension,
                "file_hash": stored.id,
                "file_security_status": "AV_PENDING",
            }
        )

    async def image(self, request: web.Request) -> web.Response:
        """Field `image`; the answer has a URL."""
        stored = await self._received(request, "image")
        if not stored.content_type.startswith("image/"):
            invalid("IMAGE_INVALID_CONTENT_TYPE")
        width, height = png_size(stored.data) or (0, 0)
        url = self._origin() + stored.path
        thumbnail = {"url": url, "width": width, "height": height, "content_type": stored.content_type}
        image = {"url": url, "thumbnail": thumbnail, "content_type": stored.content_type}
        return answer({**image, "width": width, "height": height})

    def part(self, file_hash: str) -> JsonObject | None:
        """The received form of an uploaded file's part."""
        stored = self._files.get(file_hash)
        if stored is None:
            return None
        return {
            "name": stored.name,
            "url": self._origin() + stored.path,
            "fileHash": stored.id,
            "file_size_in_bytes": len(stored.data),
            "content_type": stored.content_type,
            "file_extension": stored.extension,
        }

    async def _received(self, request: web.Request, field: str) -> StoredFile:
        if request.content_type != "multipart/form-data":
            refuse(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be multipart/form-data")
        try:
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader) and part.name == field and part.filename:
                    return await self._stored(part)
        except ValueError:
            invalid("the multipart body is malformed")
        return invalid(f"multipart field {field} with a file name is required")

    async def _stored(self, part: BodyPartReader) -> StoredFile:
        data = bytearray()
        while chunk := await part.read_chunk(64 * 1024):
            data += chunk
            if len(data) > FILE_LIMIT:
                refuse(413, "PAYLOAD_TOO_LARGE", "the file is larger than 25 MB")
        content_type = part.headers.get("Content-Type", "application/octet-stream")
        return self._files.add(part.filename or "file", content_type, bytes(data))
