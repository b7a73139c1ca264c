"""Files that agents send: kept in a store of their own, under signed links that run out, as with Amazon's S3."""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import quote

from aiohttp import web

from sandbox.files import FileShelf, StoredFile
from sandbox.settings import Settings
from sandbox.wire import JsonObject

KINDS = ("image", "video", "file")
KEPT = 10_000


class SignedLinks:
    """Makes the parts that stand for files, and serves what they link to."""

    def __init__(self, files: FileShelf, settings: Settings, origin: Callable[[], str]) -> None:
        self._files = files
        self._settings = settings
        self._origin = origin
        self._key = secrets.token_bytes(16)
        self._hidden: OrderedDict[str, int] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/files/signed/{file}/{name}", self.serve)]

    def part(
        self, kind: str, file: StoredFile, link_seconds: int | None = None, hidden_reads: int = 0, named: bool = True
    ) -> JsonObject:
        """A part as its webhook names it: a link of `link_seconds`, or none for so many lists of messages."""
        value: JsonObject = {"fileHash": file.id, "content_type": file.content_type}
        if kind == "file" and named:
            value |= {"name": file.name, "file_size_in_bytes": len(file.data), "file_extension": file.extension}
        if hidden_reads:
            self._hidden[file.id] = hidden_reads
            if len(self._hidden) > KEPT:
                self._hidden.popitem(last=False)
        else:
            value["url"] = self._link(file, self._settings.file_link_seconds if link_seconds is None else link_seconds)
        return {kind: value}

    def fresh(self, parts: list[JsonObject]) -> list[JsonObject]:
        """The parts as a list of messages shows them now: each link is new."""
        return [self._fresh(part) for part in parts]

    async def serve(self, request: web.Request) -> web.Response:
        """GET a link: it is all the permission there is, and a second one beside it is refused."""
        if "Authorization" in request.headers:
            return _refused(400, "InvalidArgument", "Only one auth mechanism allowed")
        file_id, query = request.match_info["file"], request.query
        given, until = query.get("X-Amz-Signature", ""), query.get("X-Amz-Expires", "")
        if not hmac.compare_digest(given, self._signature(file_id, until)):
            return _refused(403, "SignatureDoesNotMatch", "The signature does not match")
        file = self._files.get(file_id)
        if file is None or float(until) <= time.time():
            return _refused(403, "AccessDenied", "Request has expired")
        named = f"inline; filename*=UTF-8''{quote(file.name)}"
        return web.Response(body=file.data, headers={"Content-Type": file.content_type, "Content-Disposition": named})

    def clear(self) -> None:
        self._hidden.clear()

    def _fresh(self, part: JsonObject) -> JsonObject:
        kind = next((kind for kind in KINDS if isinstance(part.get(kind), dict)), None)
        file = self._files.get(str(part[kind].get("fileHash"))) if kind else None
        if kind is None or file is None:
            return part
        left = self._hidden.get(file.id, 0)
        if left:
            self._hidden[file.id] = left - 1
            return part
        return {kind: {**part[kind], "url": self._link(file, self._settings.file_link_seconds)}}

    def _link(self, file: StoredFile, seconds: int) -> str:
        until = f"{time.time() + seconds:.3f}"
        query = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires={until}"
        signature = self._signature(file.id, until)
        return f"{self._origin()}/files/signed/{file.id}/u_{file.id[:8]}?{query}&X-Amz-Signature={signature}"

    def _signature(self, file_id: str, until: str) -> str:
        return hmac.digest(self._key, f"{file_id}/{until}".encode(), hashlib.sha256).hex()


def _refused(status: int, code: str, message: str) -> web.Response:
    text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
